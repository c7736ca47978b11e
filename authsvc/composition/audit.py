"""The audit log over gRPC: built here, joined with the rest in `authsvc.app`."""

from __future__ import annotations

from authsvc.composition.signing import page_tokens
from authsvc.config import Settings
from authsvc.postgres.accounts import PostgresAccounts
from authsvc.postgres.audit import PostgresAuditLog
from authsvc.postgres.database import Database
from authsvc.rpc.audit_servicer import AuditServicer
from authsvc.usecases.list_audit_events import ListAuditEvents


def audit_servicer(settings: Settings, database: Database) -> AuditServicer:
    """Build what serves the audit log."""
    return AuditServicer(
        list_audit_events=ListAuditEvents(
            accounts=PostgresAccounts(database),
            log=PostgresAuditLog(database),
            page_tokens=page_tokens(settings),
        )
    )
