"""From the events of the change log to the wire messages of WatchRevocations."""

from __future__ import annotations

from authsvc.domain.changes import Change, ChangeKind
from authsvc.rpc.time_conversion import timestamp
from authsvc.usecases.watch_revocations import Event, Heartbeat, Reset
from orchestrator.auth.v1 import auth_service_pb2


def watch_response(event: Event) -> auth_service_pb2.WatchRevocationsResponse:
    """Convert an event of the change log."""
    response = auth_service_pb2.WatchRevocationsResponse(revision=event.revision)
    match event:
        case Reset():
            response.reset.SetInParent()
        case Heartbeat():
            response.heartbeat.as_of.CopyFrom(timestamp(event.as_of))
        case Change(kind=ChangeKind.KEY_REVOKED):
            response.key_revoked.key_id = event.key_id
            response.key_revoked.account_id = event.account_id
        case Change(kind=ChangeKind.SESSION_REVOKED):
            response.session_revoked.session_id = event.session_id
            response.session_revoked.user_id = event.user_id
            response.session_revoked.account_id = event.account_id
        case Change() if event.user_id:
            response.user_changed.user_id = event.user_id
            response.user_changed.account_id = event.account_id
        case Change() if event.key_id:
            response.key_changed.key_id = event.key_id
            response.key_changed.account_id = event.account_id
        case Change():
            response.account_changed.account_id = event.account_id
    return response
