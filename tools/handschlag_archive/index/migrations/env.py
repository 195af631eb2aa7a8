"""Alembic runs this: the migrations go over the connection, and in the transaction, that `migrate` was given."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
