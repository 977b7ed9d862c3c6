"""The server's own cost of one 1024x1024 request: everything but the engine, with a ledger, in its parts.

    python bench/overhead.py [--runs 30]

The real engine makes each picture on the demo checkpoint; its own phases are taken off the wall time that a client on
loopback sees. What remains is parsing, queue, ledger, JPEG, base64, HTTP and this client's reading. The last line is
one JSON document.
"""

import argparse
import base64
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path

import httpx
import uvicorn

from alpenglow.api.app import create_app
from alpenglow.engine.assemble import assemble
from alpenglow.engine.engine import Engine
from alpenglow.engine.scheduler import Limits
from alpenglow.imaging import encode
from alpenglow.ledger.books import Order
from alpenglow.ledger.ledger import Ledger
from alpenglow.request import EngineStatus, GenerationRequest, GenerationResult, ModelCard, OnProgress
from alpenglow.settings import Settings


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
        watched = Watched(engine)
        settings = Settings(ledger_url=f"sqlite:///{Path(folder) / 'ledger.db'}")
        server = uvicorn.Server(uvicorn.Config(create_app(watched, settings, ledger), port=0, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        account = ledger.access.create_account("bench", daily_allocation=10**15, requests_per_minute=10**6)
        token, secret = ledger.access.create_token("bench", [account.id])
        try:
            rows = measure(f"http://127.0.0.1:{port}", account.id, secret, watched, runs)
            rows["ledger"] = charge(ledger, Order(account.id, token.id, "bench", 1_363_636_364, 1, 2**20, 0), runs)
        finally:
            server.should_exit = True
            thread.join()
            engine.close()
    medians = {name: statistics.median(sample) * 1000 for name, sample in rows.items()}
    medians["HTTP, parsing, queue and threads"] = (
        medians["own cost"] - medians["jpeg"] - medians["base64"] - medians["ledger"]
    )
    for name, milliseconds in medians.items():
        print(f"{name:34} {milliseconds:8.2f} ms")
    print(json.dumps({name: round(milliseconds, 2) for name, milliseconds in medians.items()}))


def measure(url: str, account: str, secret: str, watched: Watched, runs: int) -> dict[str, list[float]]:
    """Seconds of each run: the whole, the engine's, what is left, and two parts of that made again."""
    rows: dict[str, list[float]] = {name: [] for name in ("whole", "engine", "own cost", "jpeg", "base64")}
    path = f"/client/v4/accounts/{account}/ai/run/@cf/black-forest-labs/flux-2-klein-9b"
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=600) as client:
        for seed in range(runs + 2):
            form = {"prompt": "a sunset at the alps", "width": "1024", "height": "1024", "seed": str(seed)}
            began = time.perf_counter()
            answer = client.post(path, files={name: (None, value) for name, value in form.items()})
            whole = time.perf_counter() - began
            answer.raise_for_status()
            assert watched.last is not None
            usage = watched.last.usage
            spent = usage.prepare_seconds + usage.denoise_seconds + usage.decode_seconds
            began = time.perf_counter()
            file = encode(watched.last.image)
            encoded = time.perf_counter()
            base64.b64encode(file).decode("ascii")
            ended = time.perf_counter()
            if seed >= 2:  # the first two warm
                values = (whole, spent, whole - spent, encoded - began, ended - encoded)
                for sample, value in zip(rows.values(), values, strict=True):
                    sample.append(value)
    return rows


def charge(ledger: Ledger, order: Order, runs: int) -> list[float]:
    """Seconds of the ledger's part of a request, one after the other."""
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        ledger.books.settle(ledger.books.reserve(order, "bench", 60))
        seconds.append(time.perf_counter() - began)
    return seconds


if __name__ == "__main__":
    main()
