"""What was asked for and paid: reserve before the work, settle as the picture leaves, void what came to nothing.

One rule holds at every moment, whoever is killed whenever: for each account and day, `reserved` and `settled` in DAYS
are the sums of the open and of the settled rows in CHARGES, as every change of one is made in the same transaction as
the other. `audit` looks whether it does.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    case,
    delete,
    func,
    insert,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from alpenglow.errors import AllocationSpent, RateLimited
from alpenglow.ledger.database import forgetful, reading, transaction
from alpenglow.ledger.schema import ACCOUNTS, CHARGES, DAYS, OPEN

MICRO = 1_000_000
"""Amounts in a neuron."""

CLOCKS_DIFFER = 2
"""Minutes at most, between servers that share a ledger."""

Grouping = Literal["day", "model", "account"]


@dataclass(frozen=True, slots=True)
class Order:
    """What one request asks for. `amount` in millionths of a neuron, pixels summed over all its pictures."""

    account: str
    token: str
    model: str
    amount: int
    pictures: int = 1
    output_pixels: int = 0
    input_pixels: int = 0


@dataclass(frozen=True, slots=True)
class Reservation:
    """An order that the account can pay. `day` is the UTC day that pays, also if it ends before the work does."""

    id: str
    order: Order
    day: date
    holder: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Settled requests. What was not grouped by is None."""

    day: date | None
    model: str | None
    account: str | None
    requests: int
    pictures: int
    output_pixels: int
    input_pixels: int
    amount: int


class Books:
    """The half of the ledger that says what it cost."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._unpaid = forgetful(engine)  # a reservation that a power cut undoes is void, as it should be
        self._reads = reading(engine)
        self._clock = clock

    def reserve(self, order: Order, holder: str, lifetime: float) -> Reservation:
        """Set `order.amount` aside and count the request. Nothing that concurrent requests do overspends a limit.

        `holder` names this server, `lifetime` is the most seconds until it settles or voids. Raises AllocationSpent
        or RateLimited, and has changed nothing then.
        """
        now = int(self._clock())
        day = datetime.fromtimestamp(now, UTC).date()
        reservation = Reservation(uuid.uuid4().hex, order, day, holder, now + int(lifetime))
        with transaction(self._unpaid) as connection:
            _void_all(connection, CHARGES.c.expires_at < now, order.account)
            _begin_day(connection, order.account, day)
            _spend(connection, order, day, minute=now // 60)
            connection.execute(insert(CHARGES).values(_row(reservation)))
        return reservation

    def settle(self, reservation: Reservation) -> None:
        """The picture is delivered: the account has paid. A second call changes nothing.

        A reservation that was swept away meanwhile is paid all the same: what was delivered is billed.
        """
        amount, now = reservation.order.amount, int(self._clock())
        with transaction(self._engine) as connection:
            same = CHARGES.c.id == reservation.id
            reserved = update(CHARGES).where(same, OPEN).values(settled_at=now)
            if connection.execute(reserved).rowcount:
                _move(connection, reservation.order.account, reservation.day, reserved=-amount, settled=amount)
            elif connection.execute(select(CHARGES.c.id).where(same)).first() is None:
                connection.execute(insert(CHARGES).values(_row(reservation) | {"settled_at": now}))
                _move(connection, reservation.order.account, reservation.day, settled=amount)

    def void(self, reservation: Reservation) -> None:
        """Nothing was delivered: nothing is paid, also if it was settled already. A second call changes nothing."""
        with transaction(self._engine) as connection:
            _void_all(connection, CHARGES.c.id == reservation.id, reservation.order.account, settled_too=True)

    def recover(self, holder: str) -> int:
        """Void what `holder` had reserved when it died, and whatever has outlived its lifetime. How many those were.

        Call it before `holder` reserves anything.
        """
        left = or_(CHARGES.c.holder == holder, CHARGES.c.expires_at < int(self._clock()))
        with transaction(self._engine) as connection:
            return _void_all(connection, left)

    def usage(
        self,
        by: Sequence[Grouping] = ("day", "model", "account"),
        *,
        account: str | None = None,
        since: date | None = None,
        until: date | None = None,
    ) -> tuple[UsageRow, ...]:
        """Settled requests, of one account (its id) or all, between two days, both inclusive, grouped and in order."""
        columns = {"day": CHARGES.c.day, "model": CHARGES.c.model, "account": CHARGES.c.account_id}
        keys = [columns[key] for key in by]
        shown = [column if key in by else null().label(key) for key, column in columns.items()]
        sums = [func.sum(CHARGES.c[name]) for name in ("pictures", "output_pixels", "input_pixels", "amount")]
        query = select(*shown, func.count(), *sums).where(CHARGES.c.settled_at.is_not(None))
        if account is not None:
            query = query.where(CHARGES.c.account_id == account)
        if since is not None:
            query = query.where(CHARGES.c.day >= since)
        if until is not None:
            query = query.where(CHARGES.c.day <= until)
        with transaction(self._reads) as connection:
            rows = connection.execute(query.group_by(*keys).order_by(*keys)).all()
        return tuple(UsageRow(*row[:4], *map(int, row[4:])) for row in rows if row[3])

    def audit(self) -> tuple[str, ...]:
        """A sentence for each account and day whose balance is not the sum of its charges. None is what you want."""
        sums = select(
            CHARGES.c.account_id,
            CHARGES.c.day,
            func.sum(case((OPEN, CHARGES.c.amount), else_=0)),
            func.sum(case((OPEN, 0), else_=CHARGES.c.amount)),
        ).group_by(CHARGES.c.account_id, CHARGES.c.day)
        balances = select(DAYS.c.account_id, DAYS.c.day, DAYS.c.reserved, DAYS.c.settled)
        with transaction(self._reads) as connection:
            summed = {(account, day): (int(open_), int(paid)) for account, day, open_, paid in connection.execute(sums)}
            told = {(account, day): (open_, paid) for account, day, open_, paid in connection.execute(balances)}
        nothing = (0, 0)
        return tuple(
            f"{account} on {day}: the balance says {told.get((account, day), nothing)}, "
            f"the charges {summed.get((account, day), nothing)} reserved and settled"
            for account, day in sorted(summed.keys() | told.keys())
            if told.get((account, day), nothing) != summed.get((account, day), nothing)
        )


def _begin_day(connection: Connection, account: str, day: date) -> None:
    """The account's row for the day is there, whoever came first."""
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    empty = {"account_id": account, "day": day, "reserved": 0, "settled": 0, "minute": 0, "requests": 0}
    connection.execute(dialect.insert(DAYS).values(empty).on_conflict_do_nothing())


def _spend(connection: Connection, order: Order, day: date, minute: int) -> None:
    """Test and set in one statement: the database locks the row, so that no two requests see the same last neuron."""
    limits = select(ACCOUNTS.c.daily_allocation, ACCOUNTS.c.requests_per_minute).where(ACCOUNTS.c.id == order.account)
    allocation, per_minute = connection.execute(limits).one()
    ours = (DAYS.c.account_id == order.account) & (DAYS.c.day == day)
    # A server whose clock is behind counts in the minute that has begun already. A minute far ahead was written by a
    # clock that was wrong, and is replaced.
    begins = or_(DAYS.c.minute < minute, DAYS.c.minute > minute + CLOCKS_DIFFER)
    affordable: ColumnElement[bool] = true()
    in_time: ColumnElement[bool] = true()
    if allocation is not None:
        affordable = DAYS.c.reserved + DAYS.c.settled + order.amount <= allocation
    if per_minute is not None:
        in_time = or_(begins, DAYS.c.requests < per_minute)
    spend = (
        update(DAYS)
        .where(ours, affordable, in_time)
        .values(
            reserved=DAYS.c.reserved + order.amount,
            minute=case((begins, minute), else_=DAYS.c.minute),
            requests=case((begins, 1), else_=DAYS.c.requests + 1),
        )
    )
    if connection.execute(spend).rowcount:
        return
    if allocation is None or connection.execute(select(DAYS.c.day).where(ours, in_time)).first() is None:
        raise RateLimited(per_minute)
    raise AllocationSpent(allocation // MICRO)


def _move(connection: Connection, account: str, day: date, *, reserved: int = 0, settled: int = 0) -> None:
    """Add to both sides of a balance."""
    connection.execute(
        update(DAYS)
        .where(DAYS.c.account_id == account, DAYS.c.day == day)
        .values(reserved=DAYS.c.reserved + reserved, settled=DAYS.c.settled + settled)
    )


def _void_all(connection: Connection, which: Any, account: str | None = None, *, settled_too: bool = False) -> int:
    """Delete charges and take them off the balances; how many there were."""
    query = delete(CHARGES).where(which)
    if account is not None:
        query = query.where(CHARGES.c.account_id == account)
    if not settled_too:
        query = query.where(OPEN)
    gone = connection.execute(
        query.returning(CHARGES.c.account_id, CHARGES.c.day, CHARGES.c.amount, CHARGES.c.settled_at)
    ).all()
    for owner, day, amount, settled_at in sorted(gone, key=lambda row: (row.account_id, row.day)):
        side = "reserved" if settled_at is None else "settled"
        _move(connection, owner, day, **{side: -amount})
    return len(gone)


def _row(reservation: Reservation) -> dict[str, object]:
    order = reservation.order
    return {
        "id": reservation.id,
        "account_id": order.account,
        "token_id": order.token,
        "day": reservation.day,
        "model": order.model,
        "amount": order.amount,
        "pictures": order.pictures,
        "output_pixels": order.output_pixels,
        "input_pixels": order.input_pixels,
        "holder": reservation.holder,
        "expires_at": reservation.expires_at,
    }
