"""Who goes next. Plain Python over jobs: no torch, no clock, no lock (the engine holds one)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from alpenglow.engine.job import Job
from alpenglow.errors import Overloaded


class Scheduler:
    """Jobs in order of arrival. The oldest is in every batch; jobs of its shape ride along while there is room.

    So nobody starves: a job waits for those before it and for no one else, and riders only ever gain.
    The oldest `max_prepared` jobs are the window: they alone may hold memory on the device.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._jobs: dict[Job, None] = {}  # an ordered set: a job may leave from anywhere
        self._work = 0

    def add(self, job: Job) -> None:
        """Take a job in, or raise Overloaded and leave everything as it was. No work is too much for an idle engine."""
        full = len(self._jobs) >= self.limits.max_prepared + self.limits.max_queued
        if full or (self._jobs and self._work + job.cost > self.limits.max_work):
            raise Overloaded("Capacity temporarily exceeded, please try again.")
        self._jobs[job] = None
        self._work += job.cost

    def remove(self, job: Job) -> None:
        """Forget a job that has its answer or no longer wants one, wherever it stands. Twice does no harm."""
        if job in self._jobs:
            del self._jobs[job]
            self._work -= job.cost

    def admit(self) -> list[Job]:
        """The jobs of the window that are yet to be prepared, oldest first."""
        return [job for job in self._window() if job.sample is None]

    def schedule(self) -> list[Job]:
        """The prepared jobs that share the next forward, oldest first; empty when there are none."""
        batch: list[Job] = []
        key, room = None, self.limits.max_batch_tokens
        for job in self._window():
            if job.sample is None:
                continue
            if not batch:
                key = job.sample.batch_key
            elif job.sample.batch_key != key or job.sample.tokens > room:
                continue
            batch.append(job)
            room -= job.sample.tokens
        return batch

    def waiting(self, batch: list[Job]) -> list[tuple[int, Job]]:
        """The jobs that have yet to make a step and are not in `batch`, each with how many came before it."""
        return [
            (ahead, job)
            for ahead, job in enumerate(self._jobs)
            if job not in batch and (job.sample is None or job.sample.step == 0)
        ]

    @property
    def prepared(self) -> int:
        """How many jobs are under way; the others of `len(scheduler)` wait."""
        return sum(job.sample is not None for job in self._window())

    def _window(self) -> Iterator[Job]:
        return islice(self._jobs, self.limits.max_prepared)

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the engine takes on.

    `max_batch_tokens` is what one forward may hold; the oldest job runs whatever its size, so 1 means solo: one job
    at a time, whose picture then never depends on its neighbours' rounding. `max_prepared` bounds the jobs that hold
    device memory, `max_queued` those that wait beyond them, and `max_work` the predicted tokens x steps of all.
    """

    max_batch_tokens: int = 16_384
    max_prepared: int = 16
    max_queued: int = 64
    max_work: int = 4_000_000
