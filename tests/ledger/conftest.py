"""Every test that asks for a ledger runs twice: on a SQLite file, and on a real PostgreSQL server."""

import itertools
from collections.abc import Callable, Iterator

import pytest
from orders import Time
from postgres import postgresql
from sqlalchemy import create_engine, make_url

from alpenglow.ledger.ledger import Ledger

NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Makes the URL of an empty database."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path_factory.mktemp('ledger')}/new/ledger.db"
    server = make_url(request.getfixturevalue("server")).set(drivername="postgresql+psycopg")

    def create() -> str:
        name = f"ledger{next(NUMBERS)}"
        admin = create_engine(server, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        admin.dispose()
        return server.set(drivername="postgresql", database=name).render_as_string(hide_password=False)

    return create


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def ledger(url: str, clock: Time) -> Iterator[Ledger]:
    with Ledger.open(url, clock) as opened:
        yield opened
