"""Accounts and the tokens that may spend for them. Secrets are shown once, at creation; only their hash is kept."""

import hashlib
import re
import secrets
import string
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from alpenglow.errors import LedgerError
from alpenglow.ledger.database import reading, transaction
from alpenglow.ledger.schema import ACCOUNTS, GRANTS, TOKENS

PREFIX = "alpg_"
SECRET_LENGTH = 40
"""Characters of a secret: as many as Cloudflare's older tokens have, for clients that check it. 208 bits are random."""

ALPHABET = string.ascii_letters + string.digits
ACCOUNT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What may stand in a URL as an account."""

Status = Literal["active", "expired", "revoked"]


@dataclass(frozen=True, slots=True)
class Account:
    """Who pays. `daily_allocation` is in millionths of a neuron; None is without limit, as for requests a minute."""

    id: str
    name: str
    created_at: int
    daily_allocation: int | None = None
    requests_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """Who may ask for `accounts` (ids); the first pays where a request names none. Times are seconds since 1970 UTC."""

    id: str
    name: str
    hint: str
    email: str | None
    accounts: tuple[str, ...]
    created_at: int
    expires_at: int | None
    revoked_at: int | None

    def status(self, now: float) -> Status:
        """Whether it may be used at `now`, and if not, why."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and now >= self.expires_at else "active"


class Access:
    """The half of the ledger that says who may ask."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._reads = reading(engine)
        self._clock = clock

    def create_account(
        self,
        name: str,
        *,
        account_id: str | None = None,
        daily_allocation: int | None = None,
        requests_per_minute: int | None = None,
    ) -> Account:
        """A new account, with 32 hexadecimal digits for an id unless one is given. Raises LedgerError if it exists."""
        account_id = uuid.uuid4().hex if account_id is None else account_id
        if not name or not ACCOUNT_ID.fullmatch(account_id):
            raise LedgerError("An account needs a name; an id of your own has letters, digits, - and _, at most 64")
        account = Account(account_id, name, int(self._clock()), daily_allocation, requests_per_minute)
        row = {column.name: getattr(account, column.name) for column in ACCOUNTS.columns}
        try:
            with transaction(self._engine) as connection:
                connection.execute(insert(ACCOUNTS).values(row))
        except IntegrityError as error:
            raise LedgerError(f"There is an account {name} or {account_id} already") from error
        return account

    def limit_account(self, name: str, daily_allocation: int | None, requests_per_minute: int | None) -> Account:
        """Set both limits of the account of that name or id. Raises LedgerError if there is none."""
        limits = {"daily_allocation": daily_allocation, "requests_per_minute": requests_per_minute}
        with transaction(self._engine) as connection:
            account = _account(connection, name)
            connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.id == account.id).values(limits))
            return _account(connection, account.id)

    def accounts(self) -> tuple[Account, ...]:
        """All accounts by name."""
        with transaction(self._reads) as connection:
            rows = connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.name))
            return tuple(Account(*row) for row in rows)

    def account(self, name: str) -> Account:
        """The account of that name or id. Raises LedgerError if there is none."""
        with transaction(self._reads) as connection:
            return _account(connection, name)

    def create_token(
        self, name: str, accounts: Sequence[str], *, email: str | None = None, expires_at: int | None = None
    ) -> tuple[Token, str]:
        """A new token for these accounts (names or ids), and its secret, which is told nowhere else.

        `email` lets it be used as a key, with that address beside it. Raises LedgerError if an account is missing.
        """
        if not accounts:
            raise LedgerError("A token is for at least one account")
        secret = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH - len(PREFIX)))
        token_id = uuid.uuid4().hex
        with transaction(self._engine) as connection:
            ids = list(dict.fromkeys(_account(connection, account).id for account in accounts))
            connection.execute(
                insert(TOKENS).values(
                    id=token_id,
                    secret_hash=_hash(secret),
                    hint=secret[-4:],
                    name=name,
                    email=email,
                    created_at=int(self._clock()),
                    expires_at=expires_at,
                )
            )
            grants = [{"token_id": token_id, "account_id": id_, "position": at} for at, id_ in enumerate(ids)]
            connection.execute(insert(GRANTS), grants)
            (token,) = _tokens(connection, TOKENS.c.id == token_id)
        return token, secret

    def find_token(self, secret: str) -> Token | None:
        """The token with that secret, whatever its status.

        Found by hash: how long that takes says nothing of how much of a guess was right.
        """
        with transaction(self._reads) as connection:
            found = _tokens(connection, TOKENS.c.secret_hash == _hash(secret))
        return found[0] if found else None

    def active_token(self, secret: str) -> Token | None:
        """The token with that secret if it may be used now."""
        token = self.find_token(secret)
        return token if token and token.status(self._clock()) == "active" else None

    def tokens(self) -> tuple[Token, ...]:
        """All tokens, the oldest first."""
        with transaction(self._reads) as connection:
            return _tokens(connection)

    def revoke_token(self, token_id: str) -> Token:
        """Nobody may use it from now on; its usage stays. Raises LedgerError if there is no token of that id."""
        with transaction(self._engine) as connection:
            unrevoked = (TOKENS.c.id == token_id) & TOKENS.c.revoked_at.is_(None)
            connection.execute(update(TOKENS).where(unrevoked).values(revoked_at=int(self._clock())))
            found = _tokens(connection, TOKENS.c.id == token_id)
        if not found:
            raise LedgerError(f"There is no token {token_id}")
        return found[0]


def _account(connection: Connection, name: str) -> Account:
    """By id first: no other account can take that away by choosing a name."""
    for column in (ACCOUNTS.c.id, ACCOUNTS.c.name):
        if row := connection.execute(select(ACCOUNTS).where(column == name)).first():
            return Account(*row)
    raise LedgerError(f"There is no account {name}")


def _tokens(connection: Connection, *where: Any) -> tuple[Token, ...]:
    query = (
        select(TOKENS, GRANTS.c.account_id)
        .join(GRANTS, GRANTS.c.token_id == TOKENS.c.id)
        .where(*where)
        .order_by(TOKENS.c.created_at, TOKENS.c.id, GRANTS.c.position)
    )
    rows: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(query):
        rows[row.id].append(row)
    return tuple(
        Token(
            id=first.id,
            name=first.name,
            hint=first.hint,
            email=first.email,
            accounts=tuple(row.account_id for row in (first, *others)),
            created_at=first.created_at,
            expires_at=first.expires_at,
            revoked_at=first.revoked_at,
        )
        for first, *others in rows.values()
    )


def _hash(secret: str) -> str:
    """Plain SHA-256: a secret of 208 random bits needs no slow hash, and every request pays for this one."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
