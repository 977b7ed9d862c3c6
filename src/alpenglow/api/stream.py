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
from dataclasses import replace
from time import perf_counter
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from alpenglow.api import envelope
from alpenglow.api.auth import Authenticate
from alpenglow.api.forms import Run, RunInput, RunReader, inner, query
from alpenglow.api.metering import Meter
from alpenglow.api.runner import Picture, Runner
from alpenglow.api.schemas import form_or_json, in_account
from alpenglow.api.tariff import dollars, neurons
from alpenglow.api.workers_ai import PREFIX
from alpenglow.imaging import encode
from alpenglow.request import RGB, Progress

PREVIEW_QUALITY = 85

AT_ONCE = 0.02
"""Seconds within which the engine says that it takes no more work, or cannot work at all."""


def routes(reader: RunReader, runner: Runner, meter: Meter, authenticate: Authenticate) -> APIRouter:
    """`/client/v4/accounts/{account}/ai/stream/{model}`: beside `run`, whose form it takes."""
    router = APIRouter(prefix=PREFIX, dependencies=[Depends(authenticate), Depends(in_account)], tags=["run"])

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
            return await reader.run(model, query(request), inner(fields, "options"), fields)

        (asked,) = await runner.accept(request, read(), deadline)
        asked = replace(asked, generation=replace(asked.generation, previews=previews))
        work = _Work(request, runner, meter, asked, deadline)
        await work.begin()
        return Events(request, work)

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


class _Work:
    """A run that was accepted, and its events."""

    def __init__(self, request: Request, runner: Runner, meter: Meter, asked: Run, deadline: float) -> None:
        self.request, self.meter, self.asked = request, meter, asked
        self.began = perf_counter()
        self.position = runner.waiting()
        self.told: asyncio.Queue[Progress | None] = asyncio.Queue()
        self.loop = asyncio.get_running_loop()
        self.making = self.loop.create_task(runner.follow(request, asked, self._tell, deadline))
        self.making.add_done_callback(lambda _: self._tell(None))

    def _tell(self, progress: Progress | None) -> None:
        self.loop.call_soon_threadsafe(self.told.put_nowait, progress)

    async def begin(self) -> None:
        """Give the engine a moment to refuse. Raises what it refuses with, as long as a status can be told."""
        await asyncio.wait({self.making}, timeout=AT_ONCE)
        if self.making.done():
            self.making.result()

    async def events(self) -> AsyncIterator[tuple[bytes, bool]]:
        """Each event as it goes over the wire, and whether it is the last. Raises ClientDisconnect."""
        if self.position:
            yield _event("queued", {"position": self.position}), False
        try:
            while (progress := await self.told.get()) is not None:
                yield await _progress(progress), False
            yield _event("result", self._result(await self.making, perf_counter() - self.began)), True
        except ClientDisconnect:
            raise
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the envelope knows how to tell any
            failure = envelope.failure(self.request, error)
            await self.meter.forgive(self.request)
            yield _event("error", json.loads(bytes(failure.body))), True
        finally:
            self.making.cancel()
            await asyncio.gather(self.making, return_exceptions=True)

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
            "notes": picture.notes,
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
