"""Any body -> a checked request. One pydantic model, RunInput, is the validation; the wording is Cloudflare's.

Here and in `openai_forms` strings become numbers. Knows nothing of HTTP statuses and of the engine.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat
from starlette.requests import Request

from alpenglow.api.body import BodyLimits, Fields, read_fields
from alpenglow.api.references import ReferenceReader
from alpenglow.api.validation import checked, mismatch
from alpenglow.errors import BadRequest, InvalidImageType, InvalidInput, LoraUnsupported
from alpenglow.imaging import QUALITY, ImageFormat
from alpenglow.request import (
    MAX_GUIDANCE,
    MAX_REFERENCES,
    MAX_SEED,
    MAX_SIDE,
    MIN_SIDE,
    SIZE_MULTIPLE,
    GenerationRequest,
    random_seed,
)
from alpenglow.settings import Settings

IMAGE = "input_image_"

UNSET = ("undefined", "null")
"""What JavaScript writes into a query for a value that is not there."""

BATCH = "'/{name}': FLUX.2 has no batch capability; send each picture as a request of its own, without queueRequest"
UNSUPPORTED: Mapping[str, Callable[[str, str], BadRequest]] = {
    "lora": lambda _name, model: LoraUnsupported(model),
    **dict.fromkeys(
        ("queueRequest", "requests", "request_id"), lambda name, _model: InvalidInput(BATCH.format(name=name))
    ),
}
"""What other models of Cloudflare take: refused, as whoever sends it waits for what it does."""

UNASKED = (False, "", "false", b"", b"false")
"""Values of these that ask for nothing."""

JAVASCRIPT: Mapping[type, str] = {bool: "boolean", int: "number", float: "number"}
"""JSON type -> `typeof`; all others are objects."""

Side = Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE, description="Pixels, rounded down to a multiple of 16.")]
Image = Annotated[bytes, Field(description="A file, or its base64 or data URL; scaled down to fit 512 x 512.")]


class RunInput(BaseModel):
    """The fields of a run, as documented. Others, `steps` among them, are ignored; numbers may come as text."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt: Annotated[str, Field(min_length=1, description="What the picture shows; `image 0` is the first reference.")]
    width: Side = 1024
    height: Side = 768
    seed: Annotated[int, Field(ge=0, le=MAX_SEED, description="The same makes the same; else drawn.")] | None = None
    guidance: (
        Annotated[FiniteFloat, Field(ge=0, le=MAX_GUIDANCE, description="Higher follows the prompt more closely.")]
        | None
    ) = None
    input_image_0: Image | None = None
    input_image_1: Image | None = None
    input_image_2: Image | None = None
    input_image_3: Image | None = None
    output_format: Annotated[ImageFormat, Field(description="Of the picture. Cloudflare's is always a JPEG.")] = "jpeg"
    rejectIfBusy: Annotated[bool, Field(description="Rather be refused than wait.")] = False  # noqa: N815 - its name

    @property
    def images(self) -> tuple[bytes | None, ...]:
        """The references as sent: files, or base64 or data-URL text."""
        return self.input_image_0, self.input_image_1, self.input_image_2, self.input_image_3


@dataclass(frozen=True, slots=True)
class Run:
    """What the caller asked for. `notes` are sentences for the caller on what was done other than asked.

    With `reject_if_busy` the caller wants a refusal at once rather than a place in the queue. `quality` is of the file,
    and with `as_url` it is wanted as a URL.
    """

    generation: GenerationRequest
    output_format: ImageFormat
    notes: tuple[str, ...] = ()
    reject_if_busy: bool = False
    quality: int = QUALITY
    as_url: bool = False


class RunReader:
    """Reads runs off HTTP requests within the limits of the settings: first the `fields` of a body, then the `run`."""

    def __init__(self, settings: Settings, references: ReferenceReader) -> None:
        self._references = references
        self._strict = settings.strict

        def part_limit(name: str) -> int | None:
            if name.startswith(IMAGE):
                return settings.max_image_bytes
            return settings.max_text_bytes if name in RunInput.model_fields or name in UNSUPPORTED else None

        self._limits = BodyLimits(settings.max_body_bytes, settings.max_parts, part_limit)

    async def fields(self, request: Request) -> Fields:
        """The body of `request`, whichever form it has. Raises InvalidInput, RequestTooLarge and ClientDisconnect."""
        return await read_fields(request.headers, request.stream(), self._limits, sniff=not self._strict)

    async def run(self, model: str, *sources: Fields) -> tuple[Run]:
        """The one run, for `model` as written, that the fields of all `sources` describe; the later source wins.

        Raises BadRequest.
        """
        fields = {name: value for source in sources for name, value in source.items() if value is not None}
        self._limits.check_texts(fields)
        for name, refusal in UNSUPPORTED.items():
            if fields.get(name, False) not in UNASKED:
                raise refusal(name, model)
        if self._strict and not (is_proxied(model) or any(isinstance(value, bytes) for value in fields.values())):
            raise InvalidInput("required properties at '/' are 'multipart'")  # values of a form are bytes
        run = check(fields)
        sent = {f"{IMAGE}{index}": image for index, image in enumerate(run.images) if image is not None}
        references, notes = await self._references.read(sent, scale_down=not self._strict)
        generation = GenerationRequest(
            model=model,
            prompt=run.prompt,
            width=run.width,
            height=run.height,
            seed=random_seed() if run.seed is None else run.seed,
            guidance=run.guidance,
            references=references,
        )
        notes = (*_size_notes(run, generation), *_ignored_images(fields), *notes)
        return (Run(generation, run.output_format, notes, run.rejectIfBusy),)


def is_proxied(model: str) -> bool:
    """Whether `model` is named as in Cloudflare's second catalogue: `author/model`, without `@cf/`."""
    return "/" in model and not model.startswith("@")


def query(request: Request) -> dict[str, str]:
    """The fields that the URL carries."""
    return {name: value for name, value in request.query_params.items() if value not in UNSET}


def inner(fields: Fields, name: str) -> Fields:
    """The object under `name`, none being an empty one. Raises InvalidInput for anything else but a form's part, which
    like all that nobody asks for is ignored.
    """
    value = fields.get(name)
    if isinstance(value, dict):
        return value
    if value is None or isinstance(value, bytes):
        return {}
    raise mismatch(name, "object", value)


def inner_text(fields: Fields, name: str) -> Fields:
    """The object that the text under `name` is the JSON of, none being an empty one. Raises InvalidInput."""
    try:
        return inner({name: json.loads(text(fields, name))}, name) if name in fields else {}
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"'/{name}' is not JSON") from error


def text(fields: Fields, name: str) -> str:
    """The text under `name`. Raises InvalidInput if there is none."""
    value = fields.get(name)
    if value is None:
        raise InvalidInput(f"required properties at '/' are '{name}'")
    if isinstance(value, str):
        return value
    raise mismatch(name, "string", value)


def check(fields: Fields) -> RunInput:
    """`fields` as a RunInput.

    Raises InvalidImageType, and InvalidInput in the words of Cloudflare's validator, which clients parse.
    Images are numbered from 0 without gaps: a prompt says "image 1", and closing a gap would make it mean another one.
    More than four are refused, not dropped.
    """
    if "multipart" in fields and "prompt" not in fields:
        raise InvalidInput(
            "'/multipart' arrived without its form: a workerd older than 2025-11-25 turns FormData into JSON; update "
            "wrangler, or send the fields themselves as JSON"
        )
    beyond = sorted(name for name in fields if name.startswith(IMAGE) and name not in RunInput.model_fields)
    if beyond:
        raise InvalidInput(
            f"Additional or unevaluated properties '{', '.join('/' + name for name in beyond)}' at '/' not allowed: "
            f"images are {IMAGE}0 to {IMAGE}{MAX_REFERENCES - 1}"
        )
    images = [name for name in RunInput.model_fields if name.startswith(IMAGE)]
    for name in images:
        if not isinstance(value := fields.get(name, ""), bytes | str):
            raise InvalidImageType(JAVASCRIPT.get(type(value), "object"))
    run = checked(RunInput, fields, images)
    present = [image is not None for image in run.images]
    if present != sorted(present, reverse=True):  # all the given ones first
        raise InvalidInput(f"required properties at '/' are '{IMAGE}{present.index(False)}': images have no gaps")
    return run


def _size_notes(run: RunInput, generation: GenerationRequest) -> tuple[str, ...]:
    return tuple(
        f"{side} {asked} was rounded down to {made}, a multiple of {SIZE_MULTIPLE}"
        for side, asked, made in (("width", run.width, generation.width), ("height", run.height, generation.height))
        if asked != made
    )


def _ignored_images(fields: Fields) -> tuple[str, ...]:
    """Cloudflare ignores what it does not know. A picture under a wrong name is more likely a slip."""
    return tuple(
        f"{name} was ignored: pictures are {IMAGE}0 to {IMAGE}{MAX_REFERENCES - 1}"
        for name in fields
        if "image" in name and name not in RunInput.model_fields
    )
