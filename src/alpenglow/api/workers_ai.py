"""The REST face of Cloudflare Workers AI: run a model, list the models. Knows no status numbers and no weights."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from alpenglow.api import envelope
from alpenglow.api.auth import authenticator
from alpenglow.api.forms import Run, RunReader, SearchInput, inner, query
from alpenglow.api.listing import search
from alpenglow.api.runner import Runner
from alpenglow.request import EngineClient
from alpenglow.settings import Settings

PREFIX = "/client/v4/accounts/{account}/ai"


def routes(client: EngineClient, settings: Settings, runner: Runner) -> APIRouter:
    """The routes under `/client/v4/accounts/{account}/ai`. Any account will do: there is only this machine."""
    router = APIRouter(prefix=PREFIX, dependencies=[Depends(authenticator(settings))])
    reader = RunReader(settings)

    async def read(request: Request, model: str) -> Run:
        fields = await reader.fields(request)
        return await reader.run(model, query(request), inner(fields, "options"), fields)

    @router.post("/run/{model:path}")
    async def run(request: Request, model: str) -> Response:
        envelope.begin(request)
        picture = await runner.run(request, read(request, model))
        result = {"image": picture.base64}
        return envelope.success(request, result, notes=picture.asked.notes, headers=picture.headers)

    @router.get("/models/search")
    async def models(request: Request, wanted: Annotated[SearchInput, Query()]) -> Response:
        return search(request, client, wanted)

    return router
