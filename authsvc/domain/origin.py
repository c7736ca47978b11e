"""Where a change comes from: who makes it, by which call, from where. The audit log keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """What kind of party acts."""

    KEY = "KEY"
    USER = "USER"
    """Of the dashboard, by an access token."""
    CERTIFICATE = "CERTIFICATE"
    ANONYMOUS = "ANONYMOUS"
    """Nobody proved who they are."""
    OPERATOR = "OPERATOR"
    """Who runs a command of `authsvc` on the database itself."""
    DATABASE = "DATABASE"
    """Who changes rows by other means, such as psql."""
    SERVICE = "SERVICE"
    """This service itself, on its schedule."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change comes from."""

    actor_kind: ActorKind
    action: str
    """The method's full name, such as `orchestrator.auth.v1.AuthService/CreateKey`; the command,
    such as `authsvc bootstrap`; or the work of the service's own schedule, such as
    `schedule/PublishNextSigningKey`."""
    actor_id: str = ""
    """The key's or user's id, or the certificate's name; of an operator, the login name. May be
    empty."""
    actor_account_id: str = ""
    """For whom the actor acts; empty for what has no account."""
    request_id: str = ""
    """Under which the log has the call."""
    address: str = ""
    """The IP address of the peer; empty when there is none."""
    actor_session_id: str = ""
    """The session of ours that the actor's access token belongs to; empty for all others."""
    actor_scopes: tuple[str, ...] = ()
    """What the actor might do when the call was let in. A change needs that it still may."""
