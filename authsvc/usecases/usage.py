"""What keys are used for: counted in memory, written each interval, thousands by one statement.

Off the path of every call. A clean stop writes all that is counted; a crash loses one interval.
What is written is numbered, so that it can be sent again when nobody knows whether it arrived.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.usage_batches import Combination, UsageBatch, shares_of

MAX_COMBINATIONS: Final = 100_000
"""The most counters by client address and caller; more are told apart by key and outcome only."""
MAX_PENDING: Final = 1_000_000
"""The most counters that wait for the database again; more are dropped, and the log says so."""
MAX_ADDRESS_LENGTH: Final = 64
"""Longer than any IP address. What is longer is counted without an address."""

_LAST_ATTEMPTS: Final = 3
_LAST_PAUSE_SECONDS: Final = 0.1
# Between two turns of others, so that they do not wait for the division of many counters.
_PAUSE_AFTER: Final = 500

Counters = dict[Combination, list[int]]
"""Each a list of one number: to count is a single look-up."""

log = structlog.get_logger()


class UsageStore(Protocol):
    """Where usage is kept."""

    async def add_usage(self, batch: UsageBatch, deadline: Deadline) -> None:
        """Add a batch to what is kept, and note when its keys were last used.

        A batch that was added before, or is older than one that was, changes nothing.

        Args:
            batch: What to add.
            deadline: How long it may take.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline: the batch may
                have been added or not.
        """
        ...


class Uncounted:
    """Counts no use: to explain a key, or to look on, is not to use it."""

    def count(self, key_id: str, outcome: str, client_address: str, caller_id: str) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class _Sealed:
    """Counts to which nothing is added any more."""

    hour: datetime
    began: datetime
    seen_time: datetime
    counts: Counters


@dataclass(slots=True)
class UsageFigures:
    """What became of what was counted, since the start of this process."""

    flushes: int = 0
    """How often all there was has been written."""
    failures: int = 0
    """How often that failed."""
    batches: int = 0
    dropped: int = 0
    """How many verdicts there was no room for."""


class UsageCounter:
    """Counts, and writes what it has counted."""

    def __init__(self, *, store: UsageStore, clock: Clock, writer_id: str) -> None:
        """Take the store, the clock that tells the hours, and a name that no other writer has."""
        self._store = store
        self._clock = clock
        self._writer_id = writer_id
        self._sequence = 0
        self._counts: Counters = {}
        self._hour = hour_of(clock())
        self._sealed: deque[_Sealed] = deque()
        self._batches: deque[UsageBatch] = deque()
        self._batches_began = clock()
        """When the first was counted of what is in `_batches`."""
        self._flushing = asyncio.Lock()
        self._dropped = 0
        self._began = clock()
        """When the first of `_counts` was counted."""
        self.figures = UsageFigures()

    def count(self, key_id: str, outcome: str, client_address: str, caller_id: str) -> None:
        """Count one verdict on a key.

        Args:
            key_id: The key.
            outcome: `OK` or the name of a denial's reason.
            client_address: Where the key came from; empty when that is not known.
            caller_id: Who asked, by its key's id or its certificate's name; empty when this service
                did, about its own caller.
        """
        try:
            self._counts[key_id, outcome, client_address, caller_id][0] += 1
        except KeyError:
            self._count_new((key_id, outcome, client_address, caller_id))

    def _count_new(self, combination: Combination) -> None:
        counts = self._counts
        key_id, outcome, client_address, caller_id = combination
        if not counts:
            self._began = self._clock()
            self._hour = hour_of(self._began)
        if len(client_address) > MAX_ADDRESS_LENGTH:
            combination = (key_id, outcome, "", caller_id)
        if len(counts) >= MAX_COMBINATIONS and combination not in counts:
            combination = (key_id, outcome, "", None)
        if len(counts) >= MAX_PENDING and combination not in counts:
            self._dropped += 1
            self.figures.dropped += 1
            return
        counts.setdefault(combination, [0])[0] += 1

    def lag_seconds(self) -> float:
        """Return how long ago the oldest was counted of what is not written; 0 if all is."""
        if self._batches:
            began = self._batches_began
        elif self._sealed:
            began = self._sealed[0].began
        elif self._counts:
            began = self._began
        else:
            return 0.0
        return max(0.0, (self._clock() - began).total_seconds())

    def buffered(self) -> int:
        """Return how many counts wait to be written."""
        batches = sum(len(batch.counts) + len(batch.sources) for batch in self._batches)
        return len(self._counts) + sum(len(one.counts) for one in self._sealed) + batches

    async def flush(self, deadline: Deadline) -> None:
        """Write what was counted since the last time; keep it when that fails."""
        async with self._flushing:
            try:
                # What had to wait first, and then what was counted meanwhile.
                for _ in range(2 if self._sealed or self._batches else 1):
                    self._seal()
                    await self._write(deadline)
            except DatabaseUnavailable as error:
                self.figures.failures += 1
                log.warning("usage not written", cause=repr(error.__cause__ or error))
            else:
                self.figures.flushes += 1
            if self._dropped:
                log.error("usage dropped", verdicts=self._dropped)
                self._dropped = 0

    async def finish(self, deadline: Deadline) -> None:
        """Write all that was counted, for the last time.

        A connection that broke while nobody used it is no reason to lose anything, so a failure is
        not final at once.
        """
        for attempt in range(_LAST_ATTEMPTS):
            await self._try_to_flush(deadline)
            lost = self._unwritten()
            if not lost:
                return
            if deadline.remaining() <= 0:
                break
            if attempt < _LAST_ATTEMPTS - 1:
                await asyncio.sleep(_LAST_PAUSE_SECONDS)
        log.error("usage lost", verdicts=lost)

    async def keep_flushing(
        self, interval_seconds: float, new_deadline: Callable[[], Deadline]
    ) -> None:
        """Flush each interval and each full hour, until cancelled; a flush that has begun ends."""
        while True:
            await self._until_due(interval_seconds)
            flushing = asyncio.create_task(self._try_to_flush(new_deadline()))
            try:
                await asyncio.shield(flushing)
            except asyncio.CancelledError:
                await flushing
                raise

    async def _until_due(self, interval_seconds: float) -> None:
        now = self._clock()
        if self._counts and not self._sealed and hour_of(now) != self._hour:
            # The hour ended during the last flush: what comes now is not to be counted for it.
            return
        next_hour = hour_of(now) + timedelta(hours=1)
        left = (next_hour - now).total_seconds()
        if left > interval_seconds:
            await asyncio.sleep(interval_seconds)
            return
        # A timer may ring a moment early by this clock; what is counted next would then belong to
        # the hour that is just ending.
        while left > 0:
            await asyncio.sleep(left)
            left = (next_hour - self._clock()).total_seconds()

    async def _try_to_flush(self, deadline: Deadline) -> None:
        try:
            await self.flush(deadline)
        except Exception:
            # Counting goes on, whatever it was.
            self.figures.failures += 1
            log.exception("usage not written")

    def _seal(self) -> None:
        """Let what comes be counted apart.

        What waits for the database is kept apart by hours only, and all together within bounds.
        """
        now = self._clock()
        if self._sealed:
            waiting = sum(len(sealed.counts) for sealed in self._sealed)
            if hour_of(now) == self._hour or waiting + len(self._counts) > MAX_PENDING:
                return
        if self._counts:
            self._sealed.append(_Sealed(self._hour, self._began, now, self._counts))
            self._counts = {}

    async def _write(self, deadline: Deadline) -> None:
        while self._batches or self._sealed:
            if not self._batches:
                batches = await self._number(self._sealed[0])
                self._batches_began = self._sealed.popleft().began
                self._batches.extend(batches)
            await self._store.add_usage(self._batches[0], deadline)
            self._batches.popleft()
            self.figures.batches += 1

    async def _number(self, sealed: _Sealed) -> list[UsageBatch]:
        batches: list[UsageBatch] = []
        for share in shares_of(_items(sealed.counts), _PAUSE_AFTER):
            await asyncio.sleep(0)
            if share is None:
                continue
            self._sequence += 1
            batches.append(
                UsageBatch(
                    writer_id=self._writer_id,
                    sequence=self._sequence,
                    hour=sealed.hour,
                    seen_time=sealed.seen_time,
                    counts=share.counts,
                    sources=share.sources,
                )
            )
        return batches

    def _unwritten(self) -> int:
        """Return how many verdicts are not written, as far as is known."""
        waiting = (self._counts, *(sealed.counts for sealed in self._sealed))
        written = sum(sum(batch.counts.values()) for batch in self._batches)
        return written + sum(count for counts in waiting for _, count in _items(counts))


def _items(counters: Counters) -> Iterator[tuple[Combination, int]]:
    return ((combination, count) for combination, (count,) in counters.items())


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the hour in which a moment is."""
    return moment.replace(minute=0, second=0, microsecond=0)
