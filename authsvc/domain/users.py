"""Users: people who act for an account, in one of three roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from authsvc.domain.scopes import ALL


class UserRole(StrEnum):
    """What a user is to the account."""

    OWNER = "OWNER"
    MEMBER = "MEMBER"
    VIEWER = "VIEWER"


class UserState(StrEnum):
    """Whether a user's tokens are good."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"


ROLE_SCOPES: Final[Mapping[UserRole, frozenset[str]]] = MappingProxyType(
    {
        UserRole.OWNER: frozenset({ALL}),
        UserRole.MEMBER: frozenset({"sessions:*"}),
        UserRole.VIEWER: frozenset({"sessions:read"}),
    }
)
"""The most that a token of a user in each role may do. Keys and users are the owners' business."""


@dataclass(frozen=True, slots=True)
class User:
    """A user as those who manage it see it, without the password's hash."""

    user_id: str
    account_id: str
    email: str
    display_name: str
    role: UserRole
    create_time: datetime
    revision: int
    """The revision of the last change to this user; it identifies its present form."""
    disabled: bool = False
    password_change_time: datetime | None = None
    """When the password was set; None for a user that has none, and so cannot log in with one."""
    last_login_time: datetime | None = None

    @property
    def state(self) -> UserState:
        """Whether the user's tokens are good."""
        return UserState.DISABLED if self.disabled else UserState.ACTIVE

    @property
    def etag(self) -> str:
        """What identifies the present form of this user (AIP-154)."""
        return f'"{self.revision:x}"'

    @property
    def is_active_owner(self) -> bool:
        """Whether the user can manage the account; every account with users keeps one who can."""
        return self.role is UserRole.OWNER and not self.disabled


class UserWithPassword(NamedTuple):
    """A user, and the hash of its password."""

    user: User
    password_hash: str | None
    """None when the user has no password."""

    def __repr__(self) -> str:
        """Return a text without the hash."""
        return f"UserWithPassword({self.user.user_id})"


@dataclass(frozen=True, slots=True)
class UserRecord:
    """What a user's access tokens are judged by."""

    user_id: str
    account_id: str
    role: UserRole
    disabled: bool

    @property
    def most_scopes(self) -> frozenset[str] | None:
        """What tokens are narrowed to, whatever they say; None for an owner, who may do all."""
        return None if self.role is UserRole.OWNER else ROLE_SCOPES[self.role]
