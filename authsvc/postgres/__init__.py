"""Postgres: pool, statements, error translation, change log, schema, embedded server."""
