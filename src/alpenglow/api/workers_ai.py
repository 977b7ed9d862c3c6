"""The REST face of Cloudflare Workers AI: run a model, list the models. Knows no status numbers and no weights."""

import asyncio
import base64
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from alpenglow.api import envelope
from alpenglow.api.auth import authenticator
from alpenglow.api.disconnect import unless_disconnected
from alpenglow.api.forms import RunReader, SearchInput
from alpenglow.errors import RequestTimeout
from alpenglow.imaging import encode
from alpenglow.request import EngineClient, GenerationResult, ModelCard
from alpenglow.settings import Settings

PREFIX = "/client/v4/accounts/{account}/ai"

WEIGHTS, SEED = "x-alpenglow-weights", "x-alpenglow-seed"
"""Headers of a picture: the catalogue row whose weights made it, and the seed that makes it again."""

TASK = {
    "id": "3d6e1f35-341b-4915-a6c8-9a7142a9033a",
    "name": "Text-to-Image",
    "description": "Makes a picture from words, and from other pictures where some are given.",
}


def routes(client: EngineClient, settings: Settings) -> APIRouter:
    """The routes under `/client/v4/accounts/{account}/ai`. Any account will do: there is only this machine."""
    router = APIRouter(prefix=PREFIX, dependencies=[Depends(authenticator(settings))])
    reader = RunReader(settings)

    @router.post("/run/{model:path}")
    async def run(request: Request, model: str) -> Response:
        envelope.begin(request)
        try:
            async with asyncio.timeout(settings.request_timeout_seconds):
                asked = await reader.read(request, model)
                result = await unless_disconnected(request.receive, client.generate(asked.generation))
                picture = await asyncio.to_thread(encode, result.image, asked.output_format)
        except TimeoutError as error:
            raise RequestTimeout(f"no answer within {settings.request_timeout_seconds:g} seconds") from error
        image = {"image": base64.b64encode(picture).decode("ascii")}
        return envelope.success(request, image, notes=asked.notes, headers=_provenance(result))

    @router.get("/models/search")
    async def search(request: Request, query: Annotated[SearchInput, Query()]) -> Response:
        found = [card for card in client.models() if _matches(card, query)]
        first = (query.page - 1) * query.per_page
        page = [_listed(card) for card in found[first : first + query.per_page]]
        info = {"count": len(page), "page": query.page, "per_page": query.per_page, "total_count": len(found)}
        return envelope.success(request, page, result_info=info)

    return router


def _provenance(result: GenerationResult) -> dict[str, str]:
    return {WEIGHTS: result.answered_by, SEED: str(result.seed)}


def _matches(card: ModelCard, query: SearchInput) -> bool:
    """As Cloudflare has it: `task` is the exact name, `author` the middle of the model's, `search` any text of it."""
    author = card.api_name.split("/")[-2] if "/" in card.api_name else ""
    text = f"{card.api_name} {card.title} {card.description}".lower()
    return (
        query.search.lower() in text
        and query.task in ("", TASK["name"])
        and query.author.lower() in ("", author.lower())
    )


def _listed(card: ModelCard) -> dict[str, object]:
    """A model in the shape of Cloudflare's list. Two properties of ours say under which weights it answers here."""
    properties = {
        "terms": card.licence_url,
        "alpenglow_licence": card.licence,
        "alpenglow_weights": card.answered_by,
    }
    return {
        "id": card.id,
        "source": 1,
        "name": card.api_name,
        "description": card.description,
        "task": TASK,
        "created_at": card.created_at,
        "tags": [],
        "properties": [{"property_id": name, "value": value} for name, value in properties.items()],
    }
