"""What keys are used for: counted in memory, written each interval, thousands by one statement.

Off the path of every call. A clean stop writes all that is counted; a crash loses one interval.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

import structlog

from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import DatabaseUnavailable

MAX_PENDING: Final = 1_000_000
"""The most counters that wait for the database again; more are dropped, and the log says so."""
CHUNK: Final = 5000
"""The most counters in one statement."""

Counts = Mapping[tuple[str, str], int]

log = structlog.get_logger()


class UsageStore(Protocol):
    """Where usage is kept."""

    async def add_usage(
        self, hour: datetime, now: datetime, counts: Counts, deadline: Deadline
    ) -> None:
        """Add to the counts of an hour, and note when the keys were last used.

        Args:
            hour: The beginning of the hour.
            now: When they were last used.
            counts: How often, by key id and outcome.
            deadline: How long it may take.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...


class UsageCounter:
    """Counts, and writes what it has counted."""

    def __init__(self, *, store: UsageStore, clock: Clock) -> None:
        """Take the store, and the clock that tells the hours."""
        self._store = store
        self._clock = clock
        self._counts: dict[tuple[str, str], int] = {}

    def count(self, key_id: str, outcome: str) -> None:
        """Count one verdict on a key: `OK` or the name of a denial's reason."""
        counted = (key_id, outcome)
        self._counts[counted] = self._counts.get(counted, 0) + 1

    async def flush(self, deadline: Deadline) -> None:
        """Write what was counted since the last time; keep it when that fails."""
        counts, self._counts = self._counts, {}
        if not counts:
            return
        now = self._clock()
        hour = now.replace(minute=0, second=0, microsecond=0)
        try:
            for chunk in _chunks(counts):
                await self._store.add_usage(hour, now, chunk, deadline)
                for counted in chunk:
                    del counts[counted]
        except DatabaseUnavailable as error:
            # Whether it was written is unknown when the answer was lost: rather too much than
            # too little.
            log.warning("usage not written", cause=repr(error.__cause__ or error))
        finally:
            self._put_back(counts)

    def _put_back(self, counts: Counts) -> None:
        dropped = 0
        for counted, number in counts.items():
            if counted in self._counts or len(self._counts) < MAX_PENDING:
                self._counts[counted] = self._counts.get(counted, 0) + number
            else:
                dropped += number
        if dropped:
            log.error("usage dropped", verdicts=dropped)

    async def keep_flushing(
        self, interval_seconds: float, new_deadline: Callable[[], Deadline]
    ) -> None:
        """Flush each interval, until cancelled; a flush that has begun then is finished first."""
        while True:
            await asyncio.sleep(interval_seconds)
            flushing = asyncio.create_task(self._try_to_flush(new_deadline()))
            try:
                await asyncio.shield(flushing)
            except asyncio.CancelledError:
                # Were it cut off, nobody would know whether it was written.
                await flushing
                raise

    async def _try_to_flush(self, deadline: Deadline) -> None:
        try:
            await self.flush(deadline)
        except Exception:
            # Counting goes on, whatever it was.
            log.exception("usage not written")


def _chunks(counts: Counts) -> list[dict[tuple[str, str], int]]:
    """Divide counts so that no statement takes long, or holds its locks long."""
    items = list(counts.items())
    return [dict(items[start : start + CHUNK]) for start in range(0, len(items), CHUNK)]
