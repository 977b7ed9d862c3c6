"""The pages that a person opens: playground, models, usage, the API's reference. Nothing on them comes from elsewhere.

Templates and assets lie in `alpenglow/playground`. What a page shows of accounts it fetches with the reader's own
token; what is served here is open to everyone who reaches the server.
"""

import re
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jinja2
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from markupsafe import Markup, escape

from alpenglow.api import envelope, tariff
from alpenglow.api.forms import RunInput
from alpenglow.api.schemas import operations, plain
from alpenglow.request import EngineClient, find_card
from alpenglow.settings import Settings

ROOT = Path(__file__).parents[1] / "playground"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Of every page: nothing from elsewhere, nothing inline."""


def mount(app: FastAPI, client: EngineClient, settings: Settings) -> None:
    """`/`, `/models`, `/usage`, `/docs`, and what they load from `/assets`."""
    app.include_router(routes(client, settings))
    app.mount("/assets", StaticFiles(directory=ROOT / "assets"), name="assets")


def routes(client: EngineClient, settings: Settings) -> APIRouter:
    """The pages."""
    router = APIRouter(include_in_schema=False)
    pages = _Pages(client)
    page = partial(router.api_route, methods=["GET", "HEAD"])  # who waits for a server asks by HEAD

    @page("/")
    async def playground() -> HTMLResponse:
        return pages.page("index", here="/")

    @page("/models")
    async def models() -> HTMLResponse:
        return pages.page("models", here="/models", models=client.models())

    @page("/models/{name:path}")
    async def model(name: str, request: Request) -> HTMLResponse:
        card = find_card(client.models(), name)
        return pages.page(
            "model",
            here="/models",
            card=card,
            schema=plain(RunInput),
            tariff=tariff.described(card.row),
            settings=settings,
            origin=str(request.base_url).rstrip("/"),
        )

    @page("/usage")
    async def usage() -> HTMLResponse:
        return pages.page("usage", here="/usage")

    @page("/docs")
    async def reference(request: Request) -> HTMLResponse:
        document: dict[str, Any] = request.app.openapi()
        return pages.page("reference", here="/docs", info=document["info"], groups=operations(document))

    @router.get("/price/{name:path}")
    async def price(request: Request, name: str, asked: Annotated[tariff.PriceInput, Query()]) -> Response:
        row = find_card(client.models(), name).row
        return envelope.success(request, tariff.quote(row, asked))

    return router


class _Pages:
    """Templates, and what all of them show."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(ROOT), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.filters["code"] = _code

    def page(self, name: str, **values: object) -> HTMLResponse:
        """A page by its template's name."""
        loaded = sorted({card.answered_by for card in self._client.models()})
        common = {"weights": f"{', '.join(loaded)} weights", "demo": loaded == ["demo"]}
        text = self._templates.get_template(f"{name}.html.jinja").render({**common, **values})
        return HTMLResponse(text, headers={"content-security-policy": POLICY, "referrer-policy": "no-referrer"})


def _code(text: str) -> Markup:
    """Text with `names` between backticks set as code."""
    return Markup(re.sub("`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before
