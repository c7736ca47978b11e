"""Reads the response messages of the calls for sessions. Depends on protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.auth import _enums, _from_wire, _session_model
from orchestrator.auth._errors import MalformedResponse
from orchestrator.auth._secret import Secret
from orchestrator.auth.v1 import session_pb2

if TYPE_CHECKING:
    from orchestrator.auth.v1 import session_management_pb2

_STATES: Final = _from_wire.table(
    _enums.SessionState, session_pb2.SessionState.items(), "SESSION_STATE_"
)
_END_REASONS: Final = _from_wire.table(
    _enums.SessionEndReason, session_pb2.SessionEndReason.items(), "SESSION_END_REASON_"
)


def granted(
    response: (
        session_management_pb2.CreateSessionResponse | session_management_pb2.RefreshSessionResponse
    ),
) -> _session_model.GrantedSession:
    """Read the response of CreateSession or RefreshSession.

    Raises:
        MalformedResponse: Something is missing.
    """
    _from_wire.require(response, "session")
    if not (response.access_token and response.refresh_token):
        raise MalformedResponse(f"the {response.DESCRIPTOR.name} lacks a token")
    return _session_model.GrantedSession(
        session=_session(response.session),
        access_token=Secret(response.access_token),
        access_token_expire_time=_from_wire.moment(
            response, "access_token_expire_time", response.access_token_expire_time
        ),
        refresh_token=Secret(response.refresh_token),
    )


def revoked_session(
    response: session_management_pb2.RevokeSessionResponse,
) -> _session_model.RevokedSession:
    """Read the response of RevokeSession."""
    _from_wire.require(response, "session")
    return _session_model.RevokedSession(_session(response.session), response.revision)


def revoked_sessions(
    response: session_management_pb2.RevokeAllSessionsResponse,
) -> _session_model.RevokedSessions:
    """Read the response of RevokeAllSessions."""
    return _session_model.RevokedSessions(response.revoked_count, response.revision)


def sessions(
    response: session_management_pb2.ListSessionsResponse, page_token: str
) -> tuple[list[_session_model.Session], str]:
    """Read a page of ListSessions, asked for by `page_token`, and the token of the next.

    Raises:
        MalformedResponse: The page is to be followed by itself, for ever.
    """
    if response.next_page_token and response.next_page_token == page_token:
        raise MalformedResponse("a page of sessions names itself as the next one")
    return [_session(message) for message in response.sessions], response.next_page_token


def _session(message: session_pb2.Session) -> _session_model.Session:
    end_time = _from_wire.optional_moment(message, "end_time", message.end_time)
    reason = _END_REASONS.get(message.end_reason, _enums.SessionEndReason.UNKNOWN)
    return _session_model.Session(
        session_id=message.session_id,
        user_id=message.user_id,
        account_id=message.account_id,
        state=_STATES.get(message.state, _enums.SessionState.UNKNOWN),
        create_time=_from_wire.moment(message, "create_time", message.create_time),
        last_seen_time=_from_wire.moment(message, "last_seen_time", message.last_seen_time),
        idle_expire_time=_from_wire.moment(message, "idle_expire_time", message.idle_expire_time),
        expire_time=_from_wire.moment(message, "expire_time", message.expire_time),
        user_agent=message.user_agent,
        client_ip=message.client_ip or None,
        last_seen_client_ip=message.last_seen_client_ip or None,
        is_current=message.is_current,
        end_time=end_time,
        end_reason=None if end_time is None else reason,
    )
