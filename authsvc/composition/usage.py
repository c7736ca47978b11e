"""The counting of what keys are used for: built here, joined with the rest in `authsvc.app`."""

from __future__ import annotations

import secrets

from authsvc.domain.clock import Clock
from authsvc.postgres.database import Database
from authsvc.postgres.usage import PostgresUsage
from authsvc.usecases.usage import UsageCounter


def usage_counter(database: Database, *, clock: Clock) -> UsageCounter:
    """Build what counts in this process, under a writer's name of its own."""
    return UsageCounter(store=PostgresUsage(database), clock=clock, writer_id=secrets.token_hex(16))
