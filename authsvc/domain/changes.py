"""Changes: what a validation must reflect, in the order in which it became visible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class ChangeKind(StrEnum):
    """What changed."""

    ACCOUNT_CREATED = "ACCOUNT_CREATED"
    ACCOUNT_CHANGED = "ACCOUNT_CHANGED"
    KEY_CREATED = "KEY_CREATED"
    KEY_CHANGED = "KEY_CHANGED"
    KEY_REVOKED = "KEY_REVOKED"
    USER_CREATED = "USER_CREATED"
    USER_CHANGED = "USER_CHANGED"
    SESSION_REVOKED = "SESSION_REVOKED"
    KEYRING_CHANGED = "KEYRING_CHANGED"
    """Signing keys were added, removed or changed; it is about no account."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the change log."""

    revision: int
    kind: ChangeKind
    account_id: str
    key_id: str
    """Empty when the account itself changed, a user, or a session."""
    user_id: str = ""
    """The user that changed, or whose session was ended; else empty."""
    session_id: str = ""
    """Empty when no session was ended."""


@dataclass(frozen=True, slots=True)
class ChangeLogPage:
    """Some changes, and the state of the log at the moment of reading."""

    changes: list[Change]
    newest: int
    """The newest revision; 0 for a log that never had any."""
    pruned_through: int
    """The changes up to this revision are no longer in the log."""

    def follows(self, revision: int) -> bool:
        """Tell whether a reader at this revision missed nothing by reading this page.

        It did when the log was pruned past it, or when the log is that of a database which lost
        its latest commits, restored or failed over, and will give their numbers away again.
        """
        return self.pruned_through <= revision <= self.newest


@dataclass(frozen=True, slots=True)
class Watermark:
    """Up to when a reader of the change log has seen everything."""

    revision: int
    """All changes up to this revision have been seen."""
    as_of: datetime
    """All that was committed before this moment has been seen."""
    as_of_monotonic: float
    """The same moment in seconds of a clock that never goes back."""


class ChangeListener(Protocol):
    """Is told of every change, in order."""

    def on_changes(self, changes: Sequence[Change]) -> None:
        """Take note of changes. They are not repeated."""
        ...

    def on_caught_up(self, watermark: Watermark) -> None:
        """Take note that all changes up to a moment have been told."""
        ...

    def on_gap(self) -> None:
        """Forget what rests on earlier changes: some may have been missed."""
        ...
