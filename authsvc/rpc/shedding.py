"""Refuses calls that would wait when too many wait already.

A call that waits for the database or for a password hash holds memory, and everybody behind it up.
Validations are not counted here: they seldom wait, have bounds of their own on what they read, and
must not be refused because other calls are slow.

Calls are refused before anything is known of who makes them. So those that anybody may make have
half of the room and no more: whoever comes with a credential, to revoke a key for instance, finds
the rest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, NoReturn

from authsvc.domain.errors import Overloaded
from authsvc.rpc.behaviours import Behaviour
from authsvc.rpc.deadlines import Context

Refuse = Callable[[Context, Exception], Awaitable[NoReturn]]

_LEAST_DELAY: Final = timedelta(seconds=0.5)
_DELAY_SPREAD: Final = timedelta(seconds=1)


class Shedding:
    """Counts the calls under way, and refuses those beyond a limit before reading them."""

    def __init__(self, *, limit: int, jitter: Callable[[], float]) -> None:
        """Take the bound.

        Args:
            limit: The most calls under way at once; at least 1. Half of them may be open ones.
            jitter: Returns a random number from 0 to 1, by which refused callers come again at
                different times.
        """
        self._limit = limit
        self._open_limit = (limit + 1) // 2
        self._open_in_flight = 0
        self._jitter = jitter
        self.in_flight = 0
        """How many calls are under way."""
        self.shed = 0
        """How many calls have been refused."""

    def bounded(self, behave: Behaviour, refuse: Refuse, *, is_open: bool) -> Behaviour:
        """Return a method's way for as many calls as there may be.

        Args:
            behave: The way of those that are let in.
            refuse: Ends a call with the status of an error.
            is_open: Whether anybody may make such calls.
        """

        async def behave_bounded(data: bytes, context: Context) -> bytes:
            is_full = is_open and self._open_in_flight >= self._open_limit
            if is_full or self.in_flight >= self._limit:
                self.shed += 1
                await refuse(context, Overloaded(_LEAST_DELAY + self._jitter() * _DELAY_SPREAD))
            self.in_flight += 1
            self._open_in_flight += is_open
            try:
                return await behave(data, context)
            finally:
                self.in_flight -= 1
                self._open_in_flight -= is_open

        return behave_bounded
