"""Between wire messages and domain values, for sessions."""

from __future__ import annotations

from datetime import datetime

from authsvc.domain.callers import Caller
from authsvc.domain.passwords import Password
from authsvc.domain.refresh_tokens import GrantedSession
from authsvc.domain.sessions import EndedSessions, Session
from authsvc.rpc.time_conversion import optional_timestamp, timestamp
from authsvc.usecases.create_session import CreateSessionCommand
from authsvc.usecases.list_sessions import SessionPage
from orchestrator.auth.v1 import session_management_pb2 as pb
from orchestrator.auth.v1 import session_pb2


def create_session_command(request: pb.CreateSessionRequest) -> CreateSessionCommand:
    """Convert a request of CreateSession."""
    return CreateSessionCommand(
        email=request.email,
        password=Password(request.password),
        client_address=request.context.client_ip,
        user_agent=request.context.user_agent,
    )


def create_session_response(granted: GrantedSession, now: datetime) -> pb.CreateSessionResponse:
    """Convert a new session and its tokens."""
    return pb.CreateSessionResponse(
        session=session_message(granted.session, now),
        access_token=granted.tokens.access_token,
        access_token_expire_time=timestamp(granted.tokens.access_token_expire_time),
        refresh_token=granted.tokens.refresh_token.reveal(),
    )


def refresh_session_response(granted: GrantedSession, now: datetime) -> pb.RefreshSessionResponse:
    """Convert a refreshed session and its tokens."""
    return pb.RefreshSessionResponse(
        session=session_message(granted.session, now),
        access_token=granted.tokens.access_token,
        access_token_expire_time=timestamp(granted.tokens.access_token_expire_time),
        refresh_token=granted.tokens.refresh_token.reveal(),
    )


def revoke_session_response(
    session: Session, now: datetime, caller: Caller
) -> pb.RevokeSessionResponse:
    """Convert a session that was ended."""
    return pb.RevokeSessionResponse(
        session=session_message(session, now, caller), revision=session.revision
    )


def revoke_all_sessions_response(ended: EndedSessions) -> pb.RevokeAllSessionsResponse:
    """Convert how many sessions were ended."""
    return pb.RevokeAllSessionsResponse(revoked_count=ended.count, revision=ended.revision)


def list_sessions_response(page: SessionPage, caller: Caller) -> pb.ListSessionsResponse:
    """Convert a page of sessions."""
    return pb.ListSessionsResponse(
        sessions=[session_message(session, page.now, caller) for session in page.sessions],
        next_page_token=page.next_page_token,
    )


def session_message(
    session: Session, now: datetime, caller: Caller | None = None
) -> session_pb2.Session:
    """Convert a session, in the state that it has at a moment.

    Args:
        session: The session.
        now: The moment.
        caller: Who is told of it; None when nobody has to be.
    """
    state, reason = session.state_at(now), session.end_reason
    return session_pb2.Session(
        session_id=session.session_id,
        user_id=session.user_id,
        account_id=session.account_id,
        state=session_pb2.SessionState.Value(f"SESSION_STATE_{state}"),
        create_time=timestamp(session.create_time),
        last_seen_time=timestamp(session.last_seen_time),
        idle_expire_time=timestamp(session.idle_expire_time),
        expire_time=timestamp(session.expire_time),
        end_time=optional_timestamp(session.end_time),
        end_reason=session_pb2.SessionEndReason.Value(
            f"SESSION_END_REASON_{reason or 'UNSPECIFIED'}"
        ),
        user_agent=session.user_agent,
        client_ip=session.address,
        last_seen_client_ip=session.last_seen_address,
        is_current=caller is not None and caller.principal.session_id == session.session_id,
    )
