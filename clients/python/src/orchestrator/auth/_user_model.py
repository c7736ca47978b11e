"""What the clients return about users: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.auth._enums import UserRole, UserState


@dataclass(frozen=True, slots=True)
class User:
    """A user of an account. `user_id` is the `sub` of the user's access tokens."""

    user_id: str
    account_id: str
    email: str
    display_name: str
    role: UserRole
    state: UserState
    create_time: datetime
    last_login_time: datetime | None
    password_set: bool
    password_change_time: datetime | None
    etag: str
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class ChangedUser:
    """A user as it is after a change, its creation included, and the revision of that change.

    `revision` is what `validate` takes as `at_least_revision`.
    """

    user: User
    revision: int
