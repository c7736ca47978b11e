"""What the clients return about sessions: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.auth._enums import SessionEndReason, SessionState
    from orchestrator.auth._secret import Secret


@dataclass(frozen=True, slots=True)
class Session:
    """A session: what a person has from a log-in until the log-out, on one device.

    `session_id` is the `sid` of the session's access tokens. `client_ip` logged in,
    `last_seen_client_ip` was the last to refresh; None: not known. `user_agent` is what the browser
    chose to say: show it as text.
    """

    session_id: str
    user_id: str
    account_id: str
    state: SessionState
    create_time: datetime
    last_seen_time: datetime
    idle_expire_time: datetime
    expire_time: datetime
    user_agent: str
    client_ip: str | None
    last_seen_client_ip: str | None
    is_current: bool
    """Whether the client's own access token belongs to it."""
    end_time: datetime | None = None
    end_reason: SessionEndReason | None = None


@dataclass(frozen=True, slots=True)
class GrantedSession:
    """A session, and the tokens that open it.

    The access token goes into the Authorization header, as `Bearer <token>`. The refresh token is
    good for one `refresh_session`.
    """

    session: Session
    access_token: Secret
    access_token_expire_time: datetime
    refresh_token: Secret


@dataclass(frozen=True, slots=True)
class RevokedSession:
    """A session that was ended, and the revision of its end.

    `revision` is what `validate` takes as `at_least_revision`.
    """

    session: Session
    revision: int


@dataclass(frozen=True, slots=True)
class RevokedSessions:
    """How many sessions were ended, and the revision of the last of these changes; 0: none was."""

    count: int
    revision: int
