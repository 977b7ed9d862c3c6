"""Any body -> a checked request. One pydantic model, RunInput, is the validation; the wording is Cloudflare's.

The only file that turns strings into numbers. Knows nothing of HTTP statuses and of the engine.
"""

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from alpenglow.api.body import BodyLimits, Fields, read_fields
from alpenglow.errors import InvalidImage, InvalidInput, RequestTooLarge
from alpenglow.imaging import REFERENCE_SIDE, ImageFormat, fit_within, is_image, read_reference
from alpenglow.request import MAX_REFERENCES, MAX_SIDE, MIN_SIDE, RGB, SIZE_MULTIPLE, GenerationRequest, random_seed
from alpenglow.settings import Settings

IMAGE = "input_image_"
MAX_GUIDANCE = 20.0
MAX_SEED = 2**63 - 1

UNSET = ("undefined", "null")
"""What JavaScript writes into a query for a value that is not there."""

DECODERS = 2
"""Requests whose references are decoded at a time: a decoded photograph takes far more memory than its file."""

Side = Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE)]


class RunInput(BaseModel):
    """The fields of a run, as documented. Others, `steps` among them, are ignored; numbers may come as text."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt: Annotated[str, Field(min_length=1)]
    width: Side = 1024
    height: Side = 768
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = None
    guidance: Annotated[FiniteFloat, Field(ge=0, le=MAX_GUIDANCE)] | None = None
    input_image_0: bytes | None = None
    input_image_1: bytes | None = None
    input_image_2: bytes | None = None
    input_image_3: bytes | None = None
    output_format: ImageFormat = "jpeg"
    rejectIfBusy: bool = False  # noqa: N815 - the option's own name

    @property
    def images(self) -> tuple[bytes | None, ...]:
        """The references as sent: files, or base64 or data-URL text."""
        return self.input_image_0, self.input_image_1, self.input_image_2, self.input_image_3


class SearchInput(BaseModel):
    """The query of `models/search`. What else clients send (`hide_experimental`, ...) is ignored: nothing is hidden."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    search: str = ""
    task: str = ""
    author: str = ""
    page: Annotated[int, Field(ge=1)] = 1
    per_page: Annotated[int, Field(ge=1, le=1000)] = 50


@dataclass(frozen=True, slots=True)
class Run:
    """What the caller asked for. `notes` are sentences for the caller on what was done other than asked.

    With `reject_if_busy` the caller wants a refusal at once rather than a place in the queue.
    """

    generation: GenerationRequest
    output_format: ImageFormat
    notes: tuple[str, ...]
    reject_if_busy: bool


class RunReader:
    """Reads runs off HTTP requests within the limits of the settings: first the `fields` of a body, then the `run`."""

    def __init__(self, settings: Settings) -> None:
        self._max_pixels = settings.max_reference_pixels
        self._decoding = asyncio.Semaphore(DECODERS)

        def part_limit(name: str) -> int | None:
            if name.startswith(IMAGE):
                return settings.max_image_bytes
            return settings.max_text_bytes if name in RunInput.model_fields else None

        self._limits = BodyLimits(settings.max_body_bytes, settings.max_parts, part_limit)

    async def fields(self, request: Request) -> Fields:
        """The body of `request`, whichever form it has. Raises InvalidInput, RequestTooLarge and ClientDisconnect."""
        return await read_fields(request.headers, request.stream(), self._limits)

    async def run(self, model: str, *sources: Fields) -> Run:
        """The run, for `model` as written, that the fields of all `sources` describe; the later source wins.

        Raises InvalidInput, InvalidImage or RequestTooLarge.
        """
        fields = {name: value for source in sources for name, value in source.items() if value is not None}
        run = check(fields)
        sent = [image for image in run.images if image is not None]
        async with self._decoding:
            read = await asyncio.to_thread(_read_references, sent, self._max_pixels)
        references, notes = read
        generation = GenerationRequest(
            model=model,
            prompt=run.prompt,
            width=run.width,
            height=run.height,
            seed=random_seed() if run.seed is None else run.seed,
            guidance=run.guidance,
            references=references,
        )
        notes = (*_size_notes(run, generation), *notes)
        return Run(generation, run.output_format, notes, run.rejectIfBusy)


def query(request: Request) -> dict[str, str]:
    """The fields that the URL carries."""
    return {name: value for name, value in request.query_params.items() if value not in UNSET}


def inner(fields: Fields, name: str) -> Fields:
    """The object under `name`, none being an empty one. Raises InvalidInput for anything else."""
    value = fields.get(name)
    if value is None or isinstance(value, dict):
        return value or {}
    raise InvalidInput(f"Type mismatch of '/{name}', 'object' not in '{_SENT[type(value)]}'")


def check(fields: Fields) -> RunInput:
    """`fields` as a RunInput. Raises InvalidInput in the words of Cloudflare's validator, which clients parse.

    Images are numbered from 0 without gaps: a prompt says "image 1", and closing a gap would make it mean another one.
    More than four are refused, not dropped.
    """
    beyond = sorted(name for name in fields if name.startswith(IMAGE) and name not in RunInput.model_fields)
    if beyond:
        raise InvalidInput(
            f"Additional or unevaluated properties '{', '.join('/' + name for name in beyond)}' at '/' not allowed: "
            f"images are {IMAGE}0 to {IMAGE}{MAX_REFERENCES - 1}"
        )
    values = {name: _text(name, value) for name, value in fields.items() if name in RunInput.model_fields}
    try:
        run = RunInput.model_validate(values)
    except ValidationError as error:
        raise InvalidInput(_in_words(error.errors())) from None
    present = [image is not None for image in run.images]
    if present != sorted(present, reverse=True):  # all the given ones first
        raise InvalidInput(f"required properties at '/' are '{IMAGE}{present.index(False)}': images have no gaps")
    return run


def _text(name: str, value: object) -> object:
    """Form values are bytes; all but images are text."""
    if not isinstance(value, bytes) or name.startswith(IMAGE):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"'/{name}' is not UTF-8 text") from None


def _read_references(sent: Sequence[bytes], max_pixels: int) -> tuple[tuple[RGB, ...], tuple[str, ...]]:
    """The references, none larger than the documented square, and a note for each that was."""
    references, notes = [], []
    for index, data in enumerate(sent):
        try:
            picture = read_reference(_image_bytes(data), max_pixels)
        except (InvalidImage, RequestTooLarge) as error:
            raise type(error)(f"'/{IMAGE}{index}': {error}") from error
        fitted = fit_within(picture)
        if fitted is not picture:
            height, width = picture.shape[:2]
            notes.append(
                f"{IMAGE}{index} was scaled down from {width} x {height} to {fitted.shape[1]} x {fitted.shape[0]} "
                f"to fit {REFERENCE_SIDE} x {REFERENCE_SIDE}"
            )
        references.append(fitted)
    return tuple(references), tuple(notes)


def _image_bytes(sent: bytes) -> bytes:
    """The file in `sent`, which is the file itself, base64 (either alphabet, padded or not) or a data URL."""
    if is_image(sent):
        return sent
    encoded = sent.partition(b",")[2] if sent.startswith(b"data:") else sent
    compact = encoded.translate(bytes.maketrans(b"-_", b"+/"), b" \t\r\n=")
    try:
        return base64.b64decode(compact + b"=" * (-len(compact) % 4), validate=True)
    except binascii.Error:
        return sent


def _size_notes(run: RunInput, generation: GenerationRequest) -> tuple[str, ...]:
    return tuple(
        f"{side} {asked} was rounded down to {made}, a multiple of {SIZE_MULTIPLE}"
        for side, asked, made in (("width", run.width, generation.width), ("height", run.height, generation.height))
        if asked != made
    )


_WORDING: Mapping[str, str] = {
    "greater_than_equal": "{at} must be >= {ge}",
    "less_than_equal": "{at} must be <= {le}",
    "string_too_short": "Length of {at} must be >= {min_length}",
    "string_unicode": "{at} is not Unicode text",
    "finite_number": "{at} must be a finite number",
    "literal_error": "{at} must be one of {expected}",
}
"""Pydantic's error type -> Cloudflare's validator's text, as far as it is known; its limits go in by name."""

_MISMATCH = "Type mismatch of {at}, '{wanted}' not in '{sent}'"
_WANTED: Mapping[str, str] = {
    "int": "integer",
    "float": "number",
    "string": "string",
    "bytes": "string",
    "bool": "boolean",
}
"""First word of pydantic's other error types -> JSON type."""

_SENT: Mapping[type, str] = {
    str: "string",
    bytes: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "array",
    dict: "object",
}


def _in_words(faults: Sequence[ErrorDetails]) -> str:
    """All faults in one line: the missing fields together, then one by one, e.g. `'/width' must be >= 256`."""
    missing = [str(fault["loc"][0]) for fault in faults if fault["type"] == "missing"]
    words = [f"required properties at '/' are '{','.join(missing)}'"] if missing else []
    return ", ".join(words + [_fault(fault) for fault in faults if fault["type"] != "missing"])


def _fault(fault: ErrorDetails) -> str:
    wanted = _WANTED.get(fault["type"].partition("_")[0])
    form = _WORDING.get(fault["type"], _MISMATCH if wanted else "{at}: {msg}")
    limits = {name: int(limit) if type(limit) is float else limit for name, limit in fault.get("ctx", {}).items()}
    at, sent = f"'/{fault['loc'][0]}'", _SENT[type(fault["input"])]
    return form.format_map({**limits, "at": at, "wanted": wanted, "sent": sent, "msg": fault["msg"]})
