"""What sessions leave behind is deleted in the background of each server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final, NoReturn, Protocol

import structlog

from authsvc.domain.clock import Clock, Deadline

INTERVAL_SECONDS: Final = 2.0
"""How much longer than its window an answer to a refresh token may lie in the database."""
ROUNDS_TO_DELETE: Final = 30
"""What else is past has time: it is deleted in every so many rounds."""

log = structlog.get_logger()


class Housekeeping(Protocol):
    """Deletes what is past."""

    async def drop_answers(self, now: datetime, deadline: Deadline) -> bool:
        """Delete answers to refresh tokens past their window; tell whether there were any."""
        ...

    async def delete_past(self, now: datetime, deadline: Deadline) -> bool:
        """Delete sessions long over, failures to log in past their time, and old networks.

        Returns:
            Whether there were any.
        """
        ...


async def keep_tidy(
    housekeeping: Housekeeping, clock: Clock, new_deadline: Callable[[], Deadline]
) -> NoReturn:
    """Delete what is past, now and every few seconds, until cancelled."""
    rounds, troubled = 0, False
    while True:
        try:
            await housekeeping.drop_answers(clock(), new_deadline())
            if rounds % ROUNDS_TO_DELETE == 0:
                await housekeeping.delete_past(clock(), new_deadline())
            troubled = False
        except Exception as error:  # noqa: BLE001 - whatever it was, the next time comes
            if not troubled:
                log.warning("past sessions not deleted", cause=repr(error.__cause__ or error))
            troubled = True
        rounds += 1
        await asyncio.sleep(INTERVAL_SECONDS)
