"""A limit on guesses: how many unknown credentials one client address may present.

A guess costs a look-up in the database or the verification of a signature, and costs its sender
nothing. Addresses over the limit are told to wait, before anything is spent on them; credentials
that memory knows are answered all the same, so others behind one address are not shut out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from authsvc.domain.networks import network_of
from authsvc.domain.tallies import Tally

WINDOW_SECONDS: Final = 60.0
MAX_ADDRESSES: Final = 10_000
"""The most addresses to count; the one that failed longest ago is forgotten first."""


class FailureLimit:
    """Counts the failures of each client address in windows of a minute."""

    def __init__(
        self,
        *,
        failures_per_minute: int,
        monotonic: Callable[[], float],
        group: Callable[[str], str] = network_of,
    ) -> None:
        """Take the limit (at least 1), and seconds from a clock that never goes back.

        `group` tells what shares a count.
        """
        self._limit = failures_per_minute
        self._group = group
        self._monotonic = monotonic
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self.refusals = Tally()
        """Guesses that were refused because of it."""

    def wait_for(self, address: str) -> timedelta | None:
        """Return how long an address has to wait, or None when it has not.

        Args:
            address: The client's IP address; empty when it is not known, which is never limited.
        """
        if not address:
            return None
        began_at, count = self._counts.get(self._group(address), (0.0, 0))
        left = began_at + WINDOW_SECONDS - self._monotonic()
        # Rounded to microseconds, what is hardly left would be nothing.
        wait = timedelta(seconds=max(left, 0.001))
        return wait if count >= self._limit and left > 0 else None

    def count(self, address: str) -> None:
        """Count a failure."""
        if not address:
            return
        group, now = self._group(address), self._monotonic()
        began_at, count = self._counts.pop(group, (now, 0))
        if now - began_at >= WINDOW_SECONDS:
            began_at, count = now, 0
        self._counts[group] = (began_at, count + 1)
        if len(self._counts) > MAX_ADDRESSES:
            self._counts.popitem(last=False)
