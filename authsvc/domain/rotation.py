"""The rules of a rotation: which key may have a successor, and what that is like."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from authsvc.domain.bounds import MAX_LIFETIME
from authsvc.domain.errors import KeyEnded, KeyRevoked, KeySuperseded
from authsvc.domain.key_secrets import KeySecret
from authsvc.domain.keys import Key, KeyState

DEFAULT_OVERLAP: Final = timedelta(hours=24)
MAX_OVERLAP: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Succession:
    """A new key and the end of the one before it."""

    successor: Key
    digest: bytes
    """The SHA-256 digest of the successor's secret."""
    old_expire_time: datetime | None
    old_revoke_time: datetime | None
    """None: the old key goes on until `old_expire_time`."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What is asked for, with what the new key is made of."""

    new_key_id: str
    secret: KeySecret
    now: datetime
    overlap: timedelta
    expire_time: datetime | None = None
    """None: the old key's lifetime, from now."""

    def of(self, old: Key) -> Succession:
        """Apply it to a key.

        Raises:
            KeySuperseded: The key has a successor already.
            KeyRevoked: The key is revoked.
            KeyEnded: The key is expired or disabled: rotating it would revive it.
        """
        if old.superseded_by:
            raise KeySuperseded(old.superseded_by)
        state = old.state_at(self.now)
        if state is KeyState.REVOKED:
            raise KeyRevoked
        if state is not KeyState.ACTIVE:
            raise KeyEnded
        return Succession(
            successor=Key(
                key_id=self.new_key_id,
                account_id=old.account_id,
                name=old.name,
                scopes=old.scopes,
                hint=self.secret.hint(),
                create_time=self.now,
                expire_time=self._expire_time(old),
                metadata=old.metadata,
                revision=0,
                supersedes=old.key_id,
                allowed_addresses=old.allowed_addresses,
                rate_limit=old.rate_limit,
            ),
            digest=self.secret.digest(),
            old_expire_time=self._old_expire_time(old),
            old_revoke_time=None if self.overlap else self.now,
        )

    def _expire_time(self, old: Key) -> datetime | None:
        if self.expire_time is not None or old.expire_time is None:
            return self.expire_time
        return self.now + min(old.expire_time - old.create_time, MAX_LIFETIME)

    def _old_expire_time(self, old: Key) -> datetime | None:
        if not self.overlap:
            return old.expire_time
        end = self.now + self.overlap
        return end if old.expire_time is None else min(end, old.expire_time)
