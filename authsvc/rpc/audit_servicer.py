"""AuditService on the wire: convert, one use case, convert."""

from __future__ import annotations

from authsvc.rpc import audit_conversion
from authsvc.usecases.call import Call
from authsvc.usecases.list_audit_events import ListAuditEvents
from orchestrator.auth.v1 import audit_service_pb2 as pb


class AuditServicer:
    """Serves the methods of `orchestrator.auth.v1.AuditService`."""

    def __init__(self, *, list_audit_events: ListAuditEvents) -> None:
        """Take the use case."""
        self._list_audit_events = list_audit_events

    async def list_audit_events(
        self, request: pb.ListAuditEventsRequest, call: Call
    ) -> pb.ListAuditEventsResponse:
        """Return a page of the audit log."""
        page = await self._list_audit_events(audit_conversion.audit_query(request), call)
        return audit_conversion.list_audit_events_response(page)
