"""RevokeSession and RevokeAllSessions: log out, here or everywhere."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from authsvc.domain import ids
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import SessionNotFound
from authsvc.domain.origin import Origin
from authsvc.domain.sessions import EndedSessions, Session, SessionEndReason
from authsvc.domain.users import User
from authsvc.usecases.call import Call
from authsvc.usecases.managed_users import Users, get_managed_user


class SessionStore(Protocol):
    """Where sessions are found and ended."""

    async def find_session(self, session_id: str, deadline: Deadline) -> Session | None:
        """Return the session, or None when there is no such session."""
        ...

    async def end_session(
        self,
        session_id: str,
        reason: SessionEndReason,
        now: datetime,
        *,
        origin: Origin,
        deadline: Deadline,
    ) -> Session | None:
        """End a session, unless it was ended, and return it as it is then; None if it is gone.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline; it may have been
                ended all the same.
        """
        ...

    async def end_sessions_of(
        self,
        user: User,
        reason: SessionEndReason,
        now: datetime,
        *,
        except_session_id: str,
        origin: Origin,
        deadline: Deadline,
    ) -> EndedSessions:
        """End all sessions of a user that have not been ended, but for one.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline; they may have
                been ended all the same.
        """
        ...


class RevokeSession:
    """Ends sessions."""

    def __init__(self, *, store: SessionStore, clock: Clock) -> None:
        """Take the store and the source of time."""
        self._store = store
        self._clock = clock

    async def __call__(self, session_id: str, call: Call) -> Session:
        """End a session. One that was ended stays as it is.

        Args:
            session_id: The session; empty: that of the caller's own access token.
            call: The call.

        Raises:
            CallerNotPermitted: The caller can have no sessions, and manages no users.
            InvalidRequest: The id is malformed, or missing.
            SessionNotFound: There is no such session, or the caller may not see it.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require_session_management()
        session_id = session_id or call.caller.principal.session_id
        violations = Violations()
        violations.check_id("session_id", session_id, ids.SESSION)
        violations.raise_if_any()
        found = await self._store.find_session(session_id, call.deadline)
        if found is None or not call.caller.may_manage_sessions_of(found.user_id, found.account_id):
            raise SessionNotFound
        ended = await self._store.end_session(
            session_id,
            SessionEndReason.REVOKED,
            self._clock(),
            origin=call.origin,
            deadline=call.deadline,
        )
        if ended is None:
            raise SessionNotFound
        return ended


class RevokeAllSessions:
    """Ends the sessions of users."""

    def __init__(self, *, users: Users, store: SessionStore, clock: Clock) -> None:
        """Take where users are read, the store and the source of time."""
        self._users = users
        self._store = store
        self._clock = clock

    async def __call__(self, user_id: str, except_session_id: str, call: Call) -> EndedSessions:
        """End all sessions of a user.

        Args:
            user_id: The user; empty: the caller.
            except_session_id: A session that goes on; may be empty.
            call: The call.

        Raises:
            CallerNotPermitted: The caller can have no sessions, and manages no users.
            InvalidRequest: An id is malformed, or the user's is missing.
            UserNotFound: There is no such user, or the caller may not see it.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require_session_management()
        user_id = user_id or call.caller.principal.user_id
        violations = Violations()
        violations.check_id("user_id", user_id, ids.USER)
        if except_session_id:
            violations.check_id("except_session_id", except_session_id, ids.SESSION)
        violations.raise_if_any()
        user = await get_managed_user(self._users, user_id, call)
        return await self._store.end_sessions_of(
            user,
            SessionEndReason.REVOKED,
            self._clock(),
            except_session_id=except_session_id,
            origin=call.origin,
            deadline=call.deadline,
        )
