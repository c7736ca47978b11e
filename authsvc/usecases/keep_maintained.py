"""The upkeep of what is recorded month by month: usage and the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final, NoReturn

from authsvc.domain.clock import Deadline
from authsvc.domain.repeated_work import RepeatedWork

INTERVAL: Final = timedelta(hours=3)
"""How long after one time the next comes. Months are made two ahead, and what has no month is kept
all the same."""
RETRY_INTERVAL: Final = timedelta(minutes=1)
"""The same, when something went wrong."""

Upkeep = Callable[[Deadline], Awaitable[None]]
"""Makes room for the months to come, and removes what is past; safe from several processes."""


class KeepMaintained:
    """Keeps up what is recorded, in the background of each server."""

    def __init__(self, upkeep: Mapping[str, Upkeep], *, jitter: Callable[[], float]) -> None:
        """Take what is to be done.

        Args:
            upkeep: By the names that the log has for what is kept up.
            jitter: Returns a number from 0 to 1 that spreads the times of several processes.
        """
        self._upkeep = upkeep
        self._works = {name: RepeatedWork("not maintained", what=name) for name in upkeep}
        self._jitter = jitter

    async def run_once(self, new_deadline: Callable[[], Deadline]) -> dict[str, bool]:
        """Do all of it, and tell of each part whether it was done."""
        # A failure of one is none of the other.
        return {
            name: await self._works[name].attempt(do(new_deadline()))
            for name, do in self._upkeep.items()
        }

    async def run(self, new_deadline: Callable[[], Deadline]) -> NoReturn:
        """Do all of it now and every few hours, until cancelled."""
        while True:
            done = await self.run_once(new_deadline)
            pause = INTERVAL if all(done.values()) else RETRY_INTERVAL
            await asyncio.sleep(pause.total_seconds() * (1 + self._jitter()))
