"""The HTTP application on one screen: faces, error handlers, CORS. The engine is an EngineClient; no torch here."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from alpenglow import __version__
from alpenglow.api import binding, envelope, health, runner, workers_ai
from alpenglow.api.runner import Runner
from alpenglow.errors import AlpenglowError
from alpenglow.request import EngineClient
from alpenglow.settings import Settings

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

# Each handler names the error that it is registered for, where the framework's type says Exception.
HANDLERS: dict[int | type[Exception], Callable[..., Any]] = {
    AlpenglowError: envelope.failure,
    ClientDisconnect: envelope.failure,
    RequestValidationError: envelope.bad_query,
    HTTPException: envelope.not_routed,
}


def create_app(client: EngineClient, settings: Settings, lifespan: Lifespan | None = None) -> FastAPI:
    """The server's application. `lifespan` starts and stops what `client` needs, if whoever calls does not."""
    app = FastAPI(
        title="alpenglow",
        version=__version__,
        lifespan=lifespan,
        exception_handlers=HANDLERS,
        redirect_slashes=False,
        openapi_url=None,
    )
    app.include_router(health.routes(client))
    engine = Runner(client, settings)
    app.include_router(workers_ai.routes(client, settings, engine))
    app.include_router(binding.routes(client, settings, engine))
    app.add_middleware(envelope.LastResort)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type"],
            expose_headers=[envelope.REQUEST_ID, runner.WEIGHTS, runner.SEED],
        )
    return app
