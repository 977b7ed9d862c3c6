"""OpenAI's image requests -> the pictures asked for. A pydantic model each is the validation and the served schema.

Knows OpenAI's fields and ours beside them (`seed`, `guidance`). What steers only OpenAI's own models (`quality`,
`style`, `background`, `moderation`, `input_fidelity`, `user`, ...) is ignored; what would change the picture and cannot
be done (`mask`, `stream`) is refused. Knows nothing of HTTP statuses and of the engine.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError
from starlette.requests import Request

from alpenglow.api.body import BodyLimits, read_fields
from alpenglow.api.forms import Run, Side
from alpenglow.api.references import ReferenceReader
from alpenglow.api.validation import checked
from alpenglow.imaging import QUALITY, ImageFormat
from alpenglow.request import (
    MAX_GUIDANCE,
    MAX_REFERENCES,
    MAX_SEED,
    MAX_SIDE,
    MIN_SIDE,
    RGB,
    SIZE_MULTIPLE,
    GenerationRequest,
    random_seed,
)
from alpenglow.settings import Settings

MAX_PICTURES = 10
IMAGES = ("image", "image[]", "images")
"""Names under which clients send one picture, or several; the last one in JSON."""
FILES = (*IMAGES, "mask", "markup")

URLS_BY_DEFAULT = "dall-e-"
"""Clients of models so named expect a URL unless they ask for base64; those of all later ones know only base64."""

AUTO_SIDE = 1024
"""`auto` is a square of this side; for an edit, as many pixels in the shape of its first image."""

SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")
Size = Annotated[tuple[Side, Side], WithJsonSchema({"type": "string", "pattern": "^(auto|[0-9]+x[0-9]+)$"})]
"""(width, height), sent as `1024x768`."""


class GenerateInput(BaseModel):
    """The fields of `/v1/images/generations`. Others are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt: Annotated[str, Field(min_length=1)]
    model: str | None = None
    n: Annotated[int, Field(ge=1, le=MAX_PICTURES, description="Pictures, the i-th of the seed plus i.")] = 1
    size: Annotated[Size | None, Field(description=f"auto, or two sides of {MIN_SIDE} to {MAX_SIDE}.")] = None
    response_format: Literal["b64_json", "url"] | None = None
    output_format: ImageFormat = "png"
    output_compression: Annotated[int, Field(ge=0, le=100, description="Quality of a JPEG or WebP.")] | None = None
    stream: bool = False
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = None
    guidance: Annotated[FiniteFloat, Field(ge=0, le=MAX_GUIDANCE)] | None = None

    @property
    def wants_url(self) -> bool:
        """Whether the picture is to be sent as a URL, which here is a data URL: nothing is kept to be fetched."""
        usual = "url" if (self.model or "").startswith(URLS_BY_DEFAULT) else "b64_json"
        return (self.response_format or usual) == "url"

    @field_validator("size", mode="before")
    @classmethod
    def _two_numbers(cls, value: object) -> object:
        if value in ("auto", ""):
            return None
        sides = SIZE.fullmatch(value) if isinstance(value, str) else None
        if sides is None:
            raise PydanticCustomError("size", "must be auto or WIDTHxHEIGHT, such as 1024x768")
        return sides.groups()

    @field_validator("stream")
    @classmethod
    def _in_one_piece(cls, value: bool) -> bool:  # noqa: FBT001 - called by pydantic
        if value:
            raise PydanticCustomError("stream", "is not supported: pictures are sent when they are finished")
        return value


class EditInput(GenerateInput):
    """The fields of `/v1/images/edits`: the pictures to look at, in order, are image 0, image 1, ... of the prompt."""

    image: Annotated[list[bytes], Field(min_length=1, max_length=MAX_REFERENCES)]
    mask: Annotated[bytes | None, Field(description="Refused: say in the prompt what to change, and where.")] = None
    markup: Annotated[bytes | None, Field(description="Refused, like a mask.")] = None

    @field_validator("mask", "markup")
    @classmethod
    def _by_words(cls, value: bytes | None) -> None:
        if value:  # browsers send an empty part where no file was chosen
            raise PydanticCustomError("mask", "is not supported: say in the prompt what to change, and where")


class ImagesReader:
    """Reads OpenAI's requests, as JSON or as forms, within the limits of the settings."""

    def __init__(self, settings: Settings, references: ReferenceReader) -> None:
        self._references = references

        def part_limit(name: str) -> int | None:
            if name in FILES:
                return settings.max_image_bytes
            return settings.max_text_bytes if name in GenerateInput.model_fields else None

        self._limits = BodyLimits(settings.max_body_bytes, settings.max_parts, part_limit, frozenset(IMAGES))

    async def generate(self, request: Request, model: Callable[[str | None], str]) -> tuple[Run, ...]:
        """The pictures asked for. `model` turns a name, or None where none is given, into the engine's.

        Raises InvalidInput, RequestTooLarge, ClientDisconnect, and what `model` raises.
        """
        asked = checked(GenerateInput, await self._fields(request), FILES)
        return runs(asked, model(asked.model))

    async def edit(self, request: Request, model: Callable[[str | None], str]) -> tuple[Run, ...]:
        """Like `generate`, from pictures. Raises InvalidImage too."""
        fields = await self._fields(request)
        sent = [image for name in IMAGES for image in _listed(fields.pop(name, []))]
        asked = checked(EditInput, fields | ({"image": sent} if sent else {}), FILES)
        name = model(asked.model)
        references, _ = await self._references.read({f"image {at}": image for at, image in enumerate(asked.image)})
        return runs(asked, name, references)

    async def _fields(self, request: Request) -> dict[str, object]:
        fields = await read_fields(request.headers, request.stream(), self._limits)
        images = {
            name: [_linked(one) for one in _listed(fields[name])] for name in IMAGES if fields.get(name) is not None
        }
        fields = {**fields, **images}
        self._limits.check_texts(fields)
        return {name: value for name, value in fields.items() if value is not None}


def runs(asked: GenerateInput, model: str, references: Sequence[RGB] = ()) -> tuple[Run, ...]:
    """The `n` pictures: the i-th has the seed plus i, so that it can be asked for alone."""
    width, height = asked.size or _auto_size(references)
    seed = random_seed() if asked.seed is None else asked.seed
    return tuple(
        Run(
            GenerationRequest(
                model=model,
                prompt=asked.prompt,
                width=width,
                height=height,
                seed=(seed + index) % (MAX_SEED + 1),
                guidance=asked.guidance,
                references=tuple(references),
            ),
            asked.output_format,
            quality=QUALITY if asked.output_compression is None else max(1, asked.output_compression),
            as_url=asked.wants_url,
        )
        for index in range(asked.n)
    )


def _listed(value: object) -> Sequence[object]:
    """JSON may have one image where forms have a list."""
    return value if isinstance(value, list) else [value]


def _linked(image: object) -> object:
    """JSON names a picture by `{"image_url": ...}`, too, which has to be a data URL."""
    return image.get("image_url", image) if isinstance(image, dict) else image


def _auto_size(references: Sequence[RGB]) -> tuple[int, int]:
    """AUTO_SIDE squared pixels in the shape of the first reference, as nearly as the limits of a side allow."""
    if not references:
        return AUTO_SIDE, AUTO_SIDE
    height, width, _ = references[0].shape
    scale = AUTO_SIDE / math.sqrt(width * height)
    sides = (round(side * scale / SIZE_MULTIPLE) * SIZE_MULTIPLE for side in (width, height))
    width, height = (min(max(side, MIN_SIDE), MAX_SIDE) for side in sides)
    return width, height
