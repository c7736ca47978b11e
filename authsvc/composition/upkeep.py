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

_RemoveSome = Callable[[Deadline], Awaitable[bool]]
"""Removes what is past, a bounded share of it, and tells whether there was any."""


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

    async def changes(connection: Connection) -> bool:
        return await prune_changes(connection, retention, _PRUNE_LIMIT)

    async def answers(connection: Connection) -> bool:
        return await prune_answers(connection, clock(), _PRUNE_LIMIT)

    removals: dict[str, _RemoveSome] = {
        "change log": partial(database.run, changes),
        "answers to repeated requests": partial(database.run, answers),
        "answers to refresh tokens": lambda deadline: housekeeping.drop_answers(clock(), deadline),
        "past sessions and logins": lambda deadline: housekeeping.delete_past(clock(), deadline),
    }
    removed = {name: partial(_to_its_end, remove_some) for name, remove_some in removals.items()}
    return KeepMaintained(_of_months(settings, database, audit_log) | removed, jitter=random.random)


def _of_months(
    settings: Settings, database: Database, audit_log: PostgresAuditLog
) -> dict[str, Upkeep]:
    retention = timedelta(days=settings.usage_retention)
    return {
        "usage": partial(PostgresRecordedUsage(database).maintain, retention),
        "audit log": audit_log.maintain,
    }


async def _to_its_end(remove_some: _RemoveSome, deadline: Deadline) -> None:
    """Remove until nothing is left.

    Raises:
        DatabaseUnavailable: There was no time for all of it; what was removed stays so.
    """
    while await remove_some(deadline):
        if deadline.remaining() <= 0:
            raise DatabaseUnavailable
