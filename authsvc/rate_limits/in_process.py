"""Rate limits that this process counts by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from limits.strategies import SlidingWindowCounterRateLimiter

from authsvc.domain.rate_limits import RateLimit
from authsvc.domain.takings import ONE_TAKEN, Taken, Wanted
from authsvc.rate_limits.sliding_window import item_of, room, wait
from authsvc.rate_limits.state import RateLimitState
from authsvc.rate_limits.windows import WindowsInMemory


class InProcessLimits:
    """Takes from limits without waiting. Each process of the service has a count of its own."""

    def __init__(
        self, *, capacity: int, monotonic: Callable[[], float], state: RateLimitState | None = None
    ) -> None:
        """Count nothing yet.

        Args:
            capacity: The most keys to count for.
            monotonic: Seconds from a clock that never goes back.
            state: Where decisions are counted.
        """
        self._windows = WindowsInMemory(capacity=capacity, monotonic=monotonic)
        self._limiter = SlidingWindowCounterRateLimiter(self._windows)
        self.state = state or RateLimitState()

    def take_now(self, key_id: str, limit: RateLimit) -> Taken:
        """Take one request."""
        item = item_of(limit)
        self.state.decided_in_process += 1
        if self._limiter.hit(item, key_id):
            return ONE_TAKEN
        return Taken(0, wait(item, self._window(key_id, limit)))

    async def take(self, wanted: Sequence[Wanted]) -> list[Taken]:
        """Take requests, without waiting."""
        return [self.take_some(one) for one in wanted]

    def take_some(self, wanted: Wanted) -> Taken:
        """Take as many of some requests as pass."""
        key_id, limit, requests = wanted
        self.state.decided_in_process += requests
        passed = self.add(key_id, limit, requests)
        if passed == requests:
            return Taken(passed)
        return Taken(passed, wait(item_of(limit), self._window(key_id, limit)))

    def look_now(self, key_id: str, limit: RateLimit) -> Taken:
        """Tell what `take_now` would return."""
        item, window = item_of(limit), self._window(key_id, limit)
        return ONE_TAKEN if room(item, window) else Taken(0, wait(item, window))

    async def look(self, key_id: str, limit: RateLimit) -> Taken:
        """Tell what `take_now` would return."""
        return self.look_now(key_id, limit)

    def add(self, key_id: str, limit: RateLimit, requests: int) -> int:
        """Count as many requests as pass, and return how many that are."""
        fitting = min(requests, room(item_of(limit), self._window(key_id, limit)))
        if fitting:
            self._limiter.hit(item_of(limit), key_id, cost=fitting)
        return fitting

    def _window(self, key_id: str, limit: RateLimit) -> tuple[int, float, int, float]:
        item = item_of(limit)
        return self._windows.get_sliding_window(item.key_for(key_id), item.get_expiry())
