"""Records of one kind: from memory while that is fresh enough, else from the database.

The promise: an answer from memory reflects every change that was committed before its `as_of`, and
that is at most `max_staleness` ago (docs/freshness.md). What is read while a change passes by is
used for the call that read it, whose reading it is true of, and not kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, NamedTuple, TypeVar

from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import DatabaseUnavailable, TooManyLookups
from authsvc.domain.freshness import NO_DEMAND, Freshness, FreshnessDemand, FreshnessSource
from authsvc.domain.record_cache import RecordCache
from authsvc.usecases.followed_log import FollowedLog

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Found(NamedTuple, Generic[V]):
    """A record, or None where there is none, and how old this knowledge is."""

    record: V | None
    freshness: Freshness


@dataclass(frozen=True, slots=True)
class LookupBounds:
    """How much is kept and read at once, and what is good without the database."""

    records: int
    """The most records to keep."""
    absent: int
    """The most keys to keep that no record exists for."""
    reads: int
    """The most reads to have under way."""
    outage_max_staleness: timedelta | None
    """How old records may be to answer while the database is away; None: they may not."""


@dataclass(frozen=True, slots=True)
class LookupFigures:
    """How memory has served since the start of this process."""

    hits: int
    """How often it had a record."""
    absent_hits: int
    """How often it knew that there is none."""
    misses: int
    """How many records were read from the database."""
    entries: int
    absent_entries: int
    evictions: int
    reads_in_flight: int


class FreshLookup(Generic[K, V]):
    """Looks records of one kind up."""

    def __init__(
        self,
        *,
        log: FollowedLog,
        read: Callable[[Sequence[K], Deadline], Awaitable[Mapping[K, V]]],
        tags: Callable[[V], tuple[str, ...]],
        is_final: Callable[[V], bool],
        bounds: LookupBounds,
        clock: Clock,
    ) -> None:
        """Keep nothing yet.

        Args:
            log: Says how fresh the records in memory are.
            read: Reads records from the database; leaves out those that do not exist.
            tags: Names the ids whose change drops a record.
            is_final: Tells of a record that can never be otherwise, such as a revoked key.
            bounds: How much is kept and read at once.
            clock: Tells when a read began.
        """
        self._log = log
        self._read = read
        self._tags = tags
        self._is_final = is_final
        self._records: RecordCache[K, V] = RecordCache(bounds.records)
        self._absent: RecordCache[K, bool] = RecordCache(bounds.absent)
        # Taken out here, for almost every call asks it: a frame less.
        self.remembered: Callable[[K], V | None] = self._records.find
        """Returns a record from memory, or None; it counts only while `freshness_for` says so."""
        self._bounds = bounds
        self._reads = 0
        self._misses = 0
        self._flights: dict[K, asyncio.Future[Found[V] | None]] = {}
        self._database_away = False
        self._clock = clock

    def __len__(self) -> int:
        return len(self._records)

    def figures(self) -> LookupFigures:
        """Tell how memory has served."""
        records, absent = self._records, self._absent
        return LookupFigures(
            hits=records.hits,
            absent_hits=absent.hits,
            misses=self._misses,
            entries=len(records),
            absent_entries=len(absent),
            evictions=records.evictions + absent.evictions,
            reads_in_flight=self._reads,
        )

    def knows(self, key: K) -> bool:
        """Tell whether memory has a record, fresh or not."""
        return key in self._records

    def find_now(self, key: K, demand: FreshnessDemand = NO_DEMAND) -> Found[V] | None:
        """Return what memory has to say, or None when the database must be asked.

        A plain function: what it says is true at one moment.
        """
        freshness = self._log.freshness_for(demand)
        if freshness is None:
            return None
        record = self.remembered(key)
        return Found(record, freshness) if record is not None or self.knows_absent(key) else None

    def freshness_for(self, demand: FreshnessDemand) -> Freshness | None:
        """Return how fresh what is remembered is, or None when that is not fresh enough."""
        return self._log.freshness_for(demand)

    def knows_absent(self, key: K) -> bool:
        """Tell whether a record is known not to exist; it counts while `freshness_for` says so."""
        return self._absent.find(key) is not None

    async def find(
        self, key: K, deadline: Deadline, demand: FreshnessDemand = NO_DEMAND
    ) -> Found[V]:
        """Return a record, from memory or from the database.

        Raises:
            DatabaseUnavailable: It must be read and cannot be before the deadline.
            TooManyLookups: It must be read and too many others are being read.
        """
        found = self.find_now(key, demand)
        while found is None:
            if demand is not NO_DEMAND:
                # Read for this call alone: a read that is under way began before it.
                return (await self.read_all([key], deadline, demand))[key]
            flight = self._flights.get(key)
            if flight is None:
                return await self._lead(key, deadline)
            # Somebody is reading it. When that comes to nothing, this call reads it itself.
            await asyncio.wait([flight], timeout=max(0, deadline.remaining()))
            found = flight.result() if flight.done() else self._recall(key, demand)
            if found is None and not flight.done():
                raise DatabaseUnavailable("another call's read")
        return found

    def drop(self, tags: Iterable[str], *, created: bool) -> None:
        """Drop what changed.

        Args:
            tags: The ids of what changed.
            created: Whether something came to exist: then nothing is known to be absent.
        """
        self._records.drop(tags)
        # Who asks from now on must not share a read that began before the change.
        self._flights = {}
        if created:
            self._absent.clear()

    def clear(self) -> None:
        """Drop everything."""
        self._flights = {}
        self._records.clear()
        self._absent.clear()

    async def _lead(self, key: K, deadline: Deadline) -> Found[V]:
        """Read a record for this call and for those that will wait for it."""
        flight: asyncio.Future[Found[V] | None] = asyncio.get_running_loop().create_future()
        self._flights[key] = flight
        found: Found[V] | None = None
        try:
            found = (await self.read_all([key], deadline))[key]
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]
            flight.set_result(found)
        return found

    async def read_all(
        self, keys: Sequence[K], deadline: Deadline, demand: FreshnessDemand = NO_DEMAND
    ) -> dict[K, Found[V]]:
        """Read records from the database, all with one statement.

        Raises:
            DatabaseUnavailable: They cannot be read before the deadline.
            TooManyLookups: Too many others are being read.
        """
        # While the database is away, one call at a time finds out whether it is back. The others
        # are not held up by a database that hangs, where memory may answer them.
        if self._reads and (self._database_away or self._reads >= self._bounds.reads):
            recalled = self._recall_all(keys, demand)
            if recalled is not None:
                return recalled
        if self._reads >= self._bounds.reads:
            raise TooManyLookups
        as_of, records_stamp, absent_stamp = self._clock(), self._records.stamp, self._absent.stamp
        self._reads += 1
        self._misses += len(keys)
        try:
            records = await self._read(keys, deadline)
        except DatabaseUnavailable:
            self._database_away = True
            recalled = self._recall_all(keys, demand)
            if recalled is None:
                raise
            return recalled
        finally:
            self._reads -= 1
        self._database_away = False
        freshness = Freshness(FreshnessSource.DATABASE, as_of)
        for key in keys:
            record = records.get(key)
            if record is not None:
                self._records.keep(key, record, self._tags(record), records_stamp)
            else:
                self._absent.keep(key, value=True, tags=(), stamp=absent_stamp)
        return {key: Found(records.get(key), freshness) for key in keys}

    def _recall_all(self, keys: Sequence[K], demand: FreshnessDemand) -> dict[K, Found[V]] | None:
        """Return what may be answered while the database is away, or None if not all may."""
        recalled = {key: self._recall(key, demand) for key in keys}
        found = {key: one for key, one in recalled.items() if one is not None}
        return found if len(found) == len(recalled) else None

    def _recall(self, key: K, demand: FreshnessDemand) -> Found[V] | None:
        """Return what may be answered while the database is away, or None.

        What is known to be absent may have come to exist, so it is no answer. What is final
        stays true for ever.
        """
        record, watermark, age = self._records.find(key), self._log.watermark, self._log.age()
        if record is not None and watermark is not None and age is not None:
            limit = self._bounds.outage_max_staleness
            allowed = limit is not None and age <= limit.total_seconds() and demand == NO_DEMAND
            if allowed or self._is_final(record):
                return Found(record, Freshness(FreshnessSource.STALE, watermark.as_of))
        return None
