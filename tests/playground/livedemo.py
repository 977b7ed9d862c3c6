"""The real engine on the demo checkpoint, and the real app over HTTP, both in this process."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from alpenglow.api.app import create_app
from alpenglow.engine.assemble import assemble
from alpenglow.engine.engine import Engine
from alpenglow.engine.scheduler import Limits
from alpenglow.ledger.ledger import Ledger
from alpenglow.settings import Settings


@contextmanager
def demo_engine() -> Iterator[Engine]:
    """Loaded and running until the block ends. One forward holds one picture, so that pictures queue."""
    engine, loader = assemble(["demo"], Path("nowhere"), Limits(max_batch_tokens=1))
    engine.start(loader)
    try:
        engine.wait_until_ready()
        yield engine
    finally:
        engine.close()


@contextmanager
def serving(engine: Engine, ledger: Ledger | None = None, **settings: object) -> Iterator[str]:
    """The app on a free loopback port until the block ends; gives its URL."""
    app = create_app(engine, Settings.load(settings), ledger)
    server = uvicorn.Server(
        uvicorn.Config(app, "127.0.0.1", 0, ws="none", log_config=None, timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
    assert not thread.is_alive()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
