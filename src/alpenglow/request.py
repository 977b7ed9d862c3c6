"""What the rooms say to each other: a request, its progress, its result, and the engine as its callers see it.

Knows nothing of HTTP, of files and of torch: pictures are uint8 arrays.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alpenglow.errors import UnknownModel

RGB = NDArray[np.uint8]
"""A picture: shape (height, width, 3), uint8, sRGB."""

SIZE_MULTIPLE = 16
"""Sizes are floored to multiples of this many pixels, as Cloudflare and both reference implementations do."""

MIN_SIDE, MAX_SIDE = 256, 1920
MAX_REFERENCES = 4
MAX_GUIDANCE = 20.0
MAX_SEED = 2**63 - 1


def random_seed() -> int:
    """A seed for a request that names none, in the range that BFL draws from: 0 .. 2^31 - 1."""
    return secrets.randbelow(2**31)


@dataclass(frozen=True, slots=True, eq=False)
class GenerationRequest:
    """One picture asked for. `width` and `height` are pixels as asked, floored to multiples of 16 on construction.

    `guidance` 1 is a single pass; above 1 a second pass with the empty prompt is made and extrapolated from
    (or, for rows that embed guidance, the value is fed to the network).
    `references` are in order: image 0, image 1, ...; at most four.
    `previews` asks for a small picture with each step's progress; each costs the engine a small decoding.
    """

    model: str
    prompt: str
    width: int = 1024
    height: int = 768
    seed: int = field(default_factory=random_seed)
    guidance: float | None = None
    references: tuple[RGB, ...] = ()
    previews: bool = False

    def __post_init__(self) -> None:
        for side in ("width", "height"):
            object.__setattr__(self, side, getattr(self, side) // SIZE_MULTIPLE * SIZE_MULTIPLE)


@dataclass(frozen=True, slots=True)
class Progress:
    """`step` of `steps` is done. 0 means: prepared, denoising begins.

    `ahead` requests came before this one and it waits for them; `steps` is 0 until it is prepared. `preview`, where the
    request wants one, is a small picture of what the latents so far lead to; the last step has none, its picture comes.
    """

    step: int
    steps: int
    ahead: int = 0
    preview: RGB | None = field(default=None, compare=False)


OnProgress = Callable[[Progress], None]
"""Called from the engine's thread; must return at once and must not raise."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request cost. Pixels are what prices count; seconds are wall time of the engine's phases.

    `text_encoder_seconds` and `reference_seconds` are parts of `prepare_seconds`: exactly 0 where everything was known
    from an earlier request.
    """

    output_pixels: int
    reference_pixels: int
    steps: int
    queue_seconds: float = 0.0
    prepare_seconds: float = 0.0
    denoise_seconds: float = 0.0
    decode_seconds: float = 0.0
    text_encoder_seconds: float = 0.0
    reference_seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class GenerationResult:
    """A finished picture. `answered_by` is the row whose weights made it: the demo may stand in for a klein row.
    `notes` are sentences on what was done other than asked.
    """

    image: RGB
    seed: int
    answered_by: str
    usage: Usage
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model as the API lists it. `answered_by` differs from `row` where the demo checkpoint stands in."""

    row: str
    api_name: str
    id: str
    title: str
    description: str
    created_at: str
    licence: str
    licence_url: str
    answered_by: str

    @property
    def path(self) -> str:
        """`black-forest-labs/flux-2-klein-9b`: its name in the API without `@cf/`, as gateways have it."""
        return self.api_name.removeprefix("@cf/")

    @property
    def author(self) -> str:
        """`black-forest-labs`."""
        return self.path.rpartition("/")[0]

    @property
    def short(self) -> str:
        """`flux-2-klein-9b`."""
        return self.path.rpartition("/")[2]

    @property
    def names(self) -> tuple[str, ...]:
        """All that it may be called."""
        return self.row, self.api_name, self.path, self.short


def find_card(cards: Iterable[ModelCard], name: str) -> ModelCard:
    """The card that has that name among its `names`. Raises UnknownModel."""
    for card in cards:
        if name in card.names:
            return card
    raise UnknownModel(name)


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """Look-ups that found something and that did not, and what is held now."""

    hits: int = 0
    misses: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """`ready` once weights are loaded and warm. `failure` is the sentence why it never will be, if so.

    `predicted_seconds` until all that was accepted is done; 0 before the first picture. `plans` say how each loaded row
    computes. `cache` counts look-ups for what earlier requests made.
    """

    ready: bool
    running: int = 0
    queued: int = 0
    failure: str | None = None
    predicted_seconds: float = 0.0
    plans: Mapping[str, str] = field(default_factory=dict)
    cache: CacheStatus = CacheStatus()


class EngineClient(Protocol):
    """The engine as the API, the terminal and a cluster see it."""

    def models(self) -> tuple[ModelCard, ...]:
        """Every model that may be asked for, in catalogue order."""
        ...

    def status(self) -> EngineStatus:
        """Cheap; safe from any thread."""
        ...

    async def generate(self, request: GenerationRequest, on_progress: OnProgress | None = None) -> GenerationResult:
        """Make one picture. Cancelling the awaiting task cancels the work at the next step boundary.

        Raises UnknownModel, InvalidInput, Overloaded, EngineClosed or EngineFailure.
        """
        ...
