"""The counting of what keys are used for: built here, joined with the rest in `authsvc.app`."""

from __future__ import annotations

import random
import secrets
from datetime import timedelta

from authsvc.config import Settings
from authsvc.domain.clock import Clock
from authsvc.postgres.database import Database
from authsvc.postgres.recorded_usage import PostgresRecordedUsage
from authsvc.postgres.usage import PostgresUsage
from authsvc.usecases.usage import UsageCounter
from authsvc.usecases.usage_maintenance import MaintainUsage


def usage_counter(database: Database, *, clock: Clock) -> UsageCounter:
    """Build what counts in this process, under a writer's name of its own."""
    return UsageCounter(store=PostgresUsage(database), clock=clock, writer_id=secrets.token_hex(16))


def usage_maintenance(settings: Settings, database: Database) -> MaintainUsage:
    """Build what makes and drops the months of usage."""
    return MaintainUsage(
        recorded=PostgresRecordedUsage(database),
        retention=timedelta(days=settings.usage_retention),
        jitter=random.random,
    )
