"""What sessions leave behind is deleted in the background of each server.

So are the sessions ended that a disabled account has left: of very many, its disabling ends some.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, NamedTuple, NoReturn, Protocol

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


class Tidying(NamedTuple):
    """A part of tidying up."""

    name: str
    step: Callable[[datetime, Deadline], Awaitable[bool]]
    """Does some of it, and returns True when there may be more."""
    every: int
    """In every so many rounds it has its turn."""
    steps: int
    """How many steps it takes at most in its turn."""


def tidyings(housekeeping: Housekeeping) -> tuple[Tidying, ...]:
    """Return all parts of tidying up, for rounds in the background and for doing it to the end."""
    return (
        Tidying("answers to refresh tokens", housekeeping.drop_answers, every=1, steps=1),
        Tidying(
            "past sessions and logins", housekeeping.delete_past, every=ROUNDS_TO_DELETE, steps=1
        ),
        Tidying(
            "sessions of disabled accounts",
            housekeeping.end_sessions_of_disabled,
            every=1,
            steps=STEPS_A_ROUND,
        ),
    )


async def keep_tidy(
    housekeeping: Housekeeping, clock: Clock, new_deadline: Callable[[], Deadline]
) -> NoReturn:
    """Tidy up, now and every few seconds, until cancelled."""
    rounds, troubled = 0, False
    while True:
        due = [part for part in tidyings(housekeeping) if rounds % part.every == 0]
        try:
            for part in due:
                await _take_turn(part, clock, new_deadline)
            troubled = False
        except Exception as error:  # noqa: BLE001 - whatever it was, the next time comes
            if not troubled:
                log.warning("sessions not tidied up", cause=repr(error.__cause__ or error))
            troubled = True
        rounds += 1
        await asyncio.sleep(INTERVAL_SECONDS)


async def _take_turn(part: Tidying, clock: Clock, new_deadline: Callable[[], Deadline]) -> None:
    for _ in range(part.steps):
        if not await part.step(clock(), new_deadline()):
            return
