"""Between wire messages and domain values, for the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.struct_pb2 import Struct

from authsvc.domain.audit import AuditEvent, OutcomeClass
from authsvc.rpc.time_conversion import timestamp, to_datetime
from authsvc.usecases.list_audit_events import AuditPage, AuditQuery
from orchestrator.auth.v1 import audit_pb2
from orchestrator.auth.v1 import audit_service_pb2 as pb

_OUTCOMES: Final = {
    audit_pb2.OUTCOME_CLASS_UNSPECIFIED: OutcomeClass.ANY,
    audit_pb2.OUTCOME_CLASS_SUCCEEDED: OutcomeClass.SUCCEEDED,
    audit_pb2.OUTCOME_CLASS_DENIED: OutcomeClass.DENIED,
}


def audit_query(request: pb.ListAuditEventsRequest) -> AuditQuery:
    """Convert a request of ListAuditEvents."""
    return AuditQuery(
        account_id=request.account_id,
        actor_id=request.actor_id,
        target_id=request.target_id,
        actions=tuple(request.actions),
        outcome=_OUTCOMES.get(request.outcome),
        start_time=to_datetime(request.start_time) if request.HasField("start_time") else None,
        end_time=to_datetime(request.end_time) if request.HasField("end_time") else None,
        page_size=request.page_size,
        page_token=request.page_token,
    )


def list_audit_events_response(page: AuditPage) -> pb.ListAuditEventsResponse:
    """Convert a page of events."""
    return pb.ListAuditEventsResponse(
        events=map(audit_event_message, page.events), next_page_token=page.next_page_token
    )


def audit_event_message(event: AuditEvent) -> audit_pb2.AuditEvent:
    """Convert an event."""
    actor_kind = event.actor_kind.value if event.actor_kind else "UNSPECIFIED"
    target_kind = event.target_kind.value if event.target_kind else "UNSPECIFIED"
    return audit_pb2.AuditEvent(
        event_id=event.event_id,
        event_time=timestamp(event.event_time),
        actor=audit_pb2.AuditActor(
            kind=audit_pb2.ActorKind.Value(f"ACTOR_KIND_{actor_kind}"),
            id=event.actor_id,
            account_id=event.actor_account_id,
        ),
        action=event.action,
        target=(
            audit_pb2.AuditTarget(
                kind=audit_pb2.TargetKind.Value(f"TARGET_KIND_{target_kind}"), id=event.target_id
            )
            if event.target_id
            else None
        ),
        account_id=event.account_id,
        request_id=event.request_id,
        address=event.address,
        outcome=event.outcome,
        before=_struct(event.before),
        after=_struct(event.after),
    )


def _struct(values: Mapping[str, Any] | None) -> Struct | None:
    if values is None:
        return None
    struct = Struct()
    struct.update(values)
    return struct
