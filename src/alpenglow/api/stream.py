"""A run whose caller watches: the same form as `run`, answered by server-sent events. An extension of ours.

Events, each with JSON as data:

- `queued`: `{"position": n}`, n requests are before this one. Comes first, and again when n changes.
- `progress`: `{"step", "steps", "preview"}`, the preview a data URL of a small JPEG, or null; step 0 is: prepared.
- `result`: `{"image", "media_type", "width", "height", "seed", "seconds", "neurons", "dollars", "weights", "notes"}`,
  the image in base64, as `run` has it. The last event.
- `error`: the envelope that `run` would have answered with. The last event in its place.

What is wrong with a request before its work begins is a plain error with its status, as of `run`. Whoever closes the
connection cancels the work. Knows no status numbers and no prices.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from alpenglow.api import envelope
from alpenglow.api.auth import Authenticate
from alpenglow.api.forms import Run, RunInput, RunReader, inner, query
from alpenglow.api.metering import Meter, dollars, neurons
from alpenglow.api.runner import Picture, Runner
from alpenglow.api.schemas import form_or_json, in_account
from alpenglow.api.workers_ai import PREFIX
from alpenglow.imaging import encode
from alpenglow.request import RGB, Progress
from alpenglow.settings import Settings

PREVIEW_QUALITY = 85


def routes(settings: Settings, runner: Runner, meter: Meter, authenticate: Authenticate) -> APIRouter:
    """`/client/v4/accounts/{account}/ai/stream/{model}`: beside `run`, whose form it takes."""
    router = APIRouter(prefix=PREFIX, dependencies=[Depends(authenticate), Depends(in_account)], tags=["run"])
    reader = RunReader(settings)

    @router.post("/stream/{model:path}", openapi_extra=form_or_json(RunInput))
    async def stream(
        request: Request,
        model: str,
        previews: Annotated[bool, Query(description="Whether a picture comes with each step.")] = True,  # noqa: FBT002
    ) -> Response:
        """Make a picture and tell how far it is: server-sent events queued, progress, result, error."""
        envelope.begin(request)
        deadline = runner.deadline()

        async def read() -> tuple[Run]:
            runner.expect(model)
            fields = await reader.fields(request)
            return (await reader.run(model, query(request), inner(fields, "options"), fields),)

        (asked,) = await runner.accept(request, read(), deadline)
        asked = replace(asked, generation=replace(asked.generation, previews=previews))
        return Events(request, _Work(request, runner, meter, asked, deadline))

    return router


class Events(Response):
    """Sends what `work` tells. The last event is one message with the end of the answer: what metering settles by."""

    media_type = "text/event-stream"

    def __init__(self, request: Request, work: "_Work") -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no", **envelope.ids(request)})
        del self.headers["content-length"]
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """The ASGI call. A caller who leaves is not told anything any more."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for event, last in self._work.events():
                await send({"type": "http.response.body", "body": event, "more_body": not last})
        except ClientDisconnect:
            return


@dataclass(frozen=True, slots=True)
class _Work:
    """A run that was accepted, and its events."""

    request: Request
    runner: Runner
    meter: Meter
    asked: Run
    deadline: float

    async def events(self) -> AsyncIterator[tuple[bytes, bool]]:
        """Each event as it goes over the wire, and whether it is the last. Raises ClientDisconnect."""
        began = perf_counter()
        told: asyncio.Queue[Progress | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(progress: Progress | None) -> None:
            loop.call_soon_threadsafe(told.put_nowait, progress)

        if position := self.runner.waiting():
            yield _event("queued", {"position": position}), False
        making = asyncio.create_task(self.runner.follow(self.request, self.asked, tell, self.deadline))
        making.add_done_callback(lambda _: tell(None))
        try:
            while (progress := await told.get()) is not None:
                yield await _progress(progress), False
            yield _event("result", self._result(await making, perf_counter() - began)), True
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the envelope knows how to tell it
            failure = envelope.failure(self.request, error)
            await self.meter.forgive(self.request)
            yield _event("error", json.loads(bytes(failure.body))), True
        finally:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)

    def _result(self, picture: Picture, seconds: float) -> dict[str, object]:
        amount = self.request.state.charge.amount
        return {
            "image": picture.base64,
            "media_type": picture.media_type,
            "width": picture.asked.generation.width,
            "height": picture.asked.generation.height,
            "seed": picture.result.seed,
            "seconds": round(seconds, 3),
            "neurons": round(neurons(amount), 6),
            "dollars": round(dollars(amount), 8),
            "weights": picture.result.answered_by,
            "notes": picture.asked.notes,
        }


async def _progress(progress: Progress) -> bytes:
    if progress.ahead:
        return _event("queued", {"position": progress.ahead})
    preview = None if progress.preview is None else await asyncio.to_thread(_data_url, progress.preview)
    return _event("progress", {"step": progress.step, "steps": progress.steps, "preview": preview})


def _data_url(picture: RGB) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(encode(picture, quality=PREVIEW_QUALITY)).decode("ascii")


def _event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
