"""Keys in memory as those who manage them find, list and change them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from authsvc.domain.accounts import Account
from authsvc.domain.clock import Deadline
from authsvc.domain.keys import Key, KeyFilter, OwnedKey
from authsvc.domain.origin import Origin
from authsvc.domain.rate_limits import RateLimit
from tests.unit.examples import ACCOUNT_ID, KEY_ID, NOW, an_account


def a_key(
    key_id: str = KEY_ID,
    *,
    account_id: str = ACCOUNT_ID,
    scopes: tuple[str, ...] = ("*",),
    expire_time: datetime | None = None,
    disabled: bool = False,
    revoke_time: datetime | None = None,
    superseded_by: str = "",
    allowed_addresses: tuple[str, ...] = (),
    rate_limit: RateLimit | None = None,
) -> Key:
    return Key(
        key_id=key_id,
        account_id=account_id,
        name="ci",
        scopes=scopes,
        hint="orch_0000…0001",
        create_time=NOW,
        expire_time=expire_time,
        metadata={},
        revision=1,
        disabled=disabled,
        revoke_time=revoke_time,
        superseded_by=superseded_by,
        allowed_addresses=allowed_addresses,
        rate_limit=rate_limit,
    )


class ManagedKeys:
    """Keys of one account; others may come first with a change."""

    def __init__(self, *keys: Key, account: Account | None = None, races: int = 0) -> None:
        self.keys = {key.key_id: key for key in keys}
        self.account = account or an_account(ACCOUNT_ID)
        self.races = races
        """How often another change comes between a read and a write."""
        self.attempts = 0
        self.wanted: list[KeyFilter] = []

    async def find_key(self, key_id: str, deadline: Deadline) -> OwnedKey | None:
        assert deadline
        key = self.keys.get(key_id)
        return None if key is None else OwnedKey(key, self.account)

    async def replace_key(self, key: Key, origin: Origin, deadline: Deadline) -> Key | None:
        assert origin
        assert deadline
        self.attempts += 1
        present = self.keys[key.key_id]
        if self.races > 0:
            self.races -= 1
            present = self.keys[key.key_id] = replace(present, revision=present.revision + 1)
        if present.revision != key.revision:
            return None
        self.keys[key.key_id] = replace(key, revision=key.revision + 1)
        return self.keys[key.key_id]

    async def list_keys(
        self, wanted: KeyFilter, *, after_key_id: str, limit: int, deadline: Deadline
    ) -> list[Key]:
        assert deadline
        self.wanted.append(wanted)
        return [key for key in self.keys.values() if key.key_id > after_key_id][:limit]
