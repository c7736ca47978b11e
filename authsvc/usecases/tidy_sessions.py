"""What sessions leave behind is deleted in the background of each server.

So are the sessions ended that a disabled account has left: of very many, its disabling ends some.
"""

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
STEPS_A_ROUND: Final = 10
"""How many steps of sessions of disabled accounts are ended in one round."""

log = structlog.get_logger()


class Housekeeping(Protocol):
    """Deletes what is past, and ends what disabled accounts have left."""

    async def drop_answers(self, now: datetime, deadline: Deadline) -> bool:
        """Delete answers to refresh tokens past their window; tell whether there were any."""
        ...

    async def delete_past(self, now: datetime, deadline: Deadline) -> bool:
        """Delete sessions long over, failures to log in past their time, and old networks.

        Returns:
            Whether there were any.
        """
        ...

    async def end_sessions_of_disabled(self, now: datetime, deadline: Deadline) -> bool:
        """End sessions that some disabled account has left, a step; True: there may be more."""
        ...


async def keep_tidy(
    housekeeping: Housekeeping, clock: Clock, new_deadline: Callable[[], Deadline]
) -> NoReturn:
    """Tidy up, now and every few seconds, until cancelled."""
    rounds, troubled = 0, False
    while True:
        try:
            await housekeeping.drop_answers(clock(), new_deadline())
            if rounds % ROUNDS_TO_DELETE == 0:
                await housekeeping.delete_past(clock(), new_deadline())
            for _ in range(STEPS_A_ROUND):
                if not await housekeeping.end_sessions_of_disabled(clock(), new_deadline()):
                    break
            troubled = False
        except Exception as error:  # noqa: BLE001 - whatever it was, the next time comes
            if not troubled:
                log.warning("sessions not tidied up", cause=repr(error.__cause__ or error))
            troubled = True
        rounds += 1
        await asyncio.sleep(INTERVAL_SECONDS)
