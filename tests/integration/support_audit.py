"""What tests of the audit log share: its events, and its rows as they are in the database."""

from __future__ import annotations

from typing import Any

import asyncpg

from orchestrator.auth import AuditEvent
from tests.conftest import Service
from tests.integration.support import connected, url_of

SERVICES = "orchestrator.auth.v1"
EVERYTHING = "SELECT * FROM authsvc.audit_events ORDER BY event_time"


async def events_of(service: Service, **filters: Any) -> list[AuditEvent]:  # noqa: ANN401
    """Return what the admin sees of the audit log, oldest first."""
    async with service.client() as client:
        events = [event async for event in client.list_audit_events(**filters)]
    return events[::-1]


async def rows_of(service: Service) -> list[asyncpg.Record]:
    """Return all rows of the audit log, oldest first."""
    async with connected(url_of(service)) as connection:
        return await connection.fetch(EVERYTHING)
