"""A bounded cache of records, safe against the race between a read and a change.

It keeps records and never verdicts: what time, scopes and addresses have to say is judged on each
call. Entries have no time to live; they leave when a change names them, or when there are too many.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class RecordCache(Generic[K, V]):
    """Keeps the most recently used records.

    A record is filed under its key and under tags, such as the ids of what it was read from. A
    change drops all records with a tag. Between the reading of a record and its keeping a change
    may pass that no entry was there for yet; `keep` therefore takes the stamp that was current
    when the reading began, and keeps nothing if any change passed since.
    """

    def __init__(self, capacity: int) -> None:
        """Keep at most `capacity` records; at least 1."""
        self._capacity = capacity
        self._entries: OrderedDict[K, tuple[V, tuple[str, ...]]] = OrderedDict()
        self._tagged: dict[str, K | set[K]] = {}
        self.stamp = 0
        """Changes whenever something is dropped because it changed."""
        self.evictions = 0
        self.hits = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def find(self, key: K) -> V | None:
        """Return a record and mark it as used, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        self.hits += 1
        return entry[0]

    def keep(self, key: K, value: V, tags: tuple[str, ...], stamp: int) -> None:
        """Keep a record, unless something was dropped since the stamp was taken.

        Args:
            key: What it is found by.
            value: The record.
            tags: What drops it.
            stamp: `stamp` from before the record was read.
        """
        if stamp != self.stamp:
            return
        self._remove(key)
        self._entries[key] = (value, tags)
        for tag in tags:
            self._tag(tag, key)
        while len(self._entries) > self._capacity:
            self._remove(next(iter(self._entries)))
            self.evictions += 1

    def drop(self, tags: Iterable[str]) -> None:
        """Drop every record with one of the tags, and whatever is being read right now."""
        self.stamp += 1
        for tag in tags:
            keys = self._tagged.get(tag)
            if keys is not None:
                for key in list(keys) if isinstance(keys, set) else [keys]:
                    self._remove(key)

    def clear(self) -> None:
        """Drop everything, and whatever is being read right now."""
        self.stamp += 1
        self._entries.clear()
        self._tagged.clear()

    def _tag(self, tag: str, key: K) -> None:
        # Most tags name one record: a set for each would outweigh the record.
        keys = self._tagged.get(tag)
        if keys is None:
            self._tagged[tag] = key
        elif isinstance(keys, set):
            keys.add(key)
        elif keys != key:
            self._tagged[tag] = {keys, key}

    def _remove(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        for tag in entry[1]:
            keys = self._tagged[tag]
            if isinstance(keys, set):
                keys.discard(key)
                if not keys:
                    del self._tagged[tag]
            else:
                del self._tagged[tag]
