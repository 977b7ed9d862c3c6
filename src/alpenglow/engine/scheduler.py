"""Who goes next. Plain Python over jobs: no torch, no clock, no lock (the engine holds one)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice

from alpenglow.engine.job import Job
from alpenglow.errors import Overloaded
from alpenglow.request import GenerationResult

FADE = 0.9
"""What the weight of an observation is multiplied by at each later one."""


class Scheduler:
    """Jobs in order of arrival. The oldest is in every batch; jobs of its shape ride along while there is room.

    So nobody starves: a job waits for those before it, and for riders only as far as these make forwards longer, which
    the budget of tokens bounds. The oldest `max_prepared` jobs are the window: they alone may hold device memory.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._jobs: dict[Future[GenerationResult], Job] = {}  # in order: a job may leave from anywhere
        self._done = self._seconds = 0.0

    def add(self, job: Job) -> None:
        """Take a job in, or raise Overloaded and leave everything as it was. No work is too much for an idle engine."""
        full = len(self._jobs) >= self.limits.max_prepared + self.limits.max_queued
        late = self.seconds(self.work + job.work) > self.limits.max_seconds
        if full or (self._jobs and late):
            raise Overloaded("Capacity temporarily exceeded, please try again.")
        self._jobs[job.future] = job

    def remove(self, future: Future[GenerationResult]) -> None:
        """Forget the job whose answer is there or no longer wanted, wherever it stands. Twice does no harm."""
        self._jobs.pop(future, None)

    @property
    def work(self) -> int:
        """Predicted tokens x steps that are left of all jobs."""
        return sum(job.remaining for job in self)

    def seconds(self, work: float) -> float:
        """How long `work` takes at the pace of late; 0 as long as nothing was observed."""
        return work * self._seconds / self._done if self._done else 0.0

    def observe(self, work: float, seconds: float) -> None:
        """`work` was done in `seconds`, encoding and decoding included. Earlier observations fade."""
        self._done, self._seconds = self._done * FADE + work, self._seconds * FADE + seconds

    def admit(self) -> list[Job]:
        """The jobs that are yet to be prepared and for whom the next forward may have room, oldest first.

        Others would have those before them wait while they are prepared, and would hold memory meanwhile.
        """
        return [job for job in self._together(self._window()) if job.sample is None]

    def schedule(self) -> list[Job]:
        """The prepared jobs that share the next forward, oldest first; empty when there are none."""
        return self._together(job for job in self._window() if job.sample is not None)

    def waiting(self, batch: list[Job]) -> list[tuple[int, Job]]:
        """The jobs that have yet to make a step and are not in `batch`, each with how many came before it."""
        return [
            (ahead, job)
            for ahead, job in enumerate(self)
            if job not in batch and (job.sample is None or job.sample.step == 0)
        ]

    @property
    def prepared(self) -> int:
        """How many jobs are under way; the others of `len(scheduler)` wait."""
        return sum(job.sample is not None for job in self._window())

    def _together(self, jobs: Iterable[Job]) -> list[Job]:
        """The oldest of them and those of its shape, as far as one forward has room."""
        batch: list[Job] = []
        room = self.limits.max_batch_tokens
        for job in jobs:
            if batch and (job.batch_key != batch[0].batch_key or job.tokens > room):
                continue
            batch.append(job)
            room -= job.tokens
        return batch

    def _window(self) -> Iterator[Job]:
        return islice(self, self.limits.max_prepared)

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the engine takes on.

    `max_batch_tokens` is what one forward may hold; the oldest job runs whatever its size, so 1 means solo: one job
    at a time, whose picture then never depends on its neighbours' rounding. `max_prepared` bounds the jobs that hold
    device memory, `max_queued` those that wait beyond them with their references, and `max_seconds` the time that all
    are predicted to take: who cannot be answered by then is better told so at once.
    """

    max_batch_tokens: int = 16_384
    max_prepared: int = 16
    max_queued: int = 256
    max_seconds: float = math.inf
