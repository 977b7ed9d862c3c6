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
from alpenglow.api import (
    binding,
    envelope,
    health,
    identity,
    listing,
    openai_images,
    pages,
    stream,
    usage,
    workers_ai,
)
from alpenglow.api.auth import authenticator
from alpenglow.api.forms import RunReader
from alpenglow.api.metering import NEURONS, Meter, Metered
from alpenglow.api.openai_forms import ImagesReader
from alpenglow.api.references import ReferenceReader
from alpenglow.api.runner import SEED, TIMING, WEIGHTS, Runner
from alpenglow.errors import AlpenglowError
from alpenglow.ledger.ledger import Ledger
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


def create_app(
    client: EngineClient, settings: Settings, ledger: Ledger | None = None, lifespan: Lifespan | None = None
) -> FastAPI:
    """The server's application. `ledger`, if there is one, says who may ask and keeps what it costs.

    `lifespan` starts and stops what `client` needs, if whoever calls does not.
    """
    app = FastAPI(
        title="alpenglow",
        version=__version__,
        lifespan=lifespan,
        exception_handlers=HANDLERS,
        redirect_slashes=False,
        docs_url=None,  # FastAPI's pages load their scripts from elsewhere; ours is in `pages`
        redoc_url=None,
    )
    app.include_router(health.routes(client))
    pages.mount(app, client, settings)
    authenticate = authenticator(settings, ledger)
    meter = Meter(client, settings, ledger)
    runner = Runner(client, settings, meter)
    references = ReferenceReader(settings.max_reference_pixels)
    reader = RunReader(settings, references)
    app.include_router(workers_ai.routes(reader, runner, authenticate))
    app.include_router(stream.routes(reader, runner, meter, authenticate))
    app.include_router(binding.routes(reader, runner, authenticate))
    images = ImagesReader(settings, references)
    app.include_router(openai_images.routes(client, settings, images, runner, authenticate))
    app.include_router(listing.routes(client, settings, authenticate))
    app.include_router(identity.routes(authenticate))
    if ledger is not None:
        app.include_router(usage.routes(ledger, authenticate))
    app.add_middleware(envelope.LastResort)
    app.add_middleware(Metered, seconds=settings.request_timeout_seconds)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],  # SDKs send a dozen of their own
            expose_headers=[*envelope.REQUEST_IDS, NEURONS, WEIGHTS, SEED, TIMING],
        )
    return app
