"""Any order of reserve, settle, void, crash and the passing of time: the books balance, and nothing is overspent.

A plain Python model of the books runs beside the ledger and must agree after every step.
"""

from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from orders import Time, order

from alpenglow.errors import AllocationSpent
from alpenglow.ledger.books import MICRO, Reservation
from alpenglow.ledger.ledger import Ledger

LIMIT = 50
LIFETIME = 1000

STEPS = st.one_of(
    st.tuples(st.just("reserve"), st.integers(1, 30), st.sampled_from("xy")),
    st.tuples(st.sampled_from(["settle", "void"]), st.integers(0, 20)),
    st.tuples(st.just("crash"), st.sampled_from("xy")),
    st.tuples(st.just("wait"), st.sampled_from([1, LIFETIME, 86_400])),
)


@dataclass
class Entry:
    reservation: Reservation
    neurons: int
    state: str  # reserved, settled, void


@pytest.fixture(scope="module")
def shared(new_database):
    with Ledger.open(new_database(), Time()) as ledger:
        yield ledger


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=25))
def test_the_books_balance_whatever_happens(shared, steps):
    clock = shared.books._clock
    asked = order(shared, f"account {len(shared.access.accounts())}")
    shared.access.limit_account(asked.account, LIMIT * MICRO, None)
    entries: list[Entry] = []
    for step, *arguments in steps:
        now = int(clock.now)
        match step, arguments:
            case "reserve", (neurons, holder):
                for entry in entries:
                    if entry.state == "reserved" and entry.reservation.expires_at < now:
                        entry.state = "void"
                held = sum(
                    entry.neurons
                    for entry in entries
                    if entry.state != "void" and entry.reservation.day.toordinal() == now // 86_400 + 719_163
                )
                wanted = replace(asked, amount=neurons * MICRO)
                if held + neurons > LIMIT:
                    with pytest.raises(AllocationSpent):
                        shared.books.reserve(wanted, holder, LIFETIME)
                else:
                    entries.append(Entry(shared.books.reserve(wanted, holder, LIFETIME), neurons, "reserved"))
            case ("settle" | "void") as verb, (index,) if entries:
                entry = entries[index % len(entries)]
                getattr(shared.books, verb)(entry.reservation)
                entry.state = "settled" if verb == "settle" else "void"
            case "crash", (holder,):
                shared.books.recover(holder)
                for entry in entries:
                    lost = entry.reservation.holder == holder or entry.reservation.expires_at < now
                    if entry.state == "reserved" and lost:
                        entry.state = "void"
            case "wait", (seconds,):
                clock.now += seconds
        assert shared.books.audit() == ()
        paid = sum(row.amount for row in shared.books.usage((), account=asked.account))
        assert paid == MICRO * sum(entry.neurons for entry in entries if entry.state == "settled")
