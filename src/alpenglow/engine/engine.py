"""The engine: one thread, one device, one loop. Knows no HTTP, and nothing of what a step computes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Condition, Thread
from time import monotonic, perf_counter
from typing import TYPE_CHECKING

from alpenglow.engine.job import Job
from alpenglow.engine.scheduler import Limits, Scheduler
from alpenglow.errors import AlpenglowError, EngineClosed, EngineFailure, EngineStopped
from alpenglow.request import (
    RGB,
    CacheStatus,
    EngineStatus,
    GenerationRequest,
    GenerationResult,
    ModelCard,
    OnProgress,
    find_card,
)

if TYPE_CHECKING:  # the loop and its tests run without torch
    from alpenglow.engine.pipeline import Pipeline

Loader = Callable[[], Iterable["Pipeline"]]
"""Builds the pipelines that answer. Called in the engine's thread; may take minutes and may raise."""

log = logging.getLogger(__name__)

LOADING_SECONDS = 1.0
"""How long closing waits for what is loading to notice."""

STOPPED = "The engine stopped, or never started: the server's log says why."
"""What callers are told after a failure. The error's own message names files and is for whoever runs the engine."""


class Engine:
    """An EngineClient that computes in its own thread. Every method may be called from any thread.

    `models` are the cards of what may be asked for; a card's `answered_by` names the row of the pipeline that does it.
    A job is in the scheduler exactly as long as its future is undone: an answer, a failure and a caller's cancel all
    take it out the same way, so a cancelled job is missing from the next batch.
    """

    def __init__(self, models: Sequence[ModelCard], limits: Limits | None = None) -> None:
        self._models = tuple(models)
        self._scheduler = Scheduler(limits or Limits())
        self._changed = Condition()  # guards the scheduler and the fields below
        self._pipelines: dict[str, Pipeline] = {}
        self._failure: AlpenglowError | None = None
        self._closes_at: float | None = None
        self._thread: Thread | None = None

    def step(self) -> None:
        """One tick: prepare whom there is room for, move a batch by one step, decode whoever arrived."""
        began = perf_counter()
        with self._changed:
            joining = self._scheduler.admit()
        for job in joining:
            self._prepare(job)
        with self._changed:
            batch = self._scheduler.schedule()
            waiting = self._scheduler.waiting(batch)
        for ahead, job in waiting:
            self._tell_place(job, ahead)
        work = sum(job.work / job.sample.steps for job in batch if job.sample is not None)
        if batch:
            self._advance(batch)
        for job in batch:
            if job.denoised:
                self._finish(job)
        if batch:  # what was prepared in vain says nothing of the pace
            with self._changed:
                self._scheduler.observe(work, perf_counter() - began)

    def submit(self, request: GenerationRequest, on_progress: OnProgress | None = None) -> Future[GenerationResult]:
        """Queue a picture. Cancelling the future frees its place at once and its work at the next step boundary.

        Raises UnknownModel, Overloaded, EngineClosed while loading and after close, or EngineStopped after a failure.
        """
        with self._changed:
            self._check_open()
            pipeline = self._pipelines[find_card(self._models, request.model).answered_by]
            key, tokens, work = pipeline.batch_key(request), pipeline.tokens(request), pipeline.work(request)
            job = Job(request, pipeline, key, tokens, work, on_progress)
            self._scheduler.add(job)
            self._changed.notify_all()
        job.future.add_done_callback(self._leave)
        return job.future

    async def generate(self, request: GenerationRequest, on_progress: OnProgress | None = None) -> GenerationResult:
        """Make one picture; see EngineClient. Cancelling the await cancels the job."""
        return await asyncio.wrap_future(self.submit(request, on_progress))

    def models(self) -> tuple[ModelCard, ...]:
        """Every model that may be asked for, in catalogue order."""
        return self._models

    def status(self) -> EngineStatus:
        """Cheap; safe from any thread."""
        with self._changed:
            running, pipelines = self._scheduler.prepared, self._pipelines.values()
            caches = [pipeline.cache_status() for pipeline in pipelines]
            return EngineStatus(
                ready=bool(self._pipelines) and self._failure is None and self._closes_at is None,
                running=running,
                queued=len(self._scheduler) - running,
                failure=STOPPED if self._failure is not None else None,
                predicted_seconds=self._scheduler.seconds(self._scheduler.work),
                plans={pipeline.row.name: str(pipeline.plan) for pipeline in pipelines},
                cache=CacheStatus(
                    *(sum(getattr(cache, name) for cache in caches) for name in ("hits", "misses", "bytes"))
                ),
            )

    def load(self, loader: Loader) -> None:
        """Build and warm up the pipelines, here and now; the engine is ready when this returns."""
        began, pipelines = perf_counter(), {}
        for pipeline in loader():
            pipelines[pipeline.row.name] = pipeline
            if self._closes_at is not None:  # nobody waits for it any more
                return
        for pipeline in pipelines.values():
            pipeline.warm_up()
            if self._closes_at is not None:
                return
        for name, pipeline in pipelines.items():
            log.info("%s computes in %s", name, pipeline.plan)
        log.info("%s ready in %.1f s", ", ".join(pipelines), perf_counter() - began)
        with self._changed:
            self._pipelines = pipelines
            self._changed.notify_all()

    def start(self, loader: Loader) -> None:
        """Load and then run the loop in the engine's own thread. Returns at once; a failure shows in `status()`."""
        self._thread = Thread(target=self._run, args=(loader,), name="engine", daemon=True)
        self._thread.start()

    def wait_until_ready(self, timeout: float | None = None) -> None:
        """Block until loaded. Raises what loading failed with, or EngineClosed after `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._pipelines or self._failure or self._closes_at is not None, timeout)
            if self._failure is not None:
                raise self._failure
            self._check_open()

    def close(self, drain_seconds: float = 0.0) -> None:
        """Accept no more, work off what is queued for `drain_seconds`, then fail the rest with EngineClosed.

        What is loading is left to its thread after a moment, and ends with the process: it owes nobody anything.
        """
        with self._changed:
            self._closes_at = monotonic() + drain_seconds
            loading = not self._pipelines
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(LOADING_SECONDS if loading else None)
        self._abandon()

    @property
    def left_loading(self) -> bool:
        """Whether `close` left the thread to what it loads."""
        return self._closes_at is not None and self._thread is not None and self._thread.is_alive()

    def _run(self, loader: Loader) -> None:
        try:
            self.load(loader)
            while self._wait_for_work():
                self.step()
        except BaseException as error:  # it must not look ready without its thread
            log.exception("the engine stopped")
            with self._changed:
                sentence = f"The engine stopped: {type(error).__name__}: {error}"
                self._failure = error if isinstance(error, AlpenglowError) else EngineFailure(sentence)
                self._changed.notify_all()
        finally:
            self._abandon()

    def _wait_for_work(self) -> bool:
        """Sleep until there is a job; False when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._scheduler) or self._closes_at is not None)
            return self._closes_at is None or (len(self._scheduler) > 0 and monotonic() < self._closes_at)

    def _prepare(self, job: Job) -> None:
        if job.future.done():  # cancelled while others were prepared
            return
        with self._phase("prepare", [job]):
            job.sample = job.pipeline.prepare(job.request)
            job.seconds |= job.sample.seconds
        with self._phase("report", [job]):
            job.ahead = 0  # unless there is no room yet, as it is told next
            job.report()

    def _advance(self, batch: Sequence[Job]) -> None:
        with self._phase("denoise", batch):
            batch[0].pipeline.advance([job.sample for job in batch if job.sample is not None])
        for job in batch:
            with self._phase("preview", [job]):
                preview = self._preview(job)
            with self._phase("report", [job]):
                job.ahead = 0
                job.report(preview)

    def _preview(self, job: Job) -> RGB | None:
        """None where nobody wants it, or where it fails: the picture goes on without, unless the device is lost."""
        if job.sample is None or not job.wants_preview:
            return None
        try:
            return job.pipeline.preview(job.sample)
        except Exception:
            log.exception("failed to preview")
            job.pipeline.check_device()
            return None

    def _tell_place(self, job: Job, ahead: int) -> None:
        """Only if it is another than the last time."""
        if job.ahead != ahead:
            with self._phase("report", [job]):
                job.ahead = ahead
                job.report()

    def _finish(self, job: Job) -> None:
        assert job.sample is not None
        with self._phase("decode", [job]):
            image = job.pipeline.decode(job.sample)
        if not job.future.done():
            made = GenerationResult(image, job.request.seed, job.pipeline.row.name, job.usage(), job.sample.notes)
            job.resolve(made)

    @contextmanager
    def _phase(self, name: str, jobs: Sequence[Job]) -> Iterator[None]:
        """Charge the time to these jobs. What is raised inside fails them and nobody else; the loop goes on, unless the
        device is lost: then no picture can be made any more, and whoever runs the engine has to know.
        """
        began = perf_counter()
        try:
            yield
        except AlpenglowError as error:
            self._fail(jobs, error)
        except BaseException:  # a panic of native code is no Exception, and one picture's alone
            log.exception("failed to %s", name)
            # Not chained: a traceback would keep the tensors of its frames alive for as long as the caller keeps it.
            self._fail(jobs, EngineFailure(f"The engine failed to {name} this picture."))
            jobs[0].pipeline.check_device()
        finally:
            for job in jobs:
                job.seconds[name] = job.seconds.get(name, 0.0) + perf_counter() - began

    def _fail(self, jobs: Sequence[Job], error: AlpenglowError) -> None:
        for job in jobs:
            job.resolve(error)

    def _leave(self, future: Future[GenerationResult]) -> None:
        """Not told the job: a future keeps its callbacks, and would keep the job with all that it has on the device."""
        with self._changed:
            self._scheduler.remove(future)

    def _abandon(self) -> None:
        with self._changed:
            jobs = list(self._scheduler)
        failed = self._failure is not None
        self._fail(jobs, EngineStopped(STOPPED) if failed else EngineClosed("The engine is stopping."))

    def _check_open(self) -> None:
        if self._failure is not None:
            raise EngineStopped(STOPPED)
        if self._closes_at is not None:
            raise EngineClosed("The engine is stopping.")
        if not self._pipelines:
            raise EngineClosed("The engine is still loading.")
