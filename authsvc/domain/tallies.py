"""What parts of the service count about themselves, for who watches it: plain numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

BOUNDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Seconds: from an answer out of memory to a call that nobody waits for any more."""


class Tally:
    """A number that only grows."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        """Start at nothing."""
        self.count = 0

    def add(self) -> None:
        """Count one more."""
        self.count += 1


class Durations:
    """How many durations were how long, and how long all were together."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = BOUNDS) -> None:
        """Count nothing yet.

        Args:
            bounds: In ascending order, the longest duration of each class but the last, in
                seconds. The last class has all that are longer.
        """
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count a duration."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds
