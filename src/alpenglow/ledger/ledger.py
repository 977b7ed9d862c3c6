"""Ledger: one database, opened and brought to the newest schema, with its two halves."""

import time
from collections.abc import Callable
from typing import Self

from sqlalchemy import Engine

from alpenglow.ledger import database
from alpenglow.ledger.access import Access
from alpenglow.ledger.books import Books

Clock = Callable[[], float]
"""Seconds since 1970 UTC."""


class Ledger:
    """`access`: accounts and tokens. `books`: reservations, charges, usage. Safe from any thread; calls block.

    Several processes may share one database. Close it, or use it as a context manager.
    """

    def __init__(self, engine: Engine, clock: Clock = time.time) -> None:
        self._engine = engine
        self.access = Access(engine, clock)
        self.books = Books(engine, clock)

    @classmethod
    def open(cls, url: str, clock: Clock = time.time, *, make: bool = True) -> Self:
        """The ledger at a SQLAlchemy URL: `sqlite:///path`, or `postgresql://...` where psycopg is installed.

        Makes what is missing: the file, the folder, the tables. Raises LedgerError, also for a file that is missing
        where `make` is False.
        """
        return cls(database.connect(url, make=make), clock)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
