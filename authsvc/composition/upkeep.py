"""What is done to the tables again and again, in the background or by `authsvc maintenance`."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

from authsvc.config import Settings
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.postgres.answered_requests import prune_answers
from authsvc.postgres.audit import PostgresAuditLog
from authsvc.postgres.audit_months import PostgresAuditMonths
from authsvc.postgres.changes import PRUNE_LIMIT, prune_changes
from authsvc.postgres.database import Database
from authsvc.postgres.recorded_usage import PostgresRecordedUsage
from authsvc.postgres.session_housekeeping import PostgresSessionHousekeeping
from authsvc.usecases.keep_maintained import KeepMaintained, Upkeep
from authsvc.usecases.tidy_sessions import step_and_pause, tidyings

_Step: TypeAlias = Callable[[Deadline], Awaitable[bool]]
"""Does some of the work, and returns True when there may be more."""


def keep_maintained(
    settings: Settings, database: Database, audit_log: PostgresAuditLog
) -> KeepMaintained:
    """Build the upkeep of usage and of the audit log."""
    return KeepMaintained(_of_months(settings, database, audit_log), jitter=random.random)


def whole_upkeep(
    settings: Settings, database: Database, audit_log: PostgresAuditLog, *, clock: Clock
) -> KeepMaintained:
    """Build all that servers do in the background, each part to its end.

    And what they never do, as it takes the owner of the tables: the removal of past audit events.
    """
    retention = timedelta(hours=settings.change_retention)
    housekeeping = PostgresSessionHousekeeping(database)

    async def changes(deadline: Deadline) -> bool:
        return await database.run_unit(
            lambda connection: prune_changes(connection, retention, PRUNE_LIMIT), deadline
        )

    async def answers(deadline: Deadline) -> bool:
        return await database.run_unit(
            lambda connection: prune_answers(connection, clock(), PRUNE_LIMIT), deadline
        )

    def now(step: Callable[[datetime, Deadline], Awaitable[bool]]) -> _Step:
        return lambda deadline: step(clock(), deadline)

    async def audit_months(deadline: Deadline) -> bool:
        audit_retention = timedelta(days=settings.audit_retention)
        return await PostgresAuditMonths(database).remove_oldest(audit_retention, deadline)

    steps: dict[str, _Step] = {
        "change log": changes,
        "answers to repeated requests": answers,
        **({"past audit log": audit_months} if settings.audit_retention else {}),
        **{part.name: now(part.step) for part in tidyings(housekeeping, to_the_end=True)},
    }
    upkeep = _of_months(settings, database, audit_log) | {
        name: partial(_to_its_end, step) for name, step in steps.items()
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


async def _to_its_end(step: _Step, deadline: Deadline) -> None:
    """Take steps until nothing is left.

    Raises:
        DatabaseUnavailable: There was no time for all of them; what was done stays so.
    """
    while await step_and_pause(lambda: step(deadline), time.monotonic):
        if deadline.remaining() <= 0:
            raise DatabaseUnavailable
