"""The face that the genuine `env.AI` of a Worker talks to: no account, no envelope, the model in a header.

workerd's AI module calls it under `https://workers-binding.ai`, whatever address is bound. It sends JSON
`{"inputs": ..., "options": ...}`, or a form as it is with the other inputs and the options in the query, and takes a
body for JSON only under exactly `application/json`. `version` 2 (`@cloudflare/ai` 1.x) and 3 are alike in all that.
Knows no status numbers and no weights.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from alpenglow.api import envelope
from alpenglow.api.auth import authenticator
from alpenglow.api.body import parse_json
from alpenglow.api.forms import Run, RunReader, SearchInput, inner, query
from alpenglow.api.listing import search
from alpenglow.api.runner import Runner
from alpenglow.errors import IncompleteRequest
from alpenglow.request import EngineClient
from alpenglow.settings import Settings

MODEL = "cf-consn-model-id"
"""Header: the model, after a prefix and a colon where the Worker set one."""


def routes(client: EngineClient, settings: Settings, runner: Runner) -> APIRouter:
    """`/run` and its like, beside which the REST face has room on the same port. Any Host will do."""
    router = APIRouter(dependencies=[Depends(authenticator(settings))])
    reader = RunReader(settings)

    async def read(request: Request) -> Run:
        sent = await reader.fields(request)
        given = query(request)
        beside = parse_json(given.pop("userInputs", "{}"))
        inputs = inner(sent, "inputs") if "inputs" in sent else sent
        return await reader.run(_model(request), given, inner(sent, "options"), beside, inputs)

    # The voice comes first: a refusal by the authenticator is to be told in it as well.
    speaking = APIRouter(dependencies=[Depends(_speak), Depends(authenticator(settings))])

    @speaking.post("/run")
    @speaking.post("/ai-gateway/run")
    async def run(request: Request) -> Response:
        envelope.begin(request)
        picture = await runner.run(request, read(request))
        return envelope.bare(request, {"image": picture.base64}, picture.headers)

    @router.get("/ai-api/models/search")
    async def models(request: Request, wanted: Annotated[SearchInput, Query()]) -> Response:
        return search(request, client, wanted)

    @router.get("/to-everything/markdown/supported")
    async def markdown(request: Request) -> Response:
        return envelope.success(request, [])  # no kind of file is turned into Markdown here

    router.include_router(speaking)
    return router


def _speak(request: Request) -> None:
    envelope.speak(request, envelope.bound)


def _model(request: Request) -> str:
    named = request.headers.get(MODEL, "").rpartition(":")[2]
    if not named:
        raise IncompleteRequest(MODEL)
    return named
