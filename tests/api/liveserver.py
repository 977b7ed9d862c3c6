"""A real uvicorn server on a loopback port, and an engine that paints without a model, for tests of the protocol."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

import httpx
import numpy as np
from PIL import Image

from alpenglow.api.app import create_app
from alpenglow.errors import EngineClosed, Overloaded, UnknownModel
from alpenglow.ledger.ledger import Ledger
from alpenglow.request import (
    EngineStatus,
    GenerationRequest,
    GenerationResult,
    ModelCard,
    OnProgress,
    Usage,
)
from alpenglow.settings import Settings
from listening import listening

MODEL = "@cf/black-forest-labs/flux-2-klein-9b"
RUN = f"/client/v4/accounts/0123456789abcdef0123456789abcdef/ai/run/{MODEL}"

CARDS = tuple(
    ModelCard(
        row=row,
        api_name=f"@cf/black-forest-labs/flux-2-{row}",
        id=f"00000000-0000-4000-8000-00000000000{index}",
        title=f"FLUX.2 {row}",
        description=f"Makes pictures, the {row} way.",
        created_at="2026-01-14 12:55:54.294",
        licence="apache-2.0",
        licence_url="https://example.org/terms",
        answered_by="demo",
    )
    for index, row in enumerate(("demo", "klein-4b", "klein-9b"))
)


@dataclass
class PaintingEngine:
    """An EngineClient: the picture is a gradient drawn from the seed, the prompt and the references."""

    seconds: float = 0.0
    capacity: int = 100
    ready: bool = True
    running: int = 0
    cancelled: int = 0
    failure: BaseException | None = None
    stopped: str | None = None
    requests: list[GenerationRequest] = field(default_factory=list)

    def models(self) -> tuple[ModelCard, ...]:
        return CARDS

    def status(self) -> EngineStatus:
        return EngineStatus(self.ready, self.running, failure=self.stopped)

    async def generate(self, request: GenerationRequest, on_progress: OnProgress | None = None) -> GenerationResult:
        if not self.ready:
            raise EngineClosed("There are no weights")
        if not any(request.model in card.names for card in CARDS):
            raise UnknownModel(request.model)
        if self.running >= self.capacity:
            raise Overloaded("full")
        if self.failure is not None:
            raise self.failure
        self.running += 1
        self.requests.append(request)
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        return GenerationResult(paint(request), request.seed, "demo", Usage(request.width * request.height, 0, 4))


def paint(request: GenerationRequest) -> np.ndarray:
    """Four corner colours drawn from all that a picture depends on, blended."""
    references = b"".join(reference.tobytes() for reference in request.references)
    entropy = [request.seed, *request.prompt.encode(), *references[:64], len(request.references)]
    corners = np.random.default_rng(entropy).integers(0, 256, (2, 2, 3))
    y, x = np.linspace(0, 1, request.height)[:, None, None], np.linspace(0, 1, request.width)[None, :, None]
    top, bottom = (row[0] * (1 - x) + row[1] * x for row in corners)
    return np.round(top * (1 - y) + bottom * y).astype(np.uint8)


@dataclass(frozen=True)
class LiveServer:
    port: int
    engine: PaintingEngine
    http: httpx.Client

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(
    engine: PaintingEngine | None = None, ledger: Ledger | None = None, **settings: object
) -> Iterator[LiveServer]:
    """The real app over HTTP until the block ends."""
    engine = engine or PaintingEngine()
    app = create_app(engine, Settings.load(settings), ledger)
    with listening(app) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        yield LiveServer(port, engine, http)


def png(width: int = 64, height: int = 48, colour: str = "red") -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()


def form(
    *parts: tuple[str, str | bytes], boundary: str = "b0undary", newline: bytes = b"\r\n", end: bytes = b""
) -> bytes:
    """A multipart body, byte by byte ours; no line end after the closing delimiter unless `end` is one."""
    body = b""
    for name, value in parts:
        data = value.encode() if isinstance(value, str) else value
        head = f'Content-Disposition: form-data; name="{name}"'.encode()
        body += b"--" + boundary.encode() + newline + head + newline * 2 + data + newline
    return body + b"--" + boundary.encode() + b"--" + end


def problem(response: httpx.Response) -> tuple[int, int, str]:
    """Status, code and message of an error that reached the model, with the envelope checked on the way."""
    body = response.json()
    request_id = response.headers["cf-ai-req-id"]
    assert response.headers["content-type"] == "application/json"
    assert list(body) == ["errors", "success", "result", "messages"]
    assert (body["success"], body["result"], body["messages"]) == (False, {}, [])
    (error,) = body["errors"]
    assert error["message"].endswith(f" ({request_id})")
    return response.status_code, error["code"], error["message"].removesuffix(f" ({request_id})")


def refusal(response: httpx.Response) -> tuple[int, int, str]:
    """Status, code and message of an error that did not reach the model."""
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert "cf-ai-req-id" not in response.headers
    assert (body["success"], body["result"], body["messages"]) == (False, None, [])
    (error,) = body["errors"]
    return response.status_code, error["code"], error["message"]


def raw(server: LiveServer, request: bytes, *, close: bool = False) -> bytes:
    """Send bytes as they are and take the answer; with `close` the sending side ends there."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        if close:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(65536):
            answer += data
            if not close and b'"messages"' in answer:
                break
        return answer
