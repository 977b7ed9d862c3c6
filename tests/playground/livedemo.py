"""The real engine on the demo checkpoint, and the real app over HTTP, both in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from alpenglow.api.app import create_app
from alpenglow.engine.assemble import assemble
from alpenglow.engine.engine import Engine
from alpenglow.engine.scheduler import Limits
from alpenglow.ledger.ledger import Ledger
from alpenglow.settings import Settings
from listening import listening, wait_until


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
    with listening(app) as port:
        yield f"http://127.0.0.1:{port}"


until = partial(wait_until, seconds=20)
"""Longer: here a model computes."""
