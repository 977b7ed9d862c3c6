"""One run, from the caller's request to the bytes of a picture: the same for every face.

A face reads what its callers send and tells what came of it; everything between the two is here. Knows neither bodies
nor status numbers.
"""

import asyncio
import base64
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import Request

from alpenglow.api.disconnect import unless_disconnected
from alpenglow.api.forms import Run
from alpenglow.api.metering import Meter
from alpenglow.errors import Overloaded, RequestTimeout
from alpenglow.imaging import MEDIA_TYPES, Provenance, encode
from alpenglow.request import EngineClient, GenerationResult, OnProgress, find_card
from alpenglow.settings import Settings

T = TypeVar("T")

WEIGHTS, SEED = "x-alpenglow-weights", "x-alpenglow-seed"
"""Headers of a picture: the catalogue row whose weights made it, and the seed that makes it again."""

TIMING = "server-timing"
"""Where its milliseconds went, as browsers' developer tools show it (W3C Server Timing)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture: what was asked for, what came of it, and the file."""

    asked: Run
    result: GenerationResult
    file: bytes

    @property
    def base64(self) -> str:
        """The file as the API's JSON carries it."""
        return base64.b64encode(self.file).decode("ascii")

    @property
    def media_type(self) -> str:
        """Of the file."""
        return MEDIA_TYPES[self.asked.output_format]

    @property
    def data_url(self) -> str:
        """The file as a URI."""
        return f"data:{self.media_type};base64,{self.base64}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the caller on what was done other than asked."""
        return (*self.asked.notes, *self.result.notes)

    @property
    def headers(self) -> dict[str, str]:
        """What the answer says about the picture."""
        usage = self.result.usage
        phases = {
            "queue": usage.queue_seconds,
            "text_encoder": usage.text_encoder_seconds,
            "references": usage.reference_seconds,
            "denoise": usage.denoise_seconds,
            "decode": usage.decode_seconds,
        }
        timing = ", ".join(f"{phase};dur={seconds * 1000:.1f}" for phase, seconds in phases.items())
        return {WEIGHTS: self.result.answered_by, SEED: str(self.result.seed), TIMING: timing}


class Runner:
    """Makes pictures for all faces of one server."""

    def __init__(self, client: EngineClient, settings: Settings, meter: Meter) -> None:
        self._client = client
        self._meter = meter
        self._embed_prompt = settings.embed_prompt
        self._seconds = settings.request_timeout_seconds

    def expect(self, model: str) -> None:
        """Raises UnknownModel unless there is one of that name. Asked first: fields are to be judged by their model."""
        find_card(self._client.models(), model)

    async def run(self, request: Request, reading: Coroutine[Any, Any, Sequence[Run]]) -> tuple[Picture, ...]:
        """The pictures that `reading`, which consumes the whole body of `request`, finds to be asked for, made side by
        side: all of them, or the first error.

        Raises what `reading` and the engine raise, Overloaded at once if the caller rather leaves than waits,
        RequestTimeout, and ClientDisconnect once the caller is gone; the work is then cancelled.
        """
        deadline = self.deadline()
        asked = await self.accept(request, reading, deadline)
        return await self._until(deadline, unless_disconnected(request.receive, self._make_all(asked)))

    def deadline(self) -> float:
        """When a request that begins now has to be answered, by the event loop's clock."""
        return asyncio.get_running_loop().time() + self._seconds

    async def accept(
        self, request: Request, reading: Coroutine[Any, Any, Sequence[Run]], deadline: float
    ) -> Sequence[Run]:
        """What is asked for, its price reserved: the first half of `run`, with the same errors."""

        async def accepted() -> Sequence[Run]:
            asked = await reading
            await self._meter.reserve(request, *(one.generation for one in asked))
            return asked

        return await self._until(deadline, accepted())

    async def follow(self, request: Request, asked: Run, on_progress: OnProgress, deadline: float) -> Picture:
        """The picture that was accepted, told of as it comes about: the other half, with the same errors."""
        return await self._until(deadline, unless_disconnected(request.receive, self._make(asked, on_progress)))

    def waiting(self) -> int:
        """How many pictures a new one would find before it."""
        status = self._client.status()
        return status.running + status.queued

    async def _until(self, deadline: float, work: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout_at(deadline):
                return await work
        except TimeoutError as error:
            raise RequestTimeout(f"no answer within {self._seconds:g} seconds") from error

    async def _make_all(self, asked: Sequence[Run]) -> tuple[Picture, ...]:
        try:
            async with asyncio.TaskGroup() as group:
                making = [group.create_task(self._make(one)) for one in asked]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return tuple(one.result() for one in making)

    async def _make(self, asked: Run, on_progress: OnProgress | None = None) -> Picture:
        if asked.reject_if_busy and self.waiting():  # nothing is awaited between this look and the engine's
            raise Overloaded("other requests are under way")
        result = await self._client.generate(asked.generation, on_progress)
        prompt = asked.generation.prompt if self._embed_prompt else None
        file = await asyncio.to_thread(
            encode,
            result.image,
            asked.output_format,
            quality=asked.quality,
            provenance=Provenance(result.answered_by, result.seed, prompt),
        )
        return Picture(asked, result, file)
