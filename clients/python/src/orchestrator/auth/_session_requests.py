"""Builds the request messages of the calls for sessions. Depends on protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _to_wire
from orchestrator.auth._secret import revealed
from orchestrator.auth.v1 import session_management_pb2

if TYPE_CHECKING:
    from orchestrator.auth._model import RequestContext
    from orchestrator.auth._secret import Secret


def create_session(
    email: str, password: Secret | str, context: RequestContext | None
) -> session_management_pb2.CreateSessionRequest:
    """Build the request of CreateSession."""
    request = session_management_pb2.CreateSessionRequest(
        email=email, password=_to_wire.exact(revealed(password), "password")
    )
    if context is not None:
        request.context.CopyFrom(_to_wire.context(context))
    return request


def refresh_session(
    refresh_token: Secret | str, context: RequestContext | None
) -> session_management_pb2.RefreshSessionRequest:
    """Build the request of RefreshSession."""
    request = session_management_pb2.RefreshSessionRequest(
        refresh_token=_to_wire.exact(revealed(refresh_token), "refresh_token")
    )
    if context is not None:
        request.context.CopyFrom(_to_wire.context(context))
    return request


def revoke_session(session_id: str | None) -> session_management_pb2.RevokeSessionRequest:
    """Build the request of RevokeSession."""
    return session_management_pb2.RevokeSessionRequest(session_id=session_id or "")


def revoke_all_sessions(
    user_id: str | None, except_session_id: str | None
) -> session_management_pb2.RevokeAllSessionsRequest:
    """Build the request of RevokeAllSessions."""
    return session_management_pb2.RevokeAllSessionsRequest(
        user_id=user_id or "", except_session_id=except_session_id or ""
    )


def list_sessions(
    user_id: str | None, page_size: int
) -> session_management_pb2.ListSessionsRequest:
    """Build the request of ListSessions for the first page."""
    return session_management_pb2.ListSessionsRequest(user_id=user_id or "", page_size=page_size)
