"""The async client's methods for sessions of the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _session_requests, _session_responses
from orchestrator.auth._async_calls import AsyncCalls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from orchestrator.auth._model import RequestContext
    from orchestrator.auth._secret import Secret
    from orchestrator.auth._session_model import (
        GrantedSession,
        RevokedSession,
        RevokedSessions,
        Session,
    )


class AsyncSessionMethods(AsyncCalls):
    """Sessions, with the arguments, results and errors of `SessionMethods`."""

    async def create_session(
        self,
        email: str,
        password: Secret | str,
        *,
        context: RequestContext | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> GrantedSession:
        """Log a person in: see `AuthClient.create_session`."""
        request = _session_requests.create_session(email, password, context)
        response = await self._call(self._open().sessions.CreateSession, request, timeout)
        return _session_responses.granted(response)

    async def refresh_session(
        self,
        refresh_token: Secret | str,
        *,
        context: RequestContext | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> GrantedSession:
        """Change a refresh token for new tokens: see `AuthClient.refresh_session`."""
        request = _session_requests.refresh_session(refresh_token, context)
        response = await self._call(self._open().sessions.RefreshSession, request, timeout)
        return _session_responses.granted(response)

    async def revoke_session(
        self,
        session_id: str | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> RevokedSession:
        """End a session: see `AuthClient.revoke_session`."""
        request = _session_requests.revoke_session(session_id)
        response = await self._call(self._open().sessions.RevokeSession, request, timeout)
        return _session_responses.revoked_session(response)

    async def revoke_all_sessions(
        self,
        user_id: str | None = None,
        *,
        except_session_id: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> RevokedSessions:
        """End all sessions of a user: see `AuthClient.revoke_all_sessions`."""
        request = _session_requests.revoke_all_sessions(user_id, except_session_id)
        response = await self._call(self._open().sessions.RevokeAllSessions, request, timeout)
        return _session_responses.revoked_sessions(response)

    async def list_sessions(
        self,
        user_id: str | None = None,
        *,
        page_size: int = 0,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> AsyncIterator[Session]:
        """Iterate over the sessions of a user: see `AuthClient.list_sessions`."""
        request = _session_requests.list_sessions(user_id, page_size)
        while True:
            response = await self._call(self._open().sessions.ListSessions, request, timeout)
            page, request.page_token = _session_responses.sessions(response, request.page_token)
            for session in page:
                yield session
            if not request.page_token:
                return
