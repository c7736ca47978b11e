"""What the clients return about the use of keys: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from orchestrator.auth._enums import DenialReason


@dataclass(frozen=True, slots=True)
class UsageInterval:
    """What was counted in an hour, or a day in UTC."""

    start_time: datetime
    granted: int
    """How often a key was found good."""
    denials: Mapping[DenialReason, int]
    """How often it was refused, by reason; only reasons that occurred."""

    @property
    def denied(self) -> int:
        """How often it was refused, for whatever reason."""
        return sum(self.denials.values())


@dataclass(frozen=True, slots=True)
class ClientAddressUsage:
    """The use of a key from one client address."""

    address: str
    first_seen_time: datetime
    last_seen_time: datetime
    call_count: int
    """Since it was first seen; refused calls, too."""
    is_new: bool
    """Whether it may be a stranger: first seen within 7 days, while the key was in use before."""


@dataclass(frozen=True, slots=True)
class CallerUsage:
    """The use of a key by one caller of the service."""

    key_id: str | None
    """The caller's own key. None for a caller with a client certificate, and for the service
    itself, which the key's holder called directly."""
    name: str | None
    """The name of the caller's key; None when there is none, or none to be seen."""
    first_seen_time: datetime
    last_seen_time: datetime
    call_count: int
    """Since it was first seen; refused calls, too."""
    certificate_name: str | None = None
    """The name of the caller's certificate, a URI or a DNS name; None when it has none."""


@dataclass(frozen=True, slots=True)
class KeyUsage:
    """How a key is used."""

    intervals: tuple[UsageInterval, ...]
    """Oldest first, without gaps."""
    granted_count: int
    """In all intervals together."""
    denied_count: int
    """In all intervals together."""
    last_use_time: datetime | None
    """To about a minute; be that within the intervals or not."""
    client_addresses: tuple[ClientAddressUsage, ...]
    """Of all time; most recently seen first, at most 100."""
    callers: tuple[CallerUsage, ...]
    """Of all time; most recently seen first, at most 100."""


@dataclass(frozen=True, slots=True)
class AccountUsage:
    """How the keys of an account are used together."""

    intervals: tuple[UsageInterval, ...]
    """Oldest first, without gaps."""
    granted_count: int
    """In all intervals together."""
    denied_count: int
    """In all intervals together."""
