"""Builds the request messages of the calls for the audit log. Depends on protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.auth import _to_wire
from orchestrator.auth._enums import OutcomeClass
from orchestrator.auth.v1 import audit_pb2, audit_service_pb2

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

_OUTCOMES: Final = {
    OutcomeClass.SUCCEEDED: audit_pb2.OUTCOME_CLASS_SUCCEEDED,
    OutcomeClass.DENIED: audit_pb2.OUTCOME_CLASS_DENIED,
}


def list_audit_events(
    *,
    account_id: str | None,
    actor_id: str | None,
    target_id: str | None,
    actions: Collection[str],
    outcome: OutcomeClass | None,
    start_time: datetime | None,
    end_time: datetime | None,
    page_size: int,
) -> audit_service_pb2.ListAuditEventsRequest:
    """Build the request of ListAuditEvents for the first page.

    Raises:
        TypeError: `actions` is a `str`.
        ValueError: A time is naive, or the outcome is none that can be asked for.
    """
    # A str is a collection of its characters, none of which is an action.
    if isinstance(actions, str):
        raise TypeError("actions is a collection of actions, not a str")
    if outcome is not None and outcome not in _OUTCOMES:
        raise ValueError(f"{outcome} is no outcome that can be asked for")
    request = audit_service_pb2.ListAuditEventsRequest(
        account_id=account_id or "",
        actor_id=actor_id or "",
        target_id=target_id or "",
        actions=actions,
        page_size=page_size,
    )
    if outcome is not None:
        request.outcome = _OUTCOMES[outcome]
    if start_time is not None:
        request.start_time.CopyFrom(_to_wire.timestamp(start_time, "start_time"))
    if end_time is not None:
        request.end_time.CopyFrom(_to_wire.timestamp(end_time, "end_time"))
    return request
