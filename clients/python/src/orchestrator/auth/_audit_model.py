"""What the clients return of the audit log: frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from orchestrator.auth._enums import ActorKind, TargetKind


@dataclass(frozen=True, slots=True)
class AuditActor:
    """Who did something."""

    kind: ActorKind
    actor_id: str
    """A key's, user's or certificate's id, an operator's login or a database role; may be empty."""
    account_id: str
    """For whom; empty where there is no account."""


@dataclass(frozen=True, slots=True)
class AuditTarget:
    """What something was done to."""

    kind: TargetKind
    target_id: str


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something that was done to a key, an account or a user, or that somebody was refused."""

    event_id: str
    event_time: datetime
    actor: AuditActor
    action: str
    """A method's full name, such as `orchestrator.auth.v1.AuthService/CreateKey`, a command such as
    `authsvc bootstrap`, or a statement such as `UPDATE authsvc.keys`."""
    target: AuditTarget | None
    """None: an attempt that named nothing."""
    account_id: str
    """Whose affair it is; may be empty."""
    request_id: str
    address: str
    """The IP address of the peer; empty where there was none, or it is not shown."""
    outcome: str
    """`OK`, or why it was refused: the name of an `ErrorReason` after `ERROR_REASON_`."""
    before: Mapping[str, object] | None = field(hash=False)
    """The fields that differ, as they were; None: nothing was there, or nothing changed."""
    after: Mapping[str, object] | None = field(hash=False)
    """The fields that differ, as they are; None: nothing is there, or nothing changed."""

    @property
    def succeeded(self) -> bool:
        """Whether it was done, and not refused."""
        return self.outcome == "OK"
