"""An index of open reservations alone: each new one looks for expired ones, past any number of settled charges."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

OPEN = sa.text("settled_at IS NULL")


def upgrade() -> None:
    """From the first tables."""
    op.drop_index("ix_charges_settled_at_holder", "charges")
    op.create_index(
        "ix_charges_open", "charges", ["account_id", "expires_at"], sqlite_where=OPEN, postgresql_where=OPEN
    )
