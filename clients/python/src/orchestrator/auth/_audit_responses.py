"""Reads the response messages of the calls for the audit log. Depends on protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.json_format import MessageToDict

from orchestrator.auth import _audit_model, _enums, _from_wire
from orchestrator.auth._errors import MalformedResponse
from orchestrator.auth.v1 import audit_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.struct_pb2 import Struct

    from orchestrator.auth.v1 import audit_service_pb2

_ACTOR_KINDS: Final = _from_wire.table(_enums.ActorKind, audit_pb2.ActorKind.items(), "ACTOR_KIND_")
_TARGET_KINDS: Final = _from_wire.table(
    _enums.TargetKind, audit_pb2.TargetKind.items(), "TARGET_KIND_"
)


def audit_events(
    response: audit_service_pb2.ListAuditEventsResponse, page_token: str
) -> tuple[list[_audit_model.AuditEvent], str]:
    """Read a page of ListAuditEvents, asked for by `page_token`, and the token of the next.

    Raises:
        MalformedResponse: The page is to be followed by itself, for ever.
    """
    if response.next_page_token and response.next_page_token == page_token:
        raise MalformedResponse("a page of audit events names itself as the next one")
    return [_event(message) for message in response.events], response.next_page_token


def _event(message: audit_pb2.AuditEvent) -> _audit_model.AuditEvent:
    _from_wire.require(message, "actor")
    actor, target = message.actor, message.target
    return _audit_model.AuditEvent(
        event_id=message.event_id,
        event_time=_from_wire.moment(message, "event_time", message.event_time),
        actor=_audit_model.AuditActor(
            kind=_ACTOR_KINDS.get(actor.kind, _enums.ActorKind.UNKNOWN),
            actor_id=actor.id,
            account_id=actor.account_id,
        ),
        action=message.action,
        target=(
            _audit_model.AuditTarget(
                kind=_TARGET_KINDS.get(target.kind, _enums.TargetKind.UNKNOWN), target_id=target.id
            )
            if message.HasField("target")
            else None
        ),
        account_id=message.account_id,
        request_id=message.request_id,
        address=message.address,
        outcome=message.outcome.removeprefix("ERROR_REASON_"),
        before=_values(message.before) if message.HasField("before") else None,
        after=_values(message.after) if message.HasField("after") else None,
    )


def _values(struct: Struct) -> Mapping[str, object]:
    values: dict[str, object] = MessageToDict(struct)
    # A proto map has no order of its own: one event is to look the same each time.
    return {name: _value(value) for name, value in sorted(values.items())}


def _value(value: object) -> object:
    match value:
        # The wire knows no whole numbers.
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_value(item) for item in value]
        case dict():
            return {name: _value(item) for name, item in value.items()}
    return value
