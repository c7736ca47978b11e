"""The arithmetic of a sliding window that is made of two counts.

The requests of the window before count by the share of it that the last period still covers.
"""

from __future__ import annotations

import functools
import math
from datetime import timedelta
from typing import Final

from limits import RateLimitItem, RateLimitItemPerSecond

from authsvc.domain.rate_limits import RateLimit

NAMESPACE: Final = "rate"

_MILLISECONDS: Final = 1000


class _Item(RateLimitItemPerSecond):
    """A limit whose count is the key's own, whatever the limit is.

    The library counts each limit for itself: whoever may lower the limit of a key could have a new
    count as often as they like.
    """

    __slots__ = ()

    def key_for(self, *identifiers: bytes | str | float) -> str:
        return "/".join([self.namespace, *map(str, identifiers)])


@functools.lru_cache(maxsize=4096)
def item_of(limit: RateLimit) -> RateLimitItem:
    """Return a limit as the library has it."""
    return _Item(limit.requests, int(limit.period.total_seconds()), namespace=NAMESPACE)


def weight(previous: int, previous_left: float, period: float) -> int:
    """Return how many requests of the window before still count.

    Args:
        previous: How many there were.
        previous_left: In how many seconds none of them will count any more.
        period: The seconds of a window.
    """
    return math.floor(previous * previous_left / period)


def is_of_longer_period(item: RateLimitItem, window: tuple[int, float, int, float]) -> bool:
    """Tell whether counts are kept for longer than a limit needs them: its period was longer.

    Args:
        item: The limit.
        window: What `get_sliding_window` of a storage returns.
    """
    _, previous_left, _, current_left = window
    period = item.get_expiry()
    return previous_left > period or current_left > 2 * period


def room(item: RateLimitItem, window: tuple[int, float, int, float]) -> int:
    """Return how many requests would pass now.

    Args:
        item: The limit.
        window: What `get_sliding_window` of a storage returns.
    """
    previous, previous_left, current, _ = window
    return max(0, item.amount - current - weight(previous, previous_left, item.get_expiry()))


def wait(item: RateLimitItem, window: tuple[int, float, int, float]) -> timedelta:
    """Return how long until one request will pass, in whole milliseconds and at least one.

    The library's own `get_window_stats` says 0 within the first millisecond of a window.

    Args:
        item: A limit without room.
        window: What `get_sliding_window` of a storage returns.
    """
    previous, previous_left, current, current_left = window
    period = item.get_expiry()
    spare = item.amount - 1 - current
    if spare < 0:
        # The count of a window is kept for as long again, so this is the end of the window itself.
        seconds = current_left - period
    else:
        # Until so much of the window before has passed that it leaves room for one.
        seconds = previous_left - (spare + 1) * period / max(previous, 1)
    # About a millisecond later than that: at the very moment it is not yet so.
    milliseconds = round(max(0.0, seconds) * _MILLISECONDS) + 1
    return timedelta(milliseconds=milliseconds)
