"""The face that the genuine `env.AI` of a Worker talks to: no account, no envelope, the model in a header.

workerd's AI module calls it under `https://workers-binding.ai`, whatever address is bound. It sends JSON
`{"inputs": ..., "options": ...}`, or a form as it is with the other inputs and the options in the query, and takes a
body for JSON only under exactly `application/json`. `version` 2 (`@cloudflare/ai` 1.x) and 3 are alike in all that.
Knows no status numbers and no weights.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from alpenglow.api import envelope, proxied
from alpenglow.api.auth import Authenticate
from alpenglow.api.forms import Run, RunInput, RunReader, inner, inner_text, is_proxied, query
from alpenglow.api.runner import Runner
from alpenglow.api.schemas import json_with, plain
from alpenglow.errors import IncompleteRequest

MODEL = "cf-consn-model-id"
"""Header: the model, after a prefix and a colon where the Worker set one."""


def routes(reader: RunReader, runner: Runner, authenticate: Authenticate) -> APIRouter:
    """`/run` and its like, beside which the REST face has room on the same port. Any Host will do."""
    # The voice comes first: a refusal by the authenticator is to be told in it as well.
    router = APIRouter(dependencies=[Depends(_speak), Depends(authenticate)], tags=["binding"])

    async def read(request: Request, header: str) -> tuple[Run]:
        model = header.rpartition(":")[2]
        if not model:
            raise IncompleteRequest(MODEL)
        runner.expect(model)
        sent = await reader.fields(request)
        given = query(request)
        beside = inner_text(given, "userInputs")
        is_form = isinstance(sent.get("inputs", b""), bytes)  # or its `inputs` is a part that nobody asks for
        inputs = sent if is_form else inner(sent, "inputs")
        return await reader.run(model, given, inner(sent, "options"), beside, inputs)

    @router.post("/run", openapi_extra=json_with(inputs=plain(RunInput), options={"type": "object"}))
    @router.post("/ai-gateway/run", openapi_extra=json_with(inputs=plain(RunInput), options={"type": "object"}))
    async def run(request: Request, model: Annotated[str, Header(alias=MODEL)] = "") -> Response:
        """What `env.AI.run` calls: a form as it is, or inputs and options as JSON; a bare `{"image"}` comes back."""
        envelope.begin(request)
        (picture,) = await runner.run(request, read(request, model))
        second_catalogue = is_proxied(picture.asked.generation.model)
        result = proxied.completed(picture) if second_catalogue else {"image": picture.base64}
        return envelope.bare(request, result, picture.headers)

    return router


def _speak(request: Request) -> None:
    envelope.speak(request, envelope.bound)
