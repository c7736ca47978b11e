"""GetKey: one key as its owner sees it."""

from __future__ import annotations

from typing import Protocol

from authsvc.domain import ids
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Deadline
from authsvc.domain.errors import KeyNotFound
from authsvc.domain.keys import Key, OwnedKey
from authsvc.usecases.call import Call


class Keys(Protocol):
    """Where keys are read."""

    async def find_key(self, key_id: str, deadline: Deadline) -> OwnedKey | None:
        """Return the key and whose it is, or None when there is no such key."""
        ...


class GetKey:
    """Returns one key."""

    def __init__(self, keys: Keys) -> None:
        """Take where keys are read."""
        self._keys = keys

    async def __call__(self, key_id: str, call: Call) -> Key:
        """Return the key.

        Raises:
            CallerNotPermitted: The caller may manage no keys.
            InvalidRequest: The id is malformed.
            KeyNotFound: There is no such key, or the caller may not see it.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require_key_management()
        violations = Violations()
        violations.check_id("key_id", key_id, ids.KEY)
        violations.raise_if_any()
        found = await self._keys.find_key(key_id, call.deadline)
        if found is None or not call.caller.may_manage_keys_of(
            found.account.account_id, is_system=found.account.is_system
        ):
            raise KeyNotFound
        return found.key
