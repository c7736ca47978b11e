"""Alembic revisions, written in plain SQL."""
