"""The database schema: its revisions, and the steps between them.

The revisions are alembic's, in plain SQL (`migrations/versions`). Each upgrade is one transaction
under an advisory lock: replicas that start at once do not collide, and a failed step leaves the
schema as it was.

Who waits for a lock on a table has everybody behind it who comes later, the whole service. So a
migration waits for a moment only, then gives back all that it holds and tries again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg
import sqlalchemy
import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from authsvc.domain.errors import AuthsvcError
from authsvc.postgres.connection import Connection, connect
from authsvc.postgres.errors import translate
from authsvc.postgres.session_limits import SessionLimits

NO_REVISION: Final = "none"
"""What the revision of a database without a schema is called."""

MIGRATIONS_LOCK: Final = 0x61757468_0002
"""The advisory lock of who changes the schema; arbitrary, and fixed for ever for all versions."""
# A step may take long, and so may the migration before this one, which it waits for first. What is
# never right is to hold locks and do nothing.
_LIMITS: Final = SessionLimits(
    idle_transaction=timedelta(minutes=1), idle_session=timedelta(minutes=1)
)
_HAS_SCHEMA: Final = "SELECT to_regnamespace('authsvc') IS NOT NULL"
_HAS_AUDIT_LOG: Final = "SELECT to_regprocedure('authsvc.maintain_audit()') IS NOT NULL"


_LOCKED: Final = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)

log = structlog.get_logger()


class SchemaOutdated(AuthsvcError):
    """The database's schema is older than this version of the service needs."""

    def __init__(self, found: str, needed: str) -> None:
        """Carry both revisions."""
        super().__init__(
            f"the database schema is at revision {found}, and this version of authsvc needs "
            f"{needed}: run `authsvc migrate`"
        )


class MayNotMigrate(AuthsvcError):
    """The database role does not own the schema, or may not make it."""

    def __init__(self) -> None:
        """Say who may."""
        super().__init__(
            "the database role of AUTHSVC_DATABASE_URL may not change the schema: migrate as the "
            "role that owns schema authsvc, or, the first time, as one with CREATE on the database"
        )


class SchemaBusy(AuthsvcError):
    """A migration did not get its locks on tables; nothing has changed."""

    def __init__(self, attempts: int) -> None:
        """Carry how often it was tried."""
        super().__init__(
            f"the schema was not migrated and is as it was: other sessions held locks on its "
            f"tables in each of {attempts} attempts. Find the long ones with "
            "`SELECT pid, application_name, xact_start, query FROM pg_stat_activity WHERE "
            "xact_start IS NOT NULL ORDER BY xact_start`, let them end, and run "
            "`authsvc migrate` again"
        )


@dataclass(frozen=True, slots=True)
class LockPatience:
    """How a migration waits for locks on tables.

    Each wait ends after `wait`, shorter than calls wait for the database by default, so that none
    of them fails for it. The pause until the next attempt is several times as long: it is for
    those who have queued up.
    """

    wait: timedelta = timedelta(seconds=1)
    pause: timedelta = timedelta(seconds=4)
    attempts: int = 60


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


async def migrate(
    url: str, revision: str = "head", *, patience: LockPatience = LockPatience()
) -> str:
    """Bring a database's schema to a revision.

    Args:
        url: The database's address.
        revision: `head`, `base` (nothing), or a revision's name; an older one goes back.
        patience: How it waits for locks on tables.

    Returns:
        The revision it has now.

    Raises:
        UnknownRevision: There is no such revision.
        MayNotMigrate: The database role may not.
        SchemaBusy: It did not get its locks on tables.
        DatabaseUnavailable: The database cannot be reached.
    """
    target = newest_revision() if revision == "head" else revision
    if target != "base" and target not in _revisions():
        raise UnknownRevision(revision)

    async def open_connection() -> Connection:
        return await connect(url, _LIMITS)

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=open_connection, poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            # Held through all attempts and pauses, by the session: of replicas that migrate at
            # once, only one may keep the service waiting.
            await connection.execute(sqlalchemy.text(f"SELECT pg_advisory_lock({MIGRATIONS_LOCK})"))
            await connection.commit()
            await _step_patiently(connection, target, patience)
    except sqlalchemy.exc.DBAPIError as error:
        cause = _driver_error(error)
        if isinstance(cause, asyncpg.InsufficientPrivilegeError):
            raise MayNotMigrate from error
        raise translate(cause or error) from error
    finally:
        await engine.dispose()
    return await current_revision(url)


async def _step_patiently(connection: AsyncConnection, target: str, patience: LockPatience) -> None:
    for attempt in range(1, patience.attempts + 1):
        try:
            async with connection.begin():
                await connection.run_sync(_step, target, patience.wait)
        except sqlalchemy.exc.DBAPIError as error:
            if not isinstance(_driver_error(error), _LOCKED):
                raise
            if attempt == patience.attempts:
                raise SchemaBusy(attempt) from error
            log.warning("migration waits for locks of others", attempt=attempt)
        else:
            return
        await asyncio.sleep(patience.pause.total_seconds())


def _step(connection: sqlalchemy.Connection, target: str, lock_wait: timedelta) -> None:
    milliseconds = round(lock_wait.total_seconds() * 1000)
    connection.execute(sqlalchemy.text(f"SET LOCAL lock_timeout = {milliseconds}"))
    # The schema's owner need not be one who may make schemas.
    if not connection.scalar(sqlalchemy.text(_HAS_SCHEMA)):
        connection.execute(sqlalchemy.text("CREATE SCHEMA authsvc"))
    context = MigrationContext.configure(connection, opts={"version_table_schema": "authsvc"})
    found = context.get_current_revision() or ""
    step = command.downgrade if target == "base" or target < found else command.upgrade
    config = _config()
    config.attributes["connection"] = connection
    step(config, target)
    # Each time: who migrates seldom finds months made ahead all the same.
    if connection.scalar(sqlalchemy.text(_HAS_AUDIT_LOG)):
        connection.execute(sqlalchemy.text("SELECT authsvc.maintain_audit()"))


def _driver_error(error: sqlalchemy.exc.DBAPIError) -> Exception | None:
    cause = error.orig.__cause__ if error.orig else None
    return cause if isinstance(cause, Exception) else None


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _revisions() -> frozenset[str]:
    script = ScriptDirectory.from_config(_config())
    return frozenset(revision.revision for revision in script.walk_revisions())
