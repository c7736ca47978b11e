"""How long the work for a call may take, by what its caller allows and what the service does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import grpc

Context = grpc.aio.ServicerContext[Any, Any]

# What a call keeps for sending its answer: the database has to give up this much earlier.
_ANSWER_SHARE: Final = 0.2
_ANSWER_SECONDS: Final = 0.1


class CallDeadline:
    """How long the database work of a call may take, read only when there is such work."""

    __slots__ = ("_context", "_end", "_limit", "_monotonic")

    def __init__(
        self, context: Context, limit: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the call, the most seconds that all its work may take, and a monotonic clock."""
        self._context = context
        self._limit = limit
        self._monotonic = monotonic
        self._end: float | None = None

    def remaining(self) -> float:
        """Return the seconds left, less what the answer needs."""
        now = self._monotonic()
        if self._end is None:
            # Settled once: a share of what is left would let each new attempt eat into the time
            # that the last one left for the answer.
            self._end = now + self._allowed()
        return self._end - now

    def _allowed(self) -> float:
        # The annotation of grpc's stub leaves out that a call without a deadline has None.
        left: float | None = self._context.time_remaining()
        if left is None:
            return self._limit
        return min(self._limit, left - min(left * _ANSWER_SHARE, _ANSWER_SECONDS))


class StreamDeadline:
    """How long one piece of a stream's database work may take: a stream itself has no end."""

    __slots__ = ("_context", "_limit")

    def __init__(self, context: Context, limit: float) -> None:
        """Take the call, and the most seconds that a piece of its work may take."""
        self._context = context
        self._limit = limit

    def remaining(self) -> float:
        """Return the seconds that work beginning now may take."""
        left: float | None = self._context.time_remaining()
        return self._limit if left is None else min(self._limit, left)
