"""What there is to ask for, as Cloudflare lists it under both faces: models, their schemas, tasks, authors.

Knows no weights. What this server has none of, fine-tunes and conversions to Markdown, is an empty list: clients that
look before they ask find nothing.
"""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from alpenglow.api import envelope
from alpenglow.api.auth import Authenticate
from alpenglow.api.schemas import OUTPUT, in_account, input_schema
from alpenglow.errors import UnknownModel
from alpenglow.request import EngineClient, ModelCard, find_card
from alpenglow.settings import Settings

TASK = {
    "id": "3d6e1f35-341b-4915-a6c8-9a7142a9033a",
    "name": "Text-to-Image",
    "description": "Makes a picture from words, and from other pictures where some are given.",
}

NOTHING = ("/finetunes", "/finetunes/public", "/tomarkdown/supported")
"""Lists that are empty here."""


class SearchInput(BaseModel):
    """The query of `models/search`. What else clients send (`hide_experimental`, ...) is ignored: nothing is hidden."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    search: str = ""
    task: str = ""
    author: str = ""
    page: Annotated[int, Field(ge=1)] = 1
    per_page: Annotated[int, Field(ge=1, le=1000)] = 50


Wanted = Annotated[SearchInput, Query()]


def routes(client: EngineClient, settings: Settings, authenticate: Authenticate) -> APIRouter:
    """The lists. Past its last page each is empty: clients ask on until it is."""
    router = APIRouter(dependencies=[Depends(authenticate)], tags=["lists"])
    rest = APIRouter(prefix="/client/v4/accounts/{account}/ai", dependencies=[Depends(in_account)])

    @router.get("/ai-api/models/search")
    @rest.get("/models/search")
    async def models(request: Request, wanted: Wanted) -> Response:
        """The models that may be asked for, page by page; the page after the last is empty."""
        return page(request, [_listed(card) for card in client.models() if _matches(card, wanted)], wanted)

    @rest.get("/models/schema")
    async def schema(request: Request, model: str) -> Response:
        """The fields of a model, as JSON Schema."""
        find_card(client.models(), model)
        return envelope.success(request, {"input": input_schema(strict=settings.strict), "output": OUTPUT})

    @rest.get("/tasks/search")
    async def tasks(request: Request, wanted: Wanted) -> Response:
        """The kinds of work that there are: one."""
        return page(request, [TASK] if wanted.search.lower() in TASK["name"].lower() else [], wanted)

    @rest.get("/authors/search")
    async def authors(request: Request, wanted: Wanted) -> Response:
        """Who made the models."""
        names = sorted({card.author for card in client.models()})
        return page(request, [{"name": name} for name in names if wanted.search.lower() in name.lower()], wanted)

    @router.get("/to-everything/markdown/supported")
    async def nothing(request: Request) -> Response:
        """An empty list: there is nothing of the kind here."""
        return envelope.success(request, [])

    @router.post("/to-everything/markdown/transformer")
    @rest.post("/tomarkdown")
    async def convert(request: Request) -> Response:
        """Refused: no model here turns files into Markdown."""
        envelope.begin(request)
        raise UnknownModel("toMarkdown")

    for path in NOTHING:
        rest.add_api_route(path, nothing, methods=["GET"])
    router.include_router(rest)
    return router


def page(request: Request, found: Sequence[object], wanted: SearchInput) -> Response:
    """The page that is wanted of all that was found."""
    first = (wanted.page - 1) * wanted.per_page
    shown = found[first : first + wanted.per_page]
    info = {"count": len(shown), "page": wanted.page, "per_page": wanted.per_page, "total_count": len(found)}
    return envelope.success(request, shown, result_info=info)


def _matches(card: ModelCard, wanted: SearchInput) -> bool:
    """As Cloudflare has it: `task` is the exact name, `author` the middle of the model's, `search` any text of it."""
    text = f"{card.api_name} {card.title} {card.description}".lower()
    return (
        wanted.search.lower() in text
        and wanted.task in ("", TASK["name"])
        and wanted.author.lower() in ("", card.author.lower())
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
