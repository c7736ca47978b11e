"""SessionService on the wire: convert, one use case, convert."""

from __future__ import annotations

from authsvc.domain.clock import Clock
from authsvc.rpc import session_conversion, signing_key_conversion
from authsvc.usecases.call import Call, OpenCall
from authsvc.usecases.create_session import CreateSession
from authsvc.usecases.get_jwks import GetJwks
from authsvc.usecases.list_sessions import ListSessions
from authsvc.usecases.refresh_session import RefreshSession
from authsvc.usecases.revoke_session import RevokeAllSessions, RevokeSession
from authsvc.usecases.rotate_signing_key import RotateSigningKey
from orchestrator.auth.v1 import jwks_pb2, signing_key_pb2
from orchestrator.auth.v1 import session_management_pb2 as pb


class SessionServicer:
    """Serves the methods of `orchestrator.auth.v1.SessionService`."""

    def __init__(
        self,
        *,
        get_jwks: GetJwks,
        rotate_signing_key: RotateSigningKey,
        create_session: CreateSession,
        refresh_session: RefreshSession,
        revoke_session: RevokeSession,
        revoke_all_sessions: RevokeAllSessions,
        list_sessions: ListSessions,
        clock: Clock,
    ) -> None:
        """Take the use cases, and the time, which a session's state depends on."""
        self._get_jwks = get_jwks
        self._rotate_signing_key = rotate_signing_key
        self._create_session = create_session
        self._refresh_session = refresh_session
        self._revoke_session = revoke_session
        self._revoke_all_sessions = revoke_all_sessions
        self._list_sessions = list_sessions
        self._clock = clock

    async def create_session_open(
        self, request: pb.CreateSessionRequest, call: OpenCall
    ) -> pb.CreateSessionResponse:
        """Log a person in."""
        command = session_conversion.create_session_command(request)
        granted = await self._create_session(command, call)
        return session_conversion.create_session_response(granted, self._clock())

    async def refresh_session_open(
        self, request: pb.RefreshSessionRequest, call: OpenCall
    ) -> pb.RefreshSessionResponse:
        """Change a refresh token for new tokens."""
        granted = await self._refresh_session(
            request.refresh_token, request.context.client_ip, call
        )
        return session_conversion.refresh_session_response(granted, self._clock())

    async def revoke_session(
        self, request: pb.RevokeSessionRequest, call: Call
    ) -> pb.RevokeSessionResponse:
        """End a session."""
        session = await self._revoke_session(request.session_id, call)
        return session_conversion.revoke_session_response(session, self._clock(), call.caller)

    async def revoke_all_sessions(
        self, request: pb.RevokeAllSessionsRequest, call: Call
    ) -> pb.RevokeAllSessionsResponse:
        """End the sessions of a user."""
        ended = await self._revoke_all_sessions(request.user_id, request.except_session_id, call)
        return session_conversion.revoke_all_sessions_response(ended)

    async def list_sessions(
        self, request: pb.ListSessionsRequest, call: Call
    ) -> pb.ListSessionsResponse:
        """Return a page of a user's sessions."""
        page = await self._list_sessions(
            request.user_id, request.page_size, request.page_token, call
        )
        return session_conversion.list_sessions_response(page, call.caller)

    async def get_jwks_open(
        self, _request: jwks_pb2.GetJwksRequest, call: OpenCall
    ) -> jwks_pb2.GetJwksResponse:
        """Return the public keys of access tokens."""
        return signing_key_conversion.get_jwks_response(await self._get_jwks(call.deadline))

    async def rotate_signing_key(
        self, request: signing_key_pb2.RotateSigningKeyRequest, call: Call
    ) -> signing_key_pb2.RotateSigningKeyResponse:
        """Make a new key to sign with."""
        urgency = signing_key_conversion.urgency(request)
        rotated = await self._rotate_signing_key(urgency, call)
        return signing_key_conversion.rotate_signing_key_response(rotated)
