"""Sessions: what a person has from a log-in until the log-out, on one device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

MAX_USER_AGENT_LENGTH: Final = 512
RETENTION: Final = timedelta(days=30)
"""How long a session is kept that is over, for those who ask what happened to it."""


class SessionState(StrEnum):
    """Whether a session can be refreshed."""

    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


class SessionEndReason(StrEnum):
    """Why a session was ended before its time."""

    REVOKED = "REVOKED"
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105 - what happened, not a password
    REFRESH_TOKEN_REUSED = "REFRESH_TOKEN_REUSED"  # noqa: S105 - likewise
    USER_DISABLED = "USER_DISABLED"
    ACCOUNT_DISABLED = "ACCOUNT_DISABLED"


@dataclass(frozen=True, slots=True)
class SessionLifetimes:
    """How long sessions live, and the access tokens in them."""

    idle: timedelta
    """How long without a refresh."""
    absolute: timedelta
    """How long at all."""
    access_token: timedelta


@dataclass(frozen=True, slots=True)
class Session:
    """A session as its user and those who manage the user see it."""

    session_id: str
    user_id: str
    account_id: str
    user_agent: str
    """As the client told it, at most 512 characters; may be empty."""
    address: str
    """From where the log-in came; empty when not known."""
    last_seen_address: str
    create_time: datetime
    last_seen_time: datetime
    idle_expire_time: datetime
    """When it ends unless it is refreshed before; never later than `expire_time`."""
    expire_time: datetime
    end_time: datetime | None = None
    end_reason: SessionEndReason | None = None
    revision: int = 0
    """The revision of its end; 0 while it was not ended."""

    @property
    def ended(self) -> bool:
        """Whether it was ended before its time."""
        return self.end_time is not None

    def state_at(self, now: datetime) -> SessionState:
        """Return whether it can be refreshed at a moment."""
        if self.ended:
            return SessionState.REVOKED
        return SessionState.EXPIRED if self.idle_expire_time <= now else SessionState.ACTIVE

    def seen(self, now: datetime, address: str, idle: timedelta) -> Session:
        """Return the session as a refresh leaves it.

        Args:
            now: The moment of the refresh.
            address: From where it came; may be empty.
            idle: How long it lives without another one.
        """
        return replace(
            self,
            last_seen_time=now,
            last_seen_address=address,
            idle_expire_time=min(now + idle, self.expire_time),
        )


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What a session's access tokens are judged by.

    Not by its lifetimes: no access token is made to outlive them.
    """

    session_id: str
    user_id: str
    ended: bool


@dataclass(frozen=True, slots=True)
class EndedSessions:
    """How many sessions were ended."""

    count: int
    revision: int
    """That of the last of these changes; 0 when there is none."""
