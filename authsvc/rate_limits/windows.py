"""Sliding windows in memory, as a storage of the library `limits`.

The library's own `MemoryStorage` starts a thread for every burst of requests, which walks through
all keys while it holds up the event loop, and it keeps as many keys as come. This one does its work
on the call, as the library's script for Redis does, and is bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from limits.storage import SlidingWindowCounterSupport, Storage

from authsvc.rate_limits.sliding_window import weight


class _Window:
    """The count of the window that runs, and of the one before it."""

    __slots__ = ("current", "ends_at", "period", "previous")

    def __init__(self, ends_at: float, period: int) -> None:
        self.previous = 0
        self.current = 0
        self.ends_at = ends_at
        self.period = period


class WindowsInMemory(SlidingWindowCounterSupport, Storage):
    """Counts of the most recently used keys; the window of a key begins with its first request."""

    STORAGE_SCHEME = None

    def __init__(self, *, capacity: int, monotonic: Callable[[], float]) -> None:
        """Keep nothing yet.

        Args:
            capacity: The most keys to count for, at least 1. The one that is unused for longest
                begins anew when another comes.
            monotonic: Seconds from a clock that never goes back.
        """
        super().__init__()
        self._capacity = capacity
        self._monotonic = monotonic
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        """Count some requests if all of them pass.

        Args:
            key: Whose requests they are.
            limit: How many may pass in a period.
            expiry: The seconds of a period.
            amount: How many they are.
        """
        now = self._monotonic()
        window = self._at(key, expiry, now)
        if window is None:
            if amount > limit:
                return False
            window = self._begin(key, now, expiry)
        elif (
            weight(window.previous, window.ends_at - now, expiry) + window.current + amount > limit
        ):
            return False
        window.current += amount
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return the count of the window before and of this one, and how long each is kept."""
        now = self._monotonic()
        window = self._at(key, expiry, now)
        if window is None:
            return 0, 0.0, 0, 0.0
        left = window.ends_at - now
        return window.previous, left, window.current, left + expiry

    def clear_sliding_window(self, key: str, expiry: int) -> None:  # noqa: ARG002 - the library's
        """Forget a key."""
        self.clear(key)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count some requests, whether they pass or not, and return the count of the window."""
        now = self._monotonic()
        window = self._at(key, expiry, now) or self._begin(key, now, expiry)
        window.current += amount
        return window.current

    def get(self, key: str) -> int:
        """Return the count of the window that was last used."""
        window = self._windows.get(key)
        return 0 if window is None else window.current

    def get_expiry(self, key: str) -> float:
        """Return when the window that was last used ends, by this storage's clock."""
        window = self._windows.get(key)
        return self._monotonic() if window is None else window.ends_at

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def clear(self, key: str) -> None:
        """Forget a key."""
        self._windows.pop(key, None)

    def reset(self) -> int:
        """Forget all keys, and return how many they were."""
        number = len(self._windows)
        self._windows.clear()
        return number

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """Nothing goes wrong here that the library should wrap."""
        return ()

    def _at(self, key: str, period: int, now: float) -> _Window | None:
        """Return the window of a key at a moment; None when nothing of it counts any more."""
        window = self._windows.get(key)
        if window is None:
            return None
        if period != window.period:
            if period < window.period:
                # As in the shared store: what a longer one has counted does not count.
                del self._windows[key]
                return None
            # The window goes on, and is longer.
            window.ends_at += period - window.period
            window.period = period
        over = now - window.ends_at
        if over >= period:
            del self._windows[key]
            return None
        if over >= 0:
            window.previous, window.current = window.current, 0
            window.ends_at += period
        self._windows.move_to_end(key)
        return window

    def _begin(self, key: str, now: float, period: int) -> _Window:
        window = self._windows[key] = _Window(now + period, period)
        if len(self._windows) > self._capacity:
            self._windows.popitem(last=False)
        return window
