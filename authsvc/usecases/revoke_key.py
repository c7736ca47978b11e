"""RevokeKey: the end of a key, by its id or by whoever holds its secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from authsvc.domain import ids
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import KeyNotFound
from authsvc.domain.key_revocation import check_why
from authsvc.domain.key_secrets import digest_of, is_key_secret
from authsvc.domain.keys import Key, KeyOwner, RevocationReason
from authsvc.domain.origin import Origin
from authsvc.usecases.call import Call


@dataclass(frozen=True, slots=True)
class RevokeKeyCommand:
    """Which key to end, and why."""

    key_id: str | None = None
    secret: str | None = field(default=None, repr=False)
    reason: RevocationReason | None = RevocationReason.UNSPECIFIED
    """None: a value that this version does not know."""
    note: str = ""


class KeyStore(Protocol):
    """Where keys are found and ended."""

    async def find_key_owner(self, key_id: str, deadline: Deadline) -> KeyOwner | None:
        """Return whose key has this id, or None when there is no such key."""
        ...

    async def find_key_owner_by_digest(self, digest: bytes, deadline: Deadline) -> KeyOwner | None:
        """Return whose key has this digest, or None when there is no such key."""
        ...

    async def revoke_key(
        self,
        key_id: str,
        *,
        revoke_time: datetime,
        reason: RevocationReason,
        note: str,
        origin: Origin,
        deadline: Deadline,
    ) -> Key:
        """End a key; one that is revoked already stays as it is.

        Returns:
            The revoked key, with the revision of the change that revoked it.

        Raises:
            KeyNotFound: There is no such key.
            DatabaseUnavailable: The database did not answer before the deadline; the key may
                have been ended all the same.
        """
        ...


class RevokeKey:
    """Ends API keys."""

    def __init__(self, *, store: KeyStore, clock: Clock) -> None:
        """Take the store and the source of time."""
        self._store = store
        self._clock = clock

    async def __call__(self, command: RevokeKeyCommand, call: Call) -> Key:
        """End a key for good. Repeating it changes nothing.

        Returns:
            The revoked key.

        Raises:
            CallerNotPermitted: By id only: the caller may manage no keys.
            InvalidRequest: The command breaks bounds.
            KeyNotFound: There is no such key, or the caller may not see it.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        if command.secret is None:
            call.caller.require_key_management()
        reason = _check(command)
        owner = await self._find_owner(command, call)
        return await self._store.revoke_key(
            owner.key_id,
            revoke_time=self._clock(),
            reason=reason,
            note=command.note,
            origin=call.origin,
            deadline=call.deadline,
        )

    async def _find_owner(self, command: RevokeKeyCommand, call: Call) -> KeyOwner:
        if command.secret is not None:
            owner = await self._store.find_key_owner_by_digest(
                digest_of(command.secret), call.deadline
            )
            # To hold the secret is right enough, whosesoever the key.
            permitted = owner is not None
        else:
            owner = await self._store.find_key_owner(command.key_id or "", call.deadline)
            permitted = owner is not None and call.caller.may_manage_keys_of(
                owner.account_id, is_system=owner.is_system
            )
        if owner is None or not permitted:
            raise KeyNotFound
        return owner


def _check(command: RevokeKeyCommand) -> RevocationReason:
    violations = Violations()
    if command.secret is not None:
        if not is_key_secret(command.secret):
            violations.add("secret", "is orch_ and 40 hexadecimal characters")
    elif command.key_id is not None:
        violations.check_id("key_id", command.key_id, ids.KEY)
    else:
        violations.add("target", "is required: key_id or secret")
    reason = check_why(violations, command.reason, command.note)
    violations.raise_if_any()
    return reason
