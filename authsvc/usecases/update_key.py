"""UpdateKey: other attributes of a key that stays the same key; switched off and on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol

from authsvc.domain import ids
from authsvc.domain.address_rules import normalised
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import EtagMismatch, KeyRevoked, KeySuperseded
from authsvc.domain.key_changes import gives_more
from authsvc.domain.keys import Key
from authsvc.domain.origin import Origin
from authsvc.domain.rate_limits import RateLimit
from authsvc.domain.update_masks import check_paths
from authsvc.usecases.call import Call
from authsvc.usecases.managed_keys import Keys, get_managed_key

PATHS: Final = (
    "name",
    "scopes",
    "expire_time",
    "metadata",
    "disabled",
    "allowed_addresses",
    "rate_limit",
)
_ATTEMPTS: Final = 5
_OTHER_FIELDS: Final = frozenset(
    {"key_id", "account_id", "state", "hint", "create_time", "revoke_time", "last_use_time"}
    | {"etag", "revoke_reason", "revoke_note"}
)


@dataclass(frozen=True, slots=True)
class UpdateKeyCommand:
    """The change that is asked for."""

    key_id: str
    paths: tuple[str, ...]
    """What to change; empty: whatever is set."""
    etag: str = ""
    """Empty: whatever the key is now."""
    name: str = ""
    scopes: tuple[str, ...] = ()
    expire_time: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    disabled: bool = False
    allowed_addresses: tuple[str, ...] = ()
    rate_limit: RateLimit | None = None


class KeyStore(Keys, Protocol):
    """Where keys are found and changed."""

    async def replace_key(self, key: Key, origin: Origin, deadline: Deadline) -> Key | None:
        """Write what UpdateKey may change, if the key still has the revision of `key`.

        Returns:
            The key with its new revision; None when it has another revision, or is gone.

        Raises:
            KeyNameTaken: Another live key of the account has this name.
            DatabaseUnavailable: The database did not answer before the deadline; the key may
                have been changed all the same.
        """
        ...


class UpdateKey:
    """Changes API keys."""

    def __init__(self, *, store: KeyStore, clock: Clock) -> None:
        """Take the store and the source of time."""
        self._store = store
        self._clock = clock

    async def __call__(self, command: UpdateKeyCommand, call: Call) -> Key:
        """Change a key.

        Returns:
            The changed key.

        Raises:
            CallerNotPermitted: The caller may manage no keys.
            InvalidRequest: The command breaks bounds, or names what cannot be changed.
            KeyNotFound: There is no such key, or the caller may not see it.
            KeyRevoked: The key is revoked.
            KeySuperseded: The key was rotated, and would be good where it is not now.
            EtagMismatch: The key is not the one of the etag, or others keep changing it.
            ScopeNotGrantable: The caller may not grant one of the scopes.
            KeyNameTaken: Another live key of the account has this name.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require_key_management()
        changes = _changes(command, self._clock())
        for _ in range(_ATTEMPTS):
            found = await get_managed_key(self._store, command.key_id, call)
            if found.key.revoke_time is not None:
                raise KeyRevoked
            if command.etag and command.etag != found.key.etag:
                raise EtagMismatch
            wanted: Key = replace(found.key, **changes)
            more = gives_more(found.key, wanted)
            # Else whoever holds the old secret could undo the rotation.
            if more and found.key.superseded_by:
                raise KeySuperseded(found.key.superseded_by)
            # To let a key be used where it could not be is to grant what it may do.
            if more or "scopes" in changes:
                call.caller.require_grantable(wanted.scopes, found.account)
            changed = await self._store.replace_key(wanted, call.origin, call.deadline)
            if changed is not None:
                return changed
        raise EtagMismatch


def _changes(command: UpdateKeyCommand, now: datetime) -> dict[str, Any]:
    paths = command.paths or tuple(path for path in PATHS if getattr(command, path))
    violations = Violations()
    violations.check_id("key.key_id", command.key_id, ids.KEY)
    check_paths(violations, paths, PATHS, _OTHER_FIELDS)
    _check_values(command, paths, now, violations)
    violations.raise_if_any()
    changes: dict[str, Any] = {path: getattr(command, path) for path in paths}
    if "scopes" in changes:
        changes["scopes"] = tuple(sorted(set(command.scopes)))
    if "allowed_addresses" in changes:
        changes["allowed_addresses"] = normalised(command.allowed_addresses)
    return changes


def _check_values(
    command: UpdateKeyCommand, paths: Sequence[str], now: datetime, violations: Violations
) -> None:
    if "name" in paths:
        violations.check_name("key.name", command.name)
    if "scopes" in paths:
        if not command.scopes:
            violations.add("key.scopes", "has at least one entry")
        violations.check_scopes("key.scopes", command.scopes)
    if "metadata" in paths:
        violations.check_metadata("key.metadata", command.metadata)
    if "expire_time" in paths and command.expire_time is not None:
        violations.check_expire_time("key.expire_time", command.expire_time, now)
    if "allowed_addresses" in paths:
        violations.check_allowed_addresses("key.allowed_addresses", command.allowed_addresses)
    if "rate_limit" in paths and command.rate_limit is not None:
        violations.check_rate_limit("key.rate_limit", command.rate_limit)
