"""The async client's methods for the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _audit_requests, _audit_responses
from orchestrator.auth._async_calls import AsyncCalls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection
    from datetime import datetime

    from orchestrator.auth._audit_model import AuditEvent
    from orchestrator.auth._enums import OutcomeClass


class AsyncAuditMethods(AsyncCalls):
    """The audit log, with the arguments, results and errors of `AuditMethods`."""

    async def list_audit_events(
        self,
        *,
        account_id: str | None = None,
        actor_id: str | None = None,
        target_id: str | None = None,
        actions: Collection[str] = (),
        outcome: OutcomeClass | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        page_size: int = 0,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> AsyncIterator[AuditEvent]:
        """Iterate over the audit log, newest first: see `AuthClient.list_audit_events`."""
        request = _audit_requests.list_audit_events(
            account_id=account_id,
            actor_id=actor_id,
            target_id=target_id,
            actions=actions,
            outcome=outcome,
            start_time=start_time,
            end_time=end_time,
            page_size=page_size,
        )
        while True:
            response = await self._call(self._open().audit.ListAuditEvents, request, timeout)
            page, request.page_token = _audit_responses.audit_events(response, request.page_token)
            for event in page:
                yield event
            if not request.page_token:
                return
