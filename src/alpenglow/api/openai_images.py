"""The face of OpenAI's images API: `/v1/images/generations`, `/v1/images/edits`, `/v1/models`, on the same engine.

Errors are told in OpenAI's shape because of the path. Knows no status numbers and no weights.
"""

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from alpenglow.api import envelope
from alpenglow.api.auth import Authenticate
from alpenglow.api.openai_forms import EditInput, GenerateInput, ImagesReader
from alpenglow.api.runner import Picture, Runner
from alpenglow.api.schemas import form_or_json
from alpenglow.imaging import ImageFormat
from alpenglow.request import EngineClient, ModelCard, find_card
from alpenglow.settings import Settings

OPENAIS_OWN = re.compile(r"dall-e-|gpt-image-|chatgpt-image-")
"""Names that many clients send whatever server they are pointed at: answered by the model for unnamed requests."""


def routes(
    client: EngineClient, settings: Settings, reader: ImagesReader, runner: Runner, authenticate: Authenticate
) -> APIRouter:
    """The routes under `/v1`. What names no model is made by the first of the settings' models."""
    router = APIRouter(prefix="/v1", tags=["OpenAI images"], dependencies=[Depends(authenticate)])

    def model(name: str | None) -> str:
        ours = settings.models[0] if name is None or OPENAIS_OWN.match(name) else name
        return find_card(client.models(), ours).api_name

    @router.post("/images/generations", response_model=Images, openapi_extra=form_or_json(GenerateInput))
    async def generate(request: Request) -> Response:
        """Make pictures from words."""
        envelope.begin(request)
        return _answer(request, await runner.run(request, reader.generate(request, model)))

    @router.post("/images/edits", response_model=Images, openapi_extra=form_or_json(EditInput))
    async def edit(request: Request) -> Response:
        """Make pictures from words and one to four pictures, which the prompt calls image 0, image 1, ..."""
        envelope.begin(request)
        return _answer(request, await runner.run(request, reader.edit(request, model)))

    @router.get("/models", response_model=Models)
    async def models(request: Request) -> Response:
        """Every model that may be asked for."""
        listed = Models(data=[_listed(card) for card in client.models()])
        return envelope.bare(request, listed.model_dump(), {})

    @router.get("/models/{name:path}", response_model=Model)
    async def one_model(request: Request, name: str) -> Response:
        """A model by any of its names."""
        return envelope.bare(request, _listed(find_card(client.models(), name)).model_dump(), {})

    return router


class Image(BaseModel):
    """A picture, as base64 or as a data URL, and the seed that makes it again."""

    b64_json: str | None = None
    url: str | None = None
    seed: int


class Images(BaseModel):
    """The answer of both image routes. `size` is that of the pictures, whose sides are multiples of 16."""

    created: int
    background: Literal["opaque"] = "opaque"
    output_format: ImageFormat
    size: str
    data: list[Image]


class Model(BaseModel):
    """A model as OpenAI lists it; `created` in seconds since 1970."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class Models(BaseModel):
    """The list of models."""

    object: Literal["list"] = "list"
    data: list[Model]


def _answer(request: Request, pictures: Sequence[Picture]) -> Response:
    first = pictures[0].asked
    answer = Images(
        created=int(time.time()),
        output_format=first.output_format,
        size=f"{first.generation.width}x{first.generation.height}",
        data=[_image(picture) for picture in pictures],
    )
    return envelope.bare(request, answer.model_dump(exclude_none=True), pictures[0].headers)


def _image(picture: Picture) -> Image:
    if picture.asked.as_url:
        return Image(url=picture.data_url, seed=picture.result.seed)
    return Image(b64_json=picture.base64, seed=picture.result.seed)


def _listed(card: ModelCard) -> Model:
    created = datetime.fromisoformat(card.created_at).replace(tzinfo=UTC)
    return Model(id=card.short, created=int(created.timestamp()), owned_by=card.author)
