"""The audit log: what was done, or tried, to keys, accounts and users, by whom, and from where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from authsvc.domain.origin import ActorKind, Origin

DONE: Final = "OK"
"""The outcome of what was done; any other is the reason of a refusal."""


class TargetKind(StrEnum):
    """What kind of thing an action is about."""

    KEY = "KEY"
    ACCOUNT = "ACCOUNT"
    SIGNING_KEY = "SIGNING_KEY"
    USER = "USER"
    SESSION = "SESSION"


class OutcomeClass(StrEnum):
    """What became of an action."""

    ANY = "ANY"
    SUCCEEDED = "SUCCEEDED"
    DENIED = "DENIED"


LOGINS: Final = frozenset({ActorKind.OPERATOR, ActorKind.DATABASE})
"""Actors whose id is the name of a login or role."""


@dataclass(frozen=True, slots=True)
class Target:
    """What an action is about."""

    kind: TargetKind
    target_id: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """What is written of an action that changed nothing: it was refused, or a repeat."""

    origin: Origin
    target: Target | None
    """None when the request names nothing, or nothing that could be an id."""
    account_id: str
    """Whose affair it is; empty: the actor's own account."""
    outcome: str = DONE


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A row of the audit log."""

    event_id: str
    event_time: datetime
    actor_kind: ActorKind | None
    """None: one of a later version."""
    actor_id: str
    actor_account_id: str
    action: str
    target_kind: TargetKind | None
    """None: there is no target, or it is one of a later version."""
    target_id: str
    account_id: str
    request_id: str
    address: str
    outcome: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    def as_shown_to(self, account_id: str) -> AuditEvent:
        """Return the event as the credentials of an account may see it.

        They learn which key, user or certificate acted, whosesoever it is. From where others call,
        and the names of logins, are not their affair.
        """
        if account_id == self.actor_account_id:
            return self
        is_login = self.actor_kind is None or self.actor_kind in LOGINS
        return replace(self, address="", actor_id="" if is_login else self.actor_id)


@dataclass(frozen=True, slots=True)
class AuditPosition:
    """The place of an event in the log, which is ordered by time and then by id."""

    event_time: datetime
    event_id: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events are wanted; what is empty does not matter."""

    account_id: str = ""
    actor_id: str = ""
    target_id: str = ""
    actions: tuple[str, ...] = ()
    """Full names of methods, or what follows the slash in them."""
    outcome: OutcomeClass = OutcomeClass.ANY
    start_time: datetime | None = None
    """From this moment on."""
    end_time: datetime | None = None
    """Before this moment."""
    shown_to: str = ""
    """The account as whose credentials the events are shown: what those do not show of an actor, no
    filter finds. Empty: they are shown whole."""
