"""The sync client's methods for the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _audit_requests, _audit_responses
from orchestrator.auth._calls import Calls

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from orchestrator.auth._audit_model import AuditEvent
    from orchestrator.auth._enums import OutcomeClass


class AuditMethods(Calls):
    """The audit log: who did what, and who was refused."""

    def list_audit_events(
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
        timeout: float | None = None,
    ) -> Iterator[AuditEvent]:
        """Iterate over the audit log, newest first.

        Pages are asked for as the iteration reaches them (AIP-158).

        Args:
            account_id: Only what concerns this account; default: this client's own, and with the
                scope `authsvc:admin` all of them.
            actor_id: Only what this key, user or other actor did.
            target_id: Only what was done to this key or account.
            actions: Only these: full names of methods, or what follows the slash (`CreateKey`).
            outcome: Only what succeeded, or only what was refused; default: both.
            start_time: Only from this moment on; aware.
            end_time: Only before this moment; aware.
            page_size: How many events a page has, at most 1,000; 0: the server's default.
            timeout: Seconds for each page; default: the client's.

        Raises:
            PermissionDenied: This client may manage no keys.
            NotFound: There is no such account, or this client may not see it.
            InvalidArgument: Something is out of bounds; see `field_violations`.
            TypeError: `actions` is a `str`.
            ValueError: A time is naive, or the outcome is none that can be asked for.
        """
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
            response = self._call(self._open().audit.ListAuditEvents, request, timeout)
            page, request.page_token = _audit_responses.audit_events(response, request.page_token)
            yield from page
            if not request.page_token:
                return
