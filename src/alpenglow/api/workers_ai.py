"""The REST face of Cloudflare Workers AI: run a model. Knows no status numbers and no weights."""

from fastapi import APIRouter, Depends, Request, Response

from alpenglow.api import envelope, proxied
from alpenglow.api.accept import preferred_image
from alpenglow.api.auth import Authenticate
from alpenglow.api.forms import Run, RunInput, RunReader, inner, is_proxied, query, text
from alpenglow.api.runner import Picture, Runner
from alpenglow.api.schemas import form_or_json, in_account, json_with, plain
from alpenglow.errors import InvalidInput

PREFIX = "/client/v4/accounts/{account}/ai"

FORM_WITHOUT_MODEL = "this route takes JSON, an object of 'model' and 'input'; a form goes to .../ai/run/MODEL"


def routes(reader: RunReader, runner: Runner, authenticate: Authenticate) -> APIRouter:
    """The two ways to run a model: its name in the path, or beside its input in the body."""
    router = APIRouter(prefix=PREFIX, dependencies=[Depends(authenticate), Depends(in_account)], tags=["run"])

    async def read(request: Request, model: str) -> tuple[Run]:
        runner.expect(model)
        fields = await reader.fields(request)
        return await reader.run(model, _accepted(request), query(request), inner(fields, "options"), fields)

    async def read_any(request: Request) -> tuple[Run]:
        fields = await reader.fields(request)
        if isinstance(fields.get("model"), bytes):
            raise InvalidInput(FORM_WITHOUT_MODEL)
        model = text(fields, "model")
        if is_proxied(model):
            envelope.speak(request, proxied.voice(model))
        runner.expect(model)
        given = (_accepted(request), query(request), inner(fields, "options"), inner(fields, "input"))
        return await reader.run(model, *given)

    @router.post("/run/{model:path}", openapi_extra=form_or_json(RunInput))
    async def run(request: Request, model: str) -> Response:
        """Make a picture, or edit up to four."""
        envelope.begin(request)
        (picture,) = await runner.run(request, read(request, model))
        return _answer(request, picture)

    @router.post("/run", openapi_extra=json_with(model={"type": "string"}, input=plain(RunInput)))
    async def run_any(request: Request) -> Response:
        """The same with the model in the body."""
        envelope.begin(request)
        (picture,) = await runner.run(request, read_any(request))
        if is_proxied(picture.asked.generation.model):
            return proxied.success(request, picture)
        return _answer(request, picture)

    return router


def _accepted(request: Request) -> dict[str, object]:
    """The format that the caller would rather have than JSON, if it does, unless the input names one."""
    return {"output_format": preferred_image(request.headers.get("accept", ""))}


def _answer(request: Request, picture: Picture) -> Response:
    """The picture in the envelope, or itself to a caller who would rather have that."""
    if preferred_image(request.headers.get("accept", "")) is not None:
        return envelope.file(request, picture.file, picture.media_type, picture.headers)
    return envelope.success(request, {"image": picture.base64}, notes=picture.notes, headers=picture.headers)
