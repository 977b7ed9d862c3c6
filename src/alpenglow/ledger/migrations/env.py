"""Run by Alembic. The connection, its transaction and its lock come from `database.migrate`."""

from alembic import context

from alpenglow.ledger.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
