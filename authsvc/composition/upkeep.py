"""What is done to the tables again and again, in the background or by `authsvc maintenance`."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Final

from authsvc.config import Settings
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.postgres.answered_requests import prune_answers
from authsvc.postgres.audit import PostgresAuditLog
from authsvc.postgres.changes import prune_changes
from authsvc.postgres.database import Connection, Database
from authsvc.postgres.recorded_usage import PostgresRecordedUsage
from authsvc.postgres.session_housekeeping import PostgresSessionHousekeeping
from authsvc.usecases.keep_maintained import KeepMaintained, Upkeep

_PRUNE_LIMIT: Final = 5000


def keep_maintained(
    settings: Settings, database: Database, audit_log: PostgresAuditLog
) -> KeepMaintained:
    """Build the upkeep of usage and of the audit log."""
    return KeepMaintained(_of_months(settings, database, audit_log), jitter=random.random)


def whole_upkeep(
    settings: Settings, database: Database, audit_log: PostgresAuditLog, *, clock: Clock
) -> KeepMaintained:
    """Build all that servers do in the background, each part to its end."""
    retention = timedelta(hours=settings.change_retention)
    housekeeping = PostgresSessionHousekeeping(database)

    async def changes(deadline: Deadline) -> bool:
        async def prune(connection: Connection) -> bool:
            return await prune_changes(connection, retention, _PRUNE_LIMIT)

        return await database.run(prune, deadline)

    async def answers(deadline: Deadline) -> bool:
        async def prune(connection: Connection) -> bool:
            return await prune_answers(connection, clock(), _PRUNE_LIMIT)

        return await database.run(prune, deadline)

    async def refreshes(deadline: Deadline) -> bool:
        return await housekeeping.drop_answers(clock(), deadline)

    async def sessions(deadline: Deadline) -> bool:
        return await housekeeping.delete_past(clock(), deadline)

    upkeep = _of_months(settings, database, audit_log) | {
        "change log": partial(_to_its_end, changes),
        "answers to repeated requests": partial(_to_its_end, answers),
        "answers to refresh tokens": partial(_to_its_end, refreshes),
        "past sessions and logins": partial(_to_its_end, sessions),
    }
    return KeepMaintained(upkeep, jitter=random.random)


def _of_months(
    settings: Settings, database: Database, audit_log: PostgresAuditLog
) -> dict[str, Upkeep]:
    retention = timedelta(days=settings.usage_retention)
    return {
        "usage": partial(PostgresRecordedUsage(database).maintain, retention),
        "audit log": audit_log.maintain,
    }


async def _to_its_end(
    remove_some: Callable[[Deadline], Awaitable[bool]], deadline: Deadline
) -> None:
    """Remove until nothing is left.

    Raises:
        DatabaseUnavailable: There was no time for all of it; what was removed stays so.
    """
    while await remove_some(deadline):
        if deadline.remaining() <= 0:
            raise DatabaseUnavailable
