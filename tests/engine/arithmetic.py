"""A pipeline whose networks are a line of arithmetic: what the loop does can be counted, and pictures compared.

It keeps the contract of `engine/pipeline.py`: prepare, advance, preview, decode, batch_key, tokens, work, check_device,
warm_up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Semaphore
from types import SimpleNamespace

import numpy as np

from alpenglow.engine.engine import Engine
from alpenglow.engine.scheduler import Limits
from alpenglow.errors import InvalidInput
from alpenglow.request import RGB, CacheStatus, GenerationRequest, ModelCard

STEPS = 4


@dataclass
class ArithmeticSample:
    request: GenerationRequest
    latents: np.ndarray
    step: int = 0
    steps: int = STEPS
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        return self.step == self.steps


@dataclass
class ArithmeticPipeline:
    """Prompts name the phase that shall fail. `forwards` lists the batches; a `gate` lets them pass one at a time."""

    gate: Semaphore | None = None
    row: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(name="demo"))
    forwards: list[list[int]] = field(default_factory=list)
    decoded: list[int] = field(default_factory=list)
    previewed: list[int] = field(default_factory=list)
    warm: bool = False
    lost: bool = False
    plan: str = "arithmetic"
    known: set[str] = field(default_factory=set)

    def warm_up(self) -> None:
        self.warm = True

    def cache_status(self) -> CacheStatus:
        return CacheStatus(bytes=len(self.known))

    def check_device(self) -> None:
        if self.lost:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def tokens(self, request: GenerationRequest) -> int:
        return request.height * request.width // 256

    def batch_key(self, request: GenerationRequest) -> tuple[int, int]:
        return request.height, request.width

    def work(self, request: GenerationRequest) -> int:
        return self.tokens(request) * STEPS

    def prepare(self, request: GenerationRequest) -> ArithmeticSample:
        if request.prompt == "fail to prepare":
            raise RuntimeError("prepare")
        if request.prompt == "too long":
            raise InvalidInput("'/prompt' is too long")
        latents = np.random.default_rng(request.seed).random((8, 8, 3))
        seconds = {} if request.prompt in self.known else {"text_encoder": 1e-9}
        self.known.add(request.prompt)
        return ArithmeticSample(request, latents, seconds=seconds)

    def advance(self, samples: Sequence[ArithmeticSample]) -> None:
        if self.gate is not None:
            assert self.gate.acquire(timeout=10)
        self.forwards.append([sample.request.seed for sample in samples])
        if any(sample.request.prompt == "fail to denoise" for sample in samples):
            raise RuntimeError("advance")
        for sample in samples:
            sample.latents = (sample.latents * 3 + 0.25) % 1.0
            sample.step += 1

    def preview(self, sample: ArithmeticSample) -> RGB:
        self.previewed.append(sample.request.seed)
        return picture(sample.latents)

    def decode(self, sample: ArithmeticSample) -> RGB:
        self.decoded.append(sample.request.seed)
        if sample.request.prompt == "fail to decode":
            raise RuntimeError("decode")
        return picture(sample.latents)


def picture(latents: np.ndarray) -> RGB:
    return (latents * 255).astype(np.uint8)


def alone(seed: int) -> RGB:
    """The picture of a seed, worked out without the engine."""
    latents = np.random.default_rng(seed).random((8, 8, 3))
    for _ in range(STEPS):
        latents = (latents * 3 + 0.25) % 1.0
    return picture(latents)


def card(row: str = "demo", api_name: str = "@cf/demo", answered_by: str = "demo") -> ModelCard:
    return ModelCard(row, api_name, "id", row, "", "2026-01-01", "Apache-2.0", "", answered_by)


def loaded(pipeline: ArithmeticPipeline, limits: Limits | None = None) -> Engine:
    """An engine that is ready and has no thread: the test calls `step` itself."""
    engine = Engine([card(), card("klein-9b", "@cf/black-forest-labs/flux-2-klein-9b")], limits)
    engine.load(lambda: [pipeline])
    return engine


def ask(seed: int = 0, prompt: str = "a dog", width: int = 256, height: int = 256, **more) -> GenerationRequest:
    return GenerationRequest("demo", prompt, width, height, seed, **more)
