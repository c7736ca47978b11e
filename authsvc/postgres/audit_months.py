"""The removal of the audit log's past months, which only the owner of its tables can do."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import asyncpg
import structlog

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.postgres.database import Connection, Database

# Who wants to write waits behind this for its lock, and must not for long.
_LIMIT_WAIT: Final = "SELECT set_config('lock_timeout', '500ms', true)"
# That of authsvc.maintain_audit(), so that nobody makes or removes a month meanwhile.
_TAKE_TURN: Final = "SELECT pg_advisory_xact_lock(107157092040711)"
# What is not named like a month was not made by us.
_FIND_PAST: Final = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'authsvc.audit_events'::regclass
   AND c.relname ~ '^audit_events_[0-9]{4}_(0[1-9]|1[0-2])$'
   AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month'
       <= (now() AT TIME ZONE 'UTC') - $1::interval
 ORDER BY c.relname LIMIT 1
"""

log = structlog.get_logger()


class PostgresAuditMonths:
    """Removes months, one at a time."""

    def __init__(self, database: Database) -> None:
        """Take the database, as the owner of its tables."""
        self._database = database

    async def remove_oldest(self, retention: timedelta, deadline: Deadline) -> bool:
        """Remove the oldest month, if all of it is older than the retention.

        Returns:
            Whether one was removed; then there may be more.

        Raises:
            DatabaseUnavailable: The role does not own the table, or somebody reads the audit log
                for long, such as a back-up; or the database did not answer before the deadline.
        """

        async def remove(connection: Connection) -> str | None:
            await connection.execute(_LIMIT_WAIT)
            await connection.execute(_TAKE_TURN)
            name: str | None = await connection.fetchval(_FIND_PAST, retention)
            if name is not None:
                await connection.execute(f"DROP TABLE authsvc.{name}")
            return name

        try:
            removed = await self._database.run_in_transaction(remove, deadline)
        except asyncpg.InsufficientPrivilegeError as error:
            raise DatabaseUnavailable from error
        if removed is not None:
            log.info("audit month removed", table=removed)
        return removed is not None
