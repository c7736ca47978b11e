"""What time is, and how much of it a call has left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

Clock = Callable[[], datetime]
"""Returns the present as an aware UTC datetime."""


class Deadline(Protocol):
    """How long the work for one call may still take."""

    def remaining(self) -> float:
        """Return the seconds left; zero or less when there are none."""
        ...


class TimeLimit:
    """A `Deadline` a fixed number of seconds after its making, by a monotonic clock."""

    __slots__ = ("_end", "_monotonic")

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        """Start now and end after `seconds` (0 or more)."""
        self._monotonic = monotonic
        self._end = monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds left; zero or less when there are none."""
        return self._end - self._monotonic()
