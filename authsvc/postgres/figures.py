"""What the pool counts about the work that is done on it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

import asyncpg

from authsvc.domain.tallies import Durations

DEADLINE: Final = "deadline"
CONNECTION: Final = "connection"
OTHER: Final = "other"

# PostgreSQL documentation, appendix A: those that one can meet. A function may raise any.
_CLASSES: Final = frozenset(
    (
        *("08", "0A", "20", "21", "22", "23", "24", "25", "26", "28", "2B", "2D", "34", "38"),
        *("39", "3B", "3D", "3F", "40", "42", "44", "53", "54", "55", "57", "58", "P0", "XX"),
    )
)


class DatabaseFigures:
    """Counts since the start of this process, and who waits now."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self.waiting = 0
        """How many pieces of work wait for a connection."""
        self.waits = Durations()
        """How long each waited for it."""
        self.works = Durations()
        """How long each had it."""
        self.repeats = 0
        """How much a former primary refused, so that it was tried once more."""
        self.errors: Counter[str] = Counter()
        """What failed at the database, by the class of the SQLSTATE or one of the names above."""

    def count_error(self, error: Exception) -> None:
        """Count an exception, if it comes from the database."""
        kind = _kind_of(error)
        if kind is not None:
            self.errors[kind] += 1


def _kind_of(error: Exception) -> str | None:
    if isinstance(error, asyncpg.PostgresError):
        kind = (error.sqlstate or "")[:2]
        return kind if kind in _CLASSES else OTHER
    if isinstance(error, asyncio.TimeoutError):
        return DEADLINE
    if isinstance(error, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        return CONNECTION
    return None
