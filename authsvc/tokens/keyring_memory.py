"""What is in memory of the keyring, and what it may answer: rules without input or output."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from authsvc.domain.freshness import Freshness
from authsvc.tokens.stored_keys import VerificationKey

_SEARCH_AGAIN_AFTER: Final = timedelta(seconds=1).total_seconds()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one read of the keyring has found."""

    keys: Mapping[str, VerificationKey]
    freshness: Freshness
    """What those are told who are answered from memory."""
    read_at: float
    number: int
    """Which read it came of, counted from 1."""


class KeyringMemory:
    """Keeps the latest snapshot."""

    def __init__(
        self,
        *,
        max_age: timedelta,
        outage_max_age: timedelta | None,
        monotonic: Callable[[], float],
    ) -> None:
        """Take how old a snapshot may be.

        Args:
            max_age: To verify tokens with.
            outage_max_age: The same while the database is away; None: no older.
            monotonic: Seconds from a clock that never goes back.
        """
        self._max_age = max_age.total_seconds()
        self._outage_max_age = 0.0 if outage_max_age is None else outage_max_age.total_seconds()
        self._monotonic = monotonic
        self._snapshot: Snapshot | None = None
        self.reads = 0
        """How many reads have begun. Counted, as two moments of a coarse clock can be the same."""
        self._good_from = 0
        """The number of the first read that knows of the latest change."""
        self._searched_at = -math.inf
        """When the last read began that was made for a key, and did not find it."""

    def begin_read(self) -> int:
        """Return the number of a read that begins now."""
        self.reads += 1
        return self.reads

    def keep(self, snapshot: Snapshot, kid: str | None) -> None:
        """Keep what a read has found that was made for a key, or for all there are (None)."""
        self._snapshot = snapshot
        if kid is not None and kid not in snapshot.keys:
            self._searched_at = snapshot.read_at

    def forget(self) -> None:
        """Answer from nothing that was read before: the keyring may have changed."""
        # A read that is under way may have begun before the change.
        self._good_from = self.reads + 1

    def find_key(self, kid: str) -> tuple[VerificationKey, Freshness] | None:
        """Return a key and its age, if it is in a snapshot that is fresh enough; else None."""
        snapshot = self._snapshot
        if snapshot is None or snapshot.number < self._good_from:
            return None
        if self._monotonic() - snapshot.read_at > self._max_age:
            return None
        key = snapshot.keys.get(kid)
        return None if key is None else (key, snapshot.freshness)

    def find(self, kid: str | None, after: int | None) -> Snapshot | None:
        """Return the snapshot if it can answer.

        Args:
            kid: What is looked up; None: all there is.
            after: The number of a read: only a later one can answer. None: one that is young
                enough can.
        """
        snapshot = self._snapshot
        if snapshot is None:
            return None
        if after is not None:
            return snapshot if snapshot.number > after else None
        if snapshot.number < self._good_from:
            return None
        now = self._monotonic()
        if kid is not None and kid not in snapshot.keys:
            # However young the snapshot is, the key may be younger.
            return snapshot if now - self._searched_at <= _SEARCH_AGAIN_AFTER else None
        return snapshot if now - snapshot.read_at <= self._max_age else None

    def find_stale(self, kid: str | None) -> Snapshot | None:
        """Return the snapshot if it may answer while the database is away, or None.

        A key that is not in it may have come to exist, so that is no answer. Nor is one that was
        read before a change that this process was told of: the key may be what was taken out.
        """
        snapshot = self._snapshot
        if snapshot is None or snapshot.number < self._good_from:
            return None
        if self._monotonic() - snapshot.read_at > self._outage_max_age:
            return None
        return snapshot if kid is None or kid in snapshot.keys else None
