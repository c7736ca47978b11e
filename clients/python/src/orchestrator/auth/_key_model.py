"""What the clients return about API keys: frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from orchestrator.auth._enums import KeyState, RevocationReason
    from orchestrator.auth._secret import Secret


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How often a key may be used: up to `requests` times in each `period`.

    1 to 1,000,000 requests; whole seconds, from one second to one day.
    """

    requests: int
    period: timedelta


@dataclass(frozen=True, slots=True)
class Key:
    """An API key without its secret. `hint` is for display: `orch_1a2b…c3d4`.

    It is empty for a key that was imported without it.

    `superseded_by` is the id of the key that took its place by `rotate_key`, `supersedes` that of
    the key whose place it took. `allowed_addresses` are the IP addresses and networks that it may
    be used from, empty for anywhere; `rate_limit` is None for a key without a limit of its own.
    """

    key_id: str
    account_id: str
    name: str
    scopes: tuple[str, ...]
    state: KeyState
    hint: str
    create_time: datetime
    expire_time: datetime | None
    revoke_time: datetime | None
    last_use_time: datetime | None
    metadata: Mapping[str, str] = field(hash=False)
    etag: str
    revoke_reason: RevocationReason | None
    revoke_note: str
    disabled: bool = False
    superseded_by: str | None = None
    supersedes: str | None = None
    allowed_addresses: tuple[str, ...] = ()
    rate_limit: RateLimit | None = None


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key with its secret, which is shown this once.

    `revision` is what `validate` takes as `at_least_revision`.
    """

    key: Key
    secret: Secret
    revision: int


@dataclass(frozen=True, slots=True)
class UpdatedKey:
    """A key as it is after a change, and the revision of that change."""

    key: Key
    revision: int


@dataclass(frozen=True, slots=True)
class RotatedKey:
    """A new key with its secret, which is shown this once, and the key whose place it takes.

    `retired_key` has an `expire_time` until which it works, or its `state` says that it has ended.
    `revision` covers both keys; it is what `validate` takes as `at_least_revision`.
    """

    key: Key
    secret: Secret
    retired_key: Key
    revision: int


@dataclass(frozen=True, slots=True)
class RevokedKey:
    """A key that has ended, and the revision of the change that ended it."""

    key: Key
    revision: int
