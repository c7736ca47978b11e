"""How far the change log has been followed, and so how fresh what is kept in memory is."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

from authsvc.domain.changes import Change, Watermark
from authsvc.domain.freshness import NO_DEMAND, Freshness, FreshnessDemand, FreshnessSource

_REACH_SECONDS: Final = 0.25


class FollowedLog:
    """The watermark of this process, as the follower of the change log moves it on."""

    def __init__(self, *, max_staleness: timedelta, monotonic: Callable[[], float]) -> None:
        """Start without having seen anything.

        Args:
            max_staleness: How long ago the log may have been read for records in memory to
                answer.
            monotonic: Seconds from a clock that never goes back.
        """
        self._max_staleness = max_staleness.total_seconds()
        self._monotonic = monotonic
        self._watermark: Watermark | None = None
        self._cache: Freshness | None = None
        self._fresh_until = -math.inf
        self._moved = asyncio.Event()

    def on_changes(self, changes: Sequence[Change]) -> None:
        """Take no note: what is kept is dropped by those who keep it."""

    def on_caught_up(self, watermark: Watermark) -> None:
        """Move on."""
        if self._watermark is None or watermark.revision != self._watermark.revision:
            self._moved.set()
            self._moved = asyncio.Event()
        self._watermark = watermark
        self._cache = Freshness(FreshnessSource.CACHE, watermark.as_of)
        self._fresh_until = watermark.as_of_monotonic + self._max_staleness

    def on_gap(self) -> None:
        """Start again."""
        self._watermark = self._cache = None
        self._fresh_until = -math.inf

    @property
    def watermark(self) -> Watermark | None:
        """Up to when everything has been seen; None before the first read."""
        return self._watermark

    def age(self) -> float | None:
        """Return how many seconds ago the watermark was; None before the first read."""
        watermark = self._watermark
        return None if watermark is None else self._monotonic() - watermark.as_of_monotonic

    async def reach(self, revision: int) -> None:
        """Wait until what is kept in memory reflects a change of this process.

        What a caller of this process has changed should hold in its next call there. It takes a few
        milliseconds; where it takes long, the wait ends without.

        Args:
            revision: The revision of the change.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_REACH_SECONDS):
                while self._watermark is None or self._watermark.revision < revision:
                    await self._moved.wait()

    def freshness_for(self, demand: FreshnessDemand) -> Freshness | None:
        """Return how fresh records in memory are, or None when that is not fresh enough.

        Args:
            demand: How fresh the answer must be.
        """
        if demand is not NO_DEMAND and not self._meets(demand):
            return None
        return self._cache if self._monotonic() <= self._fresh_until else None

    def _meets(self, demand: FreshnessDemand) -> bool:
        return (
            not demand.authoritative
            and self._watermark is not None
            and (demand.at_least_revision or 0) <= self._watermark.revision
        )
