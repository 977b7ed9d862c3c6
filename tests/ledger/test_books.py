"""Reserve, settle, void, recover: what is said of one request, and of many at once."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from orders import Time, order
from sqlalchemy import event

from alpenglow.errors import AllocationSpent, LedgerError, RateLimited
from alpenglow.ledger.books import MICRO
from alpenglow.ledger.ledger import Ledger

DAY = date(2027, 1, 15)


def spent(ledger: Ledger) -> float:
    """Neurons paid by all accounts on all days."""
    return sum(row.amount for row in ledger.books.usage(())) / MICRO


def test_only_what_is_settled_is_paid(ledger):
    asked = order(ledger, "team", 10)
    paid, voided, _ = (ledger.books.reserve(asked, "here", 60) for _ in range(3))
    assert spent(ledger) == 0
    ledger.books.settle(paid)
    ledger.books.void(voided)
    assert spent(ledger) == 10
    for again in (ledger.books.settle, ledger.books.settle):
        again(paid)
    ledger.books.void(voided)
    assert spent(ledger) == 10
    assert ledger.books.audit() == ()


def test_what_was_settled_and_then_not_delivered_is_given_back(ledger):
    reservation = ledger.books.reserve(order(ledger, "team"), "here", 60)
    ledger.books.settle(reservation)
    ledger.books.void(reservation)
    assert spent(ledger) == 0
    assert ledger.books.usage() == ledger.books.audit() == ()


def test_an_allocation_is_spent_to_the_last_neuron_and_renews_at_midnight(ledger, clock):
    asked = order(ledger, "team", 10)
    ledger.access.limit_account("team", 25 * MICRO, None)
    first, _ = (ledger.books.reserve(asked, "here", 60) for _ in range(2))
    with pytest.raises(AllocationSpent, match="used up your daily free allocation of 25 neurons"):
        ledger.books.reserve(asked, "here", 60)
    ledger.books.reserve(order(ledger, "team", 5), "here", 60)
    ledger.books.reserve(order(ledger, "another", 1000), "here", 60)
    ledger.books.void(first)
    ledger.books.reserve(asked, "here", 60)
    with pytest.raises(AllocationSpent):
        ledger.books.reserve(order(ledger, "team", 0.000001), "here", 60)
    clock.now += 16 * 3600 - 1  # 23:59:59
    late = ledger.books.reserve(asked, "here", 60)  # the reservations before have expired
    clock.now += 1
    ledger.books.reserve(asked, "here", 60)
    ledger.books.reserve(asked, "here", 60)
    ledger.books.settle(late)  # paid by the day on which it began
    assert [(row.day, row.amount) for row in ledger.books.usage(["day"])] == [(DAY, 10 * MICRO)]
    assert ledger.books.audit() == ()


def test_requests_a_minute(ledger, clock):
    asked = order(ledger, "team")
    ledger.access.limit_account("team", None, 2)
    clock.now += 59
    for _ in range(2):
        ledger.books.void(ledger.books.reserve(asked, "here", 60))  # begun is begun
    with pytest.raises(RateLimited, match="rate limiting: inference request per min rate reached"):
        ledger.books.reserve(asked, "here", 60)
    clock.now += 1
    ledger.books.reserve(asked, "here", 60)
    assert ledger.books.audit() == ()


def test_requests_a_minute_hold_where_clocks_differ(ledger, url, clock):
    slow = Time()
    clock.now += 60
    slow.now += 59
    asked = order(ledger, "team")
    ledger.access.limit_account("team", None, 3)
    with Ledger.open(url, slow) as other:
        books = itertools.cycle([ledger.books, other.books])
        for _ in range(3):
            next(books).reserve(asked, "here", 60)
        for _ in range(2):
            with pytest.raises(RateLimited):
                next(books).reserve(asked, "here", 60)


def test_a_clock_that_was_ahead_locks_nobody_out(ledger, clock):
    asked = order(ledger, "team")
    ledger.access.limit_account("team", None, 2)
    clock.now += 7200
    for _ in range(2):
        ledger.books.reserve(asked, "here", 60)
    clock.now -= 7200
    for _ in range(2):
        ledger.books.reserve(asked, "here", 60)
    with pytest.raises(RateLimited):
        ledger.books.reserve(asked, "here", 60)


def test_a_start_voids_what_this_server_had_reserved_and_nobody_elses(ledger, clock):
    asked = order(ledger, "team")
    lost = [ledger.books.reserve(asked, "here", 60) for _ in range(2)]
    kept = ledger.books.reserve(asked, "there", 60)
    assert ledger.books.recover("here") == 2
    assert ledger.books.recover("here") == 0
    ledger.books.settle(kept)
    assert spent(ledger) == 10
    ledger.books.settle(lost[0])  # it was delivered after all: what was delivered is billed
    ledger.books.settle(lost[0])
    assert spent(ledger) == 20
    ledger.books.reserve(asked, "gone for good", 60)
    clock.now += 61
    assert ledger.books.recover("here") == 1
    assert ledger.books.audit() == ()


@pytest.mark.parametrize("limit", ["neurons", "requests"])
def test_concurrent_requests_never_overspend(ledger, limit):
    asked = order(ledger, "team", 10)
    ledger.access.limit_account(
        "team", 205 * MICRO if limit == "neurons" else None, 20 if limit == "requests" else None
    )
    together = threading.Barrier(8)

    def worker(_: int) -> int:
        together.wait()
        made = 0
        for _ in range(8):
            try:
                reservation = ledger.books.reserve(asked, "here", 60)
            except (AllocationSpent, RateLimited):
                continue
            ledger.books.settle(reservation)
            made += 1
        return made

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(worker, range(8))) == 20
    assert spent(ledger) == 200
    assert ledger.books.audit() == ()


def test_usage_is_told_by_day_model_and_account(ledger, clock):
    for name, model, days in (("a", "m1", 0), ("a", "m2", 0), ("a", "m1", 0), ("b", "m1", 1)):
        clock.now += days * 86_400
        ledger.books.settle(ledger.books.reserve(order(ledger, name, 10, model), "here", 60))
    a, b = (ledger.access.account(name).id for name in "ab")
    second = date(2027, 1, 16)
    assert [(row.day, row.model, row.account, row.requests, row.amount) for row in ledger.books.usage()] == [
        (DAY, "m1", a, 2, 20 * MICRO),
        (DAY, "m2", a, 1, 10 * MICRO),
        (second, "m1", b, 1, 10 * MICRO),
    ]
    (total,) = ledger.books.usage(())
    assert (total.requests, total.pictures, total.output_pixels, total.input_pixels) == (4, 4, 4 * 786_432, 4 * 262_144)
    assert [(row.model, row.requests) for row in ledger.books.usage(["model"])] == [("m1", 3), ("m2", 1)]
    assert [row.requests for row in ledger.books.usage((), account=b)] == [1]
    assert [row.requests for row in ledger.books.usage((), since=second)] == [1]
    assert [row.requests for row in ledger.books.usage((), until=DAY)] == [3]
    assert ledger.books.usage((), since=DAY, until=DAY, account=b) == ()


def test_the_audit_sees_a_balance_that_is_off(ledger, url):
    ledger.books.reserve(order(ledger, "team"), "here", 60)
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE days SET reserved = 7")
    (sentence,) = ledger.books.audit()
    assert "(7, 0)" in sentence
    assert "(10000000, 0)" in sentence


def test_a_reservation_costs_the_same_however_much_was_settled_before(tmp_path):
    """It sweeps what has expired, and looks for that among the open charges alone."""
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        asked = order(ledger, "team")
        swept: list[tuple[str, tuple[object, ...]]] = []

        @event.listens_for(ledger._engine, "before_cursor_execute")
        def _note(connection, cursor, statement, parameters, context, executemany):
            if statement.startswith("DELETE"):
                swept.append((statement, parameters))

        ledger.books.reserve(asked, "here", 60)
        with ledger._engine.begin() as connection:
            ((statement, parameters),) = swept
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    assert [row.detail for row in plan] == [
        "SEARCH charges USING INDEX ix_charges_open (account_id=? AND expires_at<?)"
    ]


def test_only_what_is_paid_waits_for_the_disk(ledger):
    """Reserving may be undone by a power cut, settling may not; each connection is told anew."""
    said: list[str] = []

    @event.listens_for(ledger._engine, "before_cursor_execute")
    def _note(connection, cursor, statement, parameters, context, executemany):
        if "synchronous" in statement:
            said.append(statement)

    asked = order(ledger, "team")
    waits, hurries = (
        (["PRAGMA synchronous = FULL"], ["PRAGMA synchronous = NORMAL"])
        if ledger._engine.dialect.name == "sqlite"
        else ([], ["SET LOCAL synchronous_commit = off"])
    )
    said.clear()
    reservation = ledger.books.reserve(asked, "here", 60)
    assert said == hurries
    said.clear()
    ledger.books.settle(reservation)
    assert said == waits


def test_a_database_that_fails_is_told_as_ours(ledger):
    asked = order(ledger, "team")
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE charges")
    with pytest.raises(LedgerError, match="charges"):
        ledger.books.reserve(asked, "here", 60)
    with pytest.raises(LedgerError):
        ledger.books.usage()
