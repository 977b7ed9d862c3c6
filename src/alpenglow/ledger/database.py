"""A URL -> an engine whose schema is the newest. Knows what SQLite and PostgreSQL need to keep money safe."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from alpenglow.errors import LedgerError

MIGRATIONS = "alpenglow.ledger:migrations"
MIGRATION_LOCK = 0x616C70656E
"""Number of the PostgreSQL advisory lock that lets one process at a time migrate."""

UNREADABLE = (
    "The ledger's URL cannot be read. It is sqlite:///file or postgresql://user:password@host:port/name; in a password "
    "@ is written %40, and / %2F, as in any URL."
)

BUSY_MILLISECONDS = 10_000
"""How long a SQLite transaction waits for another one's end."""


def connect(url: str, *, make: bool = True) -> Engine:
    """An engine for the database at `url`, migrated. Raises LedgerError, without the URL's password in its text.

    A file that is not there is made, or without `make` an error.
    """
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):  # whose texts may hold pieces of a password
        raise LedgerError(UNREADABLE) from None
    try:
        engine = _sqlite(address, make=make) if address.get_backend_name() == "sqlite" else _postgresql(address)
        try:
            with engine.begin() as connection:
                migrate(connection)
        except BaseException:
            engine.dispose()
            raise
    except ModuleNotFoundError as error:
        raise LedgerError(f"The ledger needs {error.name}: pip install 'alpenglow[postgresql]'") from error
    except CommandError as error:  # a revision that is not among ours
        shown = address.render_as_string()
        raise LedgerError(
            f"The ledger at {shown} was written by a newer alpenglow: update this one. {error}"
        ) from error
    except (SQLAlchemyError, OSError) as error:
        cause = str(getattr(error, "orig", error)).strip()
        raise LedgerError(f"The ledger at {address.render_as_string()} cannot be opened: {cause}") from error
    return engine


def migrate(connection: Connection, revision: str = "head") -> None:
    """Bring the schema up to `revision` within the transaction of `connection`."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """All of the block or nothing. Raises LedgerError where the database fails, IntegrityError where it refuses."""
    try:
        with engine.begin() as connection:
            yield connection
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        raise LedgerError(f"The ledger failed: {getattr(error, 'orig', error)}") from error


def reading(engine: Engine) -> Engine:
    """`engine` for transactions that only read: on SQLite they do not wait for writers."""
    return engine.execution_options(sqlite_begin="DEFERRED")


def forgetful(engine: Engine) -> Engine:
    """`engine` for transactions that need not survive a power cut: they do not wait for the disk.

    Their order is kept, since the next one that waits writes these too. A killed process loses neither kind.
    """
    return engine.execution_options(waits_for_disk=False)


def _with_our_driver(address: URL) -> URL:
    """`postgres://` and `postgresql://`, as hosting companies write them, mean psycopg 3 here, as with any driver."""
    if address.get_backend_name() not in {"postgres", "postgresql"}:
        raise LedgerError(f"A ledger is kept in sqlite or postgresql, not in {address.get_backend_name()}")
    return address.set(drivername="postgresql+psycopg")


def _postgresql(address: URL) -> Engine:
    engine = create_engine(_with_our_driver(address), pool_pre_ping=True)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("waits_for_disk", True):
            connection.exec_driver_sql("SET LOCAL synchronous_commit = off")

    return engine


def _sqlite(address: URL, *, make: bool) -> Engine:
    """A file in WAL mode. Transactions that write say so at once, or two of them could wait for each other."""
    if address.database in {None, "", ":memory:"}:
        raise LedgerError("A ledger in memory would forget who paid: name a file, as in sqlite:///ledger.db")
    file = Path(address.database or "").expanduser()
    if not make and not file.exists():
        raise LedgerError(
            f"There is no ledger at {address}: alpenglow accounts create NAME --ledger {address} makes one"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(address.set(database=str(file)))

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # sqlite3 would begin transactions by its own rules
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
        _write_ahead(connection)
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql(
            f"PRAGMA synchronous = {'FULL' if options.get('waits_for_disk', True) else 'NORMAL'}"
        )
        connection.exec_driver_sql(f"BEGIN {options.get('sqlite_begin', 'IMMEDIATE')}")

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """WAL mode, which the file keeps. While others open the same new file it is refused at once, busy or not."""
    until = time.monotonic() + BUSY_MILLISECONDS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return
