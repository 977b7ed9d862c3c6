"""A request on its way through the engine. Knows neither queues nor devices."""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

from alpenglow.errors import AlpenglowError
from alpenglow.request import RGB, GenerationRequest, GenerationResult, OnProgress, Progress, Usage

if TYPE_CHECKING:  # the loop and its tests run without torch
    from alpenglow.engine.pipeline import Pipeline, Sample


@dataclass(eq=False, slots=True)
class Job:
    """A request, the future that its caller holds, and what is known of it so far.

    Jobs of equal `batch_key` may share a forward. `tokens` are those that one forward holds of it, `work` is the
    predicted work in tokens x steps. `sample` is None until the pipeline has prepared it. `ahead` is how many jobs it
    waits for, as its caller was last told. `seconds` are wall seconds by phase; on a device that computes behind the
    host's back they fall to the phase that waits for it.
    """

    request: GenerationRequest
    pipeline: Pipeline
    batch_key: Hashable
    tokens: int
    work: int
    on_progress: OnProgress | None = None
    future: Future[GenerationResult] = field(default_factory=Future)
    sample: Sample | None = None
    ahead: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    submitted_at: float = field(default_factory=perf_counter)

    @property
    def remaining(self) -> int:
        """What is left of the predicted work."""
        sample = self.sample  # read once: other threads ask while the engine's own lets go of it
        return self.work if sample is None else self.work * (sample.steps - sample.step) // sample.steps

    @property
    def denoised(self) -> bool:
        """All steps are made and somebody still waits for the picture."""
        return self.sample is not None and self.sample.done and not self.future.done()

    @property
    def wants_preview(self) -> bool:
        """The step just made is to be seen. After the last one it is not: the picture itself comes next."""
        sample = self.sample
        return self.request.previews and sample is not None and not sample.done and not self.future.done()

    def report(self, preview: RGB | None = None) -> None:
        """Tell whoever still waits how many steps are done, or how many jobs it waits for."""
        if self.on_progress is not None and not self.future.done():
            step, steps = (self.sample.step, self.sample.steps) if self.sample is not None else (0, 0)
            self.on_progress(Progress(step, steps, self.ahead, preview))

    def usage(self) -> Usage:
        """What the job cost so far. Every second that was not spent on it, it spent waiting for others."""
        prepare, denoise, decode = (self.seconds.get(phase, 0.0) for phase in ("prepare", "denoise", "decode"))
        parts = {part: self.seconds.get(part, 0.0) for part in ("text_encoder", "references")}  # of preparing
        spent = sum(seconds for phase, seconds in self.seconds.items() if phase not in parts)
        waited = perf_counter() - self.submitted_at - spent
        return Usage(
            output_pixels=self.request.width * self.request.height,
            reference_pixels=sum(image.shape[0] * image.shape[1] for image in self.request.references),
            steps=self.sample.step if self.sample is not None else 0,
            queue_seconds=max(0.0, waited),
            prepare_seconds=prepare,
            denoise_seconds=denoise,
            decode_seconds=decode,
            text_encoder_seconds=parts["text_encoder"],
            reference_seconds=parts["references"],
        )

    def resolve(self, outcome: GenerationResult | AlpenglowError) -> None:
        """Hand the outcome to whoever waits, once. Called by the engine alone; a caller may cancel at any time."""
        self.sample = None  # the future outlives the device memory that its picture took
        if self.future.done() or not self.future.set_running_or_notify_cancel():
            return
        if isinstance(outcome, AlpenglowError):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)
