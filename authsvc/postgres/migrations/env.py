"""Alembic's entry: runs the revisions on the connection that `authsvc.postgres.schema` opened."""

from alembic import context
from sqlalchemy import Connection

SCHEMA = "authsvc"

connection: Connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table_schema=SCHEMA)
with context.begin_transaction():
    context.run_migrations()
