"""The server's own cost of one 1024x1024 request: everything but the engine, with a ledger, in its parts.

    python bench/overhead.py [--runs 30]

The real engine makes each picture on the demo checkpoint; its own phases are taken off the wall time that a client on
loopback sees. Each part is timed where the server does it, in the very request that the wall time is of: the ledger on
a SQLite file (finding the token, reserving, settling), parsing, JPEG, base64, and the engine's queue. What remains is
HTTP, threads and this client's reading. The last line is one JSON document.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from alpenglow.api import forms, runner
from alpenglow.api.app import create_app
from alpenglow.engine.assemble import assemble
from alpenglow.engine.engine import Engine
from alpenglow.engine.scheduler import Limits
from alpenglow.ledger.ledger import Ledger
from alpenglow.request import EngineStatus, GenerationRequest, GenerationResult, ModelCard, OnProgress
from alpenglow.settings import Settings

WARM = 2
"""Requests before those that count."""


class Stopwatch:
    """Seconds spent in each part since they were last taken."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds[part] += time.perf_counter() - began

        return call

    def timed_await(self, part: str, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(function)
        async def call(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return await function(*arguments, **named)
            finally:
                self.seconds[part] += time.perf_counter() - began

        return call

    def watch(self, ledger: Ledger) -> None:
        """Put a clock on each part of the server of this process."""
        ledger.access.active_token = self.timed("ledger: token", ledger.access.active_token)  # type: ignore[method-assign]
        ledger.books.reserve = self.timed("ledger: reserve", ledger.books.reserve)  # type: ignore[method-assign]
        ledger.books.settle = self.timed("ledger: settle", ledger.books.settle)  # type: ignore[method-assign]
        forms.read_fields = self.timed_await("parse", forms.read_fields)
        runner.encode = self.timed("jpeg", runner.encode)
        runner.base64.b64encode = self.timed("base64", runner.base64.b64encode)

    def take(self) -> dict[str, float]:
        taken, self.seconds = self.seconds, defaultdict(float)
        return taken


class Watched:
    """An EngineClient that keeps the last result of the one it passes requests to."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.last: GenerationResult | None = None

    def models(self) -> tuple[ModelCard, ...]:
        return self.engine.models()

    def status(self) -> EngineStatus:
        return self.engine.status()

    async def generate(self, request: GenerationRequest, on_progress: OnProgress | None = None) -> GenerationResult:
        self.last = await self.engine.generate(request, on_progress)
        return self.last


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30)
    runs: int = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder, Ledger.open(f"sqlite:///{Path(folder) / 'ledger.db'}") as ledger:
        engine, loader = assemble(("demo",), Path(folder), Limits())
        engine.start(loader)
        engine.wait_until_ready(120)
        account = ledger.access.create_account("bench", daily_allocation=10**15, requests_per_minute=10**6)
        _, secret = ledger.access.create_token("bench", [account.id])
        stopwatch, watched = Stopwatch(), Watched(engine)
        stopwatch.watch(ledger)
        settings = Settings(ledger_url=f"sqlite:///{Path(folder) / 'ledger.db'}")
        server = uvicorn.Server(uvicorn.Config(create_app(watched, settings, ledger), port=0, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            rows = measure(f"http://127.0.0.1:{port}", account.id, secret, watched, stopwatch, runs)
        finally:
            server.should_exit = True
            thread.join()
            engine.close()
    medians = {name: statistics.median(row[name] for row in rows) * 1000 for name in rows[0]}
    for name, milliseconds in medians.items():
        print(f"{name:34} {milliseconds:8.2f} ms")
    print(json.dumps({name: round(milliseconds, 2) for name, milliseconds in medians.items()}))


def measure(
    url: str, account: str, secret: str, watched: Watched, stopwatch: Stopwatch, runs: int
) -> list[dict[str, float]]:
    """Seconds of each run: the whole, the engine's, what is left, and the parts of that."""
    rows: list[dict[str, float]] = []
    path = f"/client/v4/accounts/{account}/ai/run/@cf/black-forest-labs/flux-2-klein-9b"
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=600) as client:
        for seed in range(runs + WARM):
            form = {"prompt": "a sunset at the alps", "width": "1024", "height": "1024", "seed": str(seed)}
            stopwatch.take()
            began = time.perf_counter()
            answer = client.post(path, files={name: (None, value) for name, value in form.items()})
            whole = time.perf_counter() - began
            answer.raise_for_status()
            assert watched.last is not None
            usage = watched.last.usage
            spent = usage.prepare_seconds + usage.denoise_seconds + usage.decode_seconds
            parts = stopwatch.take() | {"queue": usage.queue_seconds}
            rest = whole - spent - sum(parts.values())
            rows.append({"whole": whole, "engine": spent, "own cost": whole - spent, **parts, "HTTP and threads": rest})
    return rows[WARM:]


if __name__ == "__main__":
    main()
