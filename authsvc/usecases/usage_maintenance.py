"""The upkeep of recorded usage: room for the months to come, an end to those past retention."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Protocol

import structlog

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import DatabaseUnavailable

INTERVAL: Final = timedelta(hours=3)
"""How long after one time the next comes."""
RETRY_INTERVAL: Final = timedelta(minutes=1)
"""The same, when it went wrong."""

log = structlog.get_logger()


class RecordedUsage(Protocol):
    """Where usage is kept."""

    async def maintain(self, retention: timedelta, deadline: Deadline) -> None:
        """Make room for the months to come, and remove what is older than the retention.

        Safe to call from several processes at once.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...


class MaintainUsage:
    """Keeps up what is recorded, in the background."""

    def __init__(
        self, *, recorded: RecordedUsage, retention: timedelta, jitter: Callable[[], float]
    ) -> None:
        """Take where usage is kept, and for how long.

        Args:
            recorded: Where it is kept.
            retention: How long; a day or more.
            jitter: Returns a number from 0 to 1 that spreads the times of several processes.
        """
        self._recorded = recorded
        self._retention = retention
        self._jitter = jitter

    async def keep_up(self, new_deadline: Callable[[], Deadline]) -> None:
        """Do it now and every few hours, until cancelled."""
        while True:
            pause = await self._try_once(new_deadline())
            await asyncio.sleep(pause.total_seconds() * (1 + self._jitter()))

    async def _try_once(self, deadline: Deadline) -> timedelta:
        try:
            await self._recorded.maintain(self._retention, deadline)
        except DatabaseUnavailable as error:
            log.warning("usage not maintained", cause=repr(error.__cause__ or error))
            return RETRY_INTERVAL
        except Exception:
            # Counts are written all the same: what has no month goes to the default partition.
            log.exception("usage not maintained")
        else:
            return INTERVAL
        return RETRY_INTERVAL
