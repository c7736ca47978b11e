"""GetKey: one key as its owner sees it."""

from __future__ import annotations

from authsvc.domain import ids
from authsvc.domain.bounds import Violations
from authsvc.domain.keys import Key
from authsvc.usecases.call import Call
from authsvc.usecases.managed_keys import Keys, get_managed_key


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
        return (await get_managed_key(self._keys, key_id, call)).key
