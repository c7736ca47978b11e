"""ListSessions: where a user is logged in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from authsvc.domain import ids
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.sessions import Session
from authsvc.usecases.call import Call
from authsvc.usecases.managed_users import Users, get_managed_user
from authsvc.usecases.pages import PageTokens, check_page_size, length_of_page


class SessionLists(Protocol):
    """Where the sessions of users are read."""

    async def list_sessions(
        self,
        user_id: str,
        *,
        now: datetime,
        after_session_id: str,
        limit: int,
        deadline: Deadline,
    ) -> list[Session]:
        """Return up to `limit` active sessions with ids after `after_session_id`, in order."""
        ...


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Some sessions, and where the next ones begin."""

    sessions: list[Session]
    next_page_token: str
    """Empty on the last page."""
    now: datetime
    """The moment at which they are active."""


class ListSessions:
    """Returns the active sessions of a user in pages, oldest first."""

    def __init__(
        self, *, users: Users, sessions: SessionLists, page_tokens: PageTokens, clock: Clock
    ) -> None:
        """Take where users and sessions are read, the maker of tokens, and the time."""
        self._users = users
        self._sessions = sessions
        self._page_tokens = page_tokens
        self._clock = clock

    async def __call__(
        self, user_id: str, page_size: int, page_token: str, call: Call
    ) -> SessionPage:
        """Return a page.

        Args:
            user_id: Whose sessions; empty: the caller's.
            page_size: The most sessions to return; 0 means 50, more than 1,000 means 1,000.
            page_token: The `next_page_token` of the page before; empty for the first.
            call: The call.

        Raises:
            CallerNotPermitted: The caller can have no sessions, and manages no users.
            InvalidRequest: The id is malformed or missing, the size is negative, or the token
                belongs to another listing.
            UserNotFound: There is no such user, or the caller may not see it.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require_session_management()
        user_id = user_id or call.caller.principal.user_id
        listing = f"sessions of {user_id}"
        after = self._page_tokens.read(page_token, listing) if page_token else ""
        violations = Violations()
        violations.check_id("user_id", user_id, ids.USER)
        check_page_size(violations, page_size)
        if after is None:
            violations.add(
                "page_token", "is the next_page_token of an earlier response to the same user"
            )
        violations.raise_if_any()
        user = await get_managed_user(self._users, user_id, call)
        size, now = length_of_page(page_size), self._clock()
        sessions = await self._sessions.list_sessions(
            user.user_id,
            now=now,
            after_session_id=after or "",
            limit=size + 1,
            deadline=call.deadline,
        )
        page, token = sessions[:size], ""
        if len(sessions) > size:
            token = self._page_tokens.make(page[-1].session_id, listing)
        return SessionPage(page, token, now)
