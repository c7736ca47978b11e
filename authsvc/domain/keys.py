"""API keys: what is kept of them, and the states of their life."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from authsvc.domain.accounts import Account, AccountState
from authsvc.domain.address_rules import address_rules
from authsvc.domain.principals import Principal, PrincipalKind
from authsvc.domain.rate_limits import RateLimit
from authsvc.domain.scopes import without_reserved

_NO_METADATA: Final[Mapping[str, str]] = MappingProxyType({})


class KeyState(StrEnum):
    """The state of a key; EXPIRED is derived from the time, REVOKED is final."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


class RevocationReason(StrEnum):
    """Why a key was revoked, as the one who revoked it said."""

    UNSPECIFIED = "UNSPECIFIED"
    COMPROMISED = "COMPROMISED"
    SUPERSEDED = "SUPERSEDED"
    NO_LONGER_USED = "NO_LONGER_USED"
    PRIVILEGE_WITHDRAWN = "PRIVILEGE_WITHDRAWN"


@dataclass(frozen=True, slots=True)
class Key:
    """A key as its owner sees it, without the secret."""

    key_id: str
    account_id: str
    name: str
    scopes: tuple[str, ...]
    hint: str
    create_time: datetime
    expire_time: datetime | None
    metadata: Mapping[str, str]
    revision: int
    """The revision of the last change to this key; it identifies its present form."""
    disabled: bool = False
    revoke_time: datetime | None = None
    revoke_reason: RevocationReason = RevocationReason.UNSPECIFIED
    revoke_note: str = ""
    last_use_time: datetime | None = None
    superseded_by: str = ""
    """The key that takes its place; empty when it was not rotated."""
    supersedes: str = ""
    """The key whose place it took; empty when there was none."""
    allowed_addresses: tuple[str, ...] = ()
    """Addresses and networks that it may be used from, normalised; empty: from anywhere."""
    rate_limit: RateLimit | None = None
    """How often it may be used; None: without a limit of its own."""

    @property
    def etag(self) -> str:
        """What identifies the present form of this key (AIP-154)."""
        return f'"{self.revision:x}"'

    def state_at(self, now: datetime) -> KeyState:
        """Return the state at a moment: revoked before disabled before expired."""
        if self.revoke_time is not None:
            return KeyState.REVOKED
        if self.disabled:
            return KeyState.DISABLED
        if self.expire_time is not None and self.expire_time <= now:
            return KeyState.EXPIRED
        return KeyState.ACTIVE


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """Which key it is, and whose."""

    key_id: str
    account_id: str
    is_system: bool
    """Whether the account is the system account."""


class KeyRecord:
    """What a key is judged by. The verdict is made anew for every call, never kept.

    Everything here but the time is settled when the record is read, so the principal of a good
    key is built once per record and not once per call.
    """

    __slots__ = (
        "account_disabled",
        "addresses",
        "disabled",
        "expire_time",
        "principal",
        "rate_limit",
        "revoked",
    )

    def __init__(
        self,
        *,
        key_id: str,
        name: str,
        account_id: str,
        account_state: AccountState,
        account_is_system: bool,
        scopes: tuple[str, ...],
        metadata: Mapping[str, str],
        expire_time: datetime | None,
        disabled: bool,
        revoked: bool,
        superseded_by: str = "",
        allowed_addresses: tuple[str, ...] = (),
        rate_limit: RateLimit | None = None,
    ) -> None:
        """Take a record as the store has it.

        Reserved scopes outside the system account are dropped here: should one ever get into
        the database, it opens nothing. What many records have alike they share, for there are
        many in memory.
        """
        self.revoked = revoked
        self.disabled = disabled
        self.expire_time = expire_time
        self.addresses = address_rules(allowed_addresses)
        self.rate_limit = rate_limit
        self.account_disabled = account_state is AccountState.DISABLED
        self.principal = Principal(
            kind=PrincipalKind.API_KEY,
            account_id=sys.intern(account_id),
            scopes=_shared(scopes if account_is_system else without_reserved(scopes)),
            is_system=account_is_system,
            expire_time=expire_time,
            key_id=key_id,
            key_name=name,
            metadata=metadata or _NO_METADATA,
            superseded_by=superseded_by,
        )


@functools.lru_cache(maxsize=4096)
def _shared(scopes: tuple[str, ...]) -> frozenset[str]:
    return frozenset(scopes)


@dataclass(frozen=True, slots=True)
class OwnedKey:
    """A key and the account that it belongs to."""

    key: Key
    account: Account

    @property
    def opens(self) -> tuple[str, ...]:
        """The scopes that count: no reserved one outside the system account."""
        return self.key.scopes if self.account.is_system else without_reserved(self.key.scopes)


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Which keys of an account are meant: those that match all that is set."""

    account_id: str
    as_of: datetime
    """The moment by which states are told."""
    states: tuple[KeyState, ...] = ()
    """Empty: any."""
    name_prefix: str = ""
    last_used_before: datetime | None = None
    """A key without a use on record counts as not used since it was created."""
    expiring_before: datetime | None = None
    """Keys without expiry never match."""
