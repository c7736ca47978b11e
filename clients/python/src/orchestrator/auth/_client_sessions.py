"""The sync client's methods for sessions of the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _session_requests, _session_responses
from orchestrator.auth._calls import Calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.auth._model import RequestContext
    from orchestrator.auth._secret import Secret
    from orchestrator.auth._session_model import (
        GrantedSession,
        RevokedSession,
        RevokedSessions,
        Session,
    )


class SessionMethods(Calls):
    """Sessions: log in, refresh, log out, here or everywhere.

    To log in and to refresh needs no credential: `AuthClient(..., api_key=ANONYMOUS)` does. The
    others need an access token of the session's user or of an owner of its account, as this
    client's `api_key`, or a key with the scope `authsvc:admin`.
    """

    def create_session(
        self,
        email: str,
        password: Secret | str,
        *,
        context: RequestContext | None = None,
        timeout: float | None = None,
    ) -> GrantedSession:
        """Log a person in. Not retried.

        Args:
            email: The person's email address.
            password: The password.
            context: What is known of the person's own request. A back end that logs people in must
                give `client_ip`, for failures are counted by it, and have an API key with
                `authsvc:validate`, or it is not believed.
            timeout: Seconds; default: the client's.

        Raises:
            Unauthenticated: Address and password open nothing (LOGIN_REFUSED); why is not told.
            ResourceExhausted: Too many attempts failed (TOO_MANY_FAILED_LOGINS): wait for
                `retry_delay`. Or too many passwords are being checked at once (TOO_MANY_LOGINS).
            InvalidArgument: Something is out of bounds; see `field_violations`.
            ValueError: `password` is none that can be sent.
        """
        request = _session_requests.create_session(email, password, context)
        response = self._call(self._open().sessions.CreateSession, request, timeout)
        return _session_responses.granted(response)

    def refresh_session(
        self,
        refresh_token: Secret | str,
        *,
        context: RequestContext | None = None,
        timeout: float | None = None,
    ) -> GrantedSession:
        """Change a refresh token for new tokens.

        Keep the new refresh token before anything else: the one that was sent is used up.

        Args:
            refresh_token: The refresh token that the session's last answer brought.
            context: What is known of the person's own request; `client_ip` as for
                `create_session`.
            timeout: Seconds; default: the client's.

        Raises:
            ResourceExhausted: The session was refreshed too often, or too many unknown tokens came
                from the address (RATE_LIMITED): wait for `retry_delay`.
            Unauthenticated: The person must log in anew: the session is over (SESSION_ENDED), the
                token was used before (REFRESH_TOKEN_REUSED), or is none that is known
                (REFRESH_TOKEN_INVALID).
            InvalidArgument: Something is out of bounds; see `field_violations`.
            ValueError: `refresh_token` is none that can be sent.
        """
        request = _session_requests.refresh_session(refresh_token, context)
        response = self._call(self._open().sessions.RefreshSession, request, timeout)
        return _session_responses.granted(response)

    def revoke_session(
        self, session_id: str | None = None, *, timeout: float | None = None
    ) -> RevokedSession:
        """End a session: log out. Ending it again changes nothing.

        Args:
            session_id: The session (`sess_…`). Default: the one that this client's own access
                token belongs to.
            timeout: Seconds; default: the client's.

        Raises:
            NotFound: There is no such session, or this client may not see it.
            InvalidArgument: The id is malformed, or missing.
            PermissionDenied: This client may not do that.
        """
        request = _session_requests.revoke_session(session_id)
        response = self._call(self._open().sessions.RevokeSession, request, timeout)
        return _session_responses.revoked_session(response)

    def revoke_all_sessions(
        self,
        user_id: str | None = None,
        *,
        except_session_id: str | None = None,
        timeout: float | None = None,
    ) -> RevokedSessions:
        """End all sessions of a user: log out everywhere. Not retried.

        Args:
            user_id: The user (`user_…`). Default: the one of this client's own access token.
            except_session_id: A session (`sess_…`) that goes on.
            timeout: Seconds; default: the client's.

        Raises:
            NotFound: There is no such user, or this client may not see it.
            InvalidArgument: An id is malformed, or the user's is missing.
            PermissionDenied: This client may not do that.
        """
        request = _session_requests.revoke_all_sessions(user_id, except_session_id)
        response = self._call(self._open().sessions.RevokeAllSessions, request, timeout)
        return _session_responses.revoked_sessions(response)

    def list_sessions(
        self,
        user_id: str | None = None,
        *,
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Iterator[Session]:
        """Iterate over the sessions of a user that can be refreshed, oldest first.

        Args:
            user_id: The user (`user_…`). Default: the one of this client's own access token.
            page_size: How many to fetch at a time, up to 1,000; 0 leaves it to the service.
            timeout: Seconds for each page; default: the client's.

        Raises:
            NotFound: There is no such user, or this client may not see it.
            InvalidArgument: Something is out of bounds; see `field_violations`.
            PermissionDenied: This client may not do that.
        """
        request = _session_requests.list_sessions(user_id, page_size)
        while True:
            response = self._call(self._open().sessions.ListSessions, request, timeout)
            page, request.page_token = _session_responses.sessions(response, request.page_token)
            yield from page
            if not request.page_token:
                return
