"""Opening: from nothing to the newest schema, and faults told in a sentence without the password."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from alpenglow.errors import LedgerError
from alpenglow.ledger.database import connect
from alpenglow.ledger.ledger import Ledger
from alpenglow.ledger.schema import METADATA


def test_the_migrations_lead_to_the_tables_of_the_code(url):
    engine = connect(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert context.get_current_revision() == "0002"
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_a_ledger_of_a_newer_version_is_said_to_be_one(url):
    engine = connect(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(LedgerError, match="was written by a newer alpenglow: update this one"):
        connect(url)


def test_a_file_below_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    connect("sqlite:///~/kept/ledger.db").dispose()
    assert (tmp_path / "kept" / "ledger.db").exists()


def test_many_may_open_an_empty_database_at_once(url):
    with ThreadPoolExecutor(4) as threads:
        ledgers = list(threads.map(lambda _: Ledger.open(url), range(4)))
    ledgers[0].access.create_account("team")
    assert [len(ledger.access.accounts()) for ledger in ledgers] == [1] * 4
    for ledger in ledgers:
        ledger.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://someone:hushhush@example.org/x", "sqlite or postgresql, not in mysql"),
        ("postgresql://someone:hushhush@127.0.0.1:1/x?connect_timeout=2", "cannot be opened"),
        ("sqlite:////proc/nowhere/ledger.db", "cannot be opened"),
        ("sqlite://", "in memory would forget"),
        ("hushhush", "URL cannot be read. It is sqlite:///file or postgresql://"),
        ("postgresql://someone:hushhush@example.org:54a2/x", "URL cannot be read"),
        ("postgresql+psycopg2://someone:hushhush@127.0.0.1:1/x?connect_timeout=2", "cannot be opened"),
    ],
)
def test_what_cannot_be_opened_is_said_without_the_password(url, says):
    with pytest.raises(LedgerError, match=says) as told:
        Ledger.open(url)
    assert "hushhush" not in str(told.value)
