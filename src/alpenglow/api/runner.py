"""One run, from the caller's request to the bytes of a picture: the same for every face.

A face reads what its callers send and tells what came of it; everything between the two is here. Knows neither bodies
nor status numbers.
"""

import asyncio
import base64
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from alpenglow.api.disconnect import unless_disconnected
from alpenglow.api.forms import Run
from alpenglow.errors import Overloaded, RequestTimeout
from alpenglow.imaging import encode
from alpenglow.request import EngineClient, GenerationResult
from alpenglow.settings import Settings

WEIGHTS, SEED = "x-alpenglow-weights", "x-alpenglow-seed"
"""Headers of a picture: the catalogue row whose weights made it, and the seed that makes it again."""


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
    def headers(self) -> dict[str, str]:
        """What the answer says about the picture."""
        return {WEIGHTS: self.result.answered_by, SEED: str(self.result.seed)}


class Runner:
    """Makes pictures for all faces of one server."""

    def __init__(self, client: EngineClient, settings: Settings) -> None:
        self._client = client
        self._seconds = settings.request_timeout_seconds

    async def run(self, request: Request, reading: Coroutine[Any, Any, Run]) -> Picture:
        """The picture that `reading`, which consumes the whole body of `request`, finds to be asked for.

        Raises what `reading` and the engine raise, Overloaded at once if the caller rather leaves than waits,
        RequestTimeout, and ClientDisconnect once the caller is gone; the work is then cancelled.
        """
        try:
            async with asyncio.timeout(self._seconds):
                asked = await reading
                if asked.reject_if_busy and self._busy():
                    raise Overloaded("other requests are under way")
                result = await unless_disconnected(request.receive, self._client.generate(asked.generation))
                file = await asyncio.to_thread(encode, result.image, asked.output_format)
        except TimeoutError as error:
            raise RequestTimeout(f"no answer within {self._seconds:g} seconds") from error
        return Picture(asked, result, file)

    def _busy(self) -> bool:
        status = self._client.status()
        return status.running + status.queued > 0
