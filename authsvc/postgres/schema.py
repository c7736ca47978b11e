"""The database schema: its revisions, and the steps between them.

The revisions are alembic's, in plain SQL (`migrations/versions`). Each upgrade is one transaction
under an advisory lock: replicas that start at once do not collide, and a failed step leaves the
schema as it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from authsvc.domain.errors import AuthsvcError
from authsvc.postgres.database import Connection, connect
from authsvc.postgres.errors import translate

NO_REVISION: Final = "none"
"""What the revision of a database without a schema is called."""

MIGRATIONS_LOCK: Final = 0x61757468_0002
"""The advisory lock of who changes the schema; arbitrary, and fixed for ever for all versions."""
_HAS_AUDIT_LOG: Final = "SELECT to_regprocedure('authsvc.maintain_audit()') IS NOT NULL"


class SchemaOutdated(AuthsvcError):
    """The database's schema is older than this version of the service needs."""

    def __init__(self, found: str, needed: str) -> None:
        """Carry both revisions."""
        super().__init__(
            f"the database schema is at revision {found}, and this version of authsvc needs "
            f"{needed}: run `authsvc migrate`"
        )


class UnknownRevision(AuthsvcError):
    """There is no such revision."""

    def __init__(self, revision: str) -> None:
        """Carry the name."""
        super().__init__(
            f"there is no revision {revision!r}: give one of "
            f"{', '.join(['base', *sorted(_revisions())])}"
        )


def newest_revision() -> str:
    """Return the revision that this version of the service needs."""
    return max(_revisions())


def goes_back(found: str, target: str) -> bool:
    """Tell whether going from one revision to another drops what later revisions keep."""
    return found != NO_REVISION and target != "head" and (target == "base" or target < found)


async def current_revision(url: str) -> str:
    """Return the revision of a database's schema, `none` when it has none.

    Raises:
        DatabaseUnavailable: The database cannot be reached.
    """
    connection = await connect(url)
    try:
        if await connection.fetchval("SELECT to_regclass('authsvc.alembic_version')") is None:
            return NO_REVISION
        found = await connection.fetchval("SELECT version_num FROM authsvc.alembic_version")
        return str(found) if found else NO_REVISION
    except Exception as error:
        raise translate(error) from error
    finally:
        await connection.close()


async def require_current_schema(url: str) -> None:
    """Let pass only a schema that this version can work on.

    A newer one is let pass: revisions keep the version before them running, so that replicas can
    be replaced one after the other.

    Raises:
        SchemaOutdated: The schema is older.
        DatabaseUnavailable: The database cannot be reached.
    """
    found, needed = await current_revision(url), newest_revision()
    if found == NO_REVISION or found < needed:
        raise SchemaOutdated(found, needed)


async def migrate(url: str, revision: str = "head") -> str:
    """Bring a database's schema to a revision.

    Args:
        url: The database's address.
        revision: `head`, `base` (nothing), or a revision's name; an older one goes back.

    Returns:
        The revision it has now.

    Raises:
        UnknownRevision: There is no such revision.
        DatabaseUnavailable: The database cannot be reached.
    """
    target = newest_revision() if revision == "head" else revision
    if target != "base" and target not in _revisions():
        raise UnknownRevision(revision)

    def run(connection: sqlalchemy.Connection) -> None:
        connection.execute(sqlalchemy.text(f"SELECT pg_advisory_xact_lock({MIGRATIONS_LOCK})"))
        connection.execute(sqlalchemy.text("CREATE SCHEMA IF NOT EXISTS authsvc"))
        context = MigrationContext.configure(connection, opts={"version_table_schema": "authsvc"})
        found = context.get_current_revision() or ""
        step = command.downgrade if target == "base" or target < found else command.upgrade
        config = _config()
        config.attributes["connection"] = connection
        step(config, target)
        # Each time: who migrates seldom finds months made ahead all the same.
        if connection.scalar(sqlalchemy.text(_HAS_AUDIT_LOG)):
            connection.execute(sqlalchemy.text("SELECT authsvc.maintain_audit()"))

    async def open_connection() -> Connection:
        return await connect(url)

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=open_connection, poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
    except sqlalchemy.exc.DBAPIError as error:
        cause = error.orig.__cause__ if error.orig else None
        raise translate(cause if isinstance(cause, Exception) else error) from error
    finally:
        await engine.dispose()
    return await current_revision(url)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _revisions() -> frozenset[str]:
    script = ScriptDirectory.from_config(_config())
    return frozenset(revision.revision for revision in script.walk_revisions())
