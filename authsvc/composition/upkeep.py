"""What is done to the partitioned tables again and again: built here, begun in `authsvc.app`."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import partial

from authsvc.config import Settings
from authsvc.postgres.audit import PostgresAuditLog
from authsvc.postgres.database import Database
from authsvc.postgres.recorded_usage import PostgresRecordedUsage
from authsvc.usecases.keep_maintained import KeepMaintained, Upkeep


def keep_maintained(
    settings: Settings, database: Database, audit_log: PostgresAuditLog
) -> KeepMaintained:
    """Build the upkeep of usage and of the audit log."""
    retention = timedelta(days=settings.usage_retention)
    upkeep: dict[str, Upkeep] = {
        "usage": partial(PostgresRecordedUsage(database).maintain, retention),
        "audit log": audit_log.maintain,
    }
    return KeepMaintained(upkeep, jitter=random.random)
