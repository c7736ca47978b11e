"""What `watch` tells: frozen values. Depends on nothing.

`revision` names the change after which a later `watch` can go on; see `AuthClient.watch`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class KeyRevoked:
    """A key was revoked."""

    key_id: str
    account_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class KeyChanged:
    """What is known of a key no longer holds: it was disabled, narrowed or changed otherwise."""

    key_id: str
    account_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class AccountChanged:
    """What is known of an account, its keys and its users no longer holds."""

    account_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class UserChanged:
    """What is known of a user and its tokens no longer holds: it was disabled, for instance."""

    user_id: str
    account_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class SessionRevoked:
    """A session was ended: its access tokens are denied from now on."""

    session_id: str
    user_id: str
    account_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Every change committed before `as_of`, by the server's clock, has been told."""

    as_of: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Something may have happened that was not told: drop all that is kept."""

    revision: int


Event: TypeAlias = (
    KeyRevoked | KeyChanged | AccountChanged | UserChanged | SessionRevoked | Heartbeat | Reset
)
"""Whatever a watch tells. No other kinds will come: what is new to this client is a `Reset`."""
