"""The tables. Their history is in `migrations/`; a test holds the two together.

Times are whole seconds since 1970 UTC, days are UTC days, amounts are millionths of a neuron: integers, so that sums
are exact and equal on both databases.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("daily_allocation", BigInteger),  # None: no limit
    Column("requests_per_minute", Integer),  # None: no limit
    UniqueConstraint("name"),
)

TOKENS = Table(
    "tokens",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("secret_hash", String(64), nullable=False),  # SHA-256, hexadecimal
    Column("hint", String(8), nullable=False),  # the secret's last characters
    Column("name", String(200), nullable=False),
    Column("email", String(320)),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    UniqueConstraint("secret_hash"),
)

GRANTS = Table(
    "grants",
    METADATA,
    Column("token_id", ForeignKey("tokens.id"), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("position", Integer, nullable=False),  # 0: the account that pays where a request names none
)

DAYS = Table(
    "days",
    METADATA,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("reserved", BigInteger, nullable=False),
    Column("settled", BigInteger, nullable=False),
    Column("minute", BigInteger, nullable=False),  # minutes since 1970 UTC
    Column("requests", Integer, nullable=False),  # begun in that minute
    CheckConstraint("reserved >= 0", name="reserved"),
    CheckConstraint("settled >= 0", name="settled"),
)

CHARGES = Table(
    "charges",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("token_id", ForeignKey("tokens.id"), nullable=False),
    Column("day", Date, nullable=False),
    Column("model", String(200), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("pictures", Integer, nullable=False),
    Column("output_pixels", BigInteger, nullable=False),
    Column("input_pixels", BigInteger, nullable=False),
    Column("holder", String(200), nullable=False),  # the server that reserved it
    Column("expires_at", BigInteger, nullable=False),  # no reservation lives longer
    Column("settled_at", BigInteger),  # None: only reserved yet
    Index(None, "account_id", "day"),
)
# Only what is open: a server's start and every reservation look for what has expired, however much was ever settled.
OPEN = CHARGES.c.settled_at.is_(None)
Index("ix_charges_open", CHARGES.c.account_id, CHARGES.c.expires_at, sqlite_where=OPEN, postgresql_where=OPEN)
