"""What sessions leave behind is deleted in the background of each server.

So are the sessions ended that a disabled account has left: of very many, its disabling ends some.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple, NoReturn, Protocol

from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.repeated_work import RepeatedWork

INTERVAL_SECONDS: Final = 2.0
"""How long after one round the next comes at most: so much longer than its window an answer to a
refresh token may lie in the database."""
ROUNDS_TO_DELETE: Final = 30
"""What else is past has time: it is deleted in every so many rounds."""
STEPS_A_ROUND: Final = 10
"""How many steps of sessions of disabled accounts are ended in one round."""


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

    async def end_sessions_of_disabled(
        self, now: datetime, deadline: Deadline, *, waits: bool
    ) -> bool:
        """End sessions that some disabled account has left, a step of them.

        Args:
            now: When they end.
            deadline: How long it may take.
            waits: Whether to wait while another process does so; if not, the rest is left to it.

        Returns:
            True when there may be more, unless it is left to another process.
        """
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


def tidyings(housekeeping: Housekeeping, *, to_the_end: bool) -> tuple[Tidying, ...]:
    """Return all parts of tidying up, for rounds in the background or for doing it to the end."""
    # What must not go on comes before what is only in the way.
    return (
        Tidying(
            "sessions of disabled accounts",
            partial(housekeeping.end_sessions_of_disabled, waits=to_the_end),
            every=1,
            steps=STEPS_A_ROUND,
        ),
        Tidying("answers to refresh tokens", housekeeping.drop_answers, every=1, steps=1),
        Tidying(
            "past sessions and logins", housekeeping.delete_past, every=ROUNDS_TO_DELETE, steps=1
        ),
    )


async def keep_tidy(
    housekeeping: Housekeeping,
    clock: Clock,
    new_deadline: Callable[[], Deadline],
    *,
    monotonic: Callable[[], float],
    jitter: Callable[[], float],
) -> NoReturn:
    """Tidy up, now and every few seconds, until cancelled.

    Args:
        housekeeping: What there is to tidy up.
        clock: Tells what is past.
        new_deadline: Returns how long a step may take.
        monotonic: Seconds from a clock that never goes back, for how long a step took.
        jitter: Returns a number from 0 to 1 that spreads the times of several processes.
    """
    works = {
        part.name: RepeatedWork("sessions not tidied up", what=part.name)
        for part in tidyings(housekeeping, to_the_end=False)
    }
    rounds = 0
    while True:
        for part in tidyings(housekeeping, to_the_end=False):
            if rounds % part.every == 0:
                turn = _take_turn(part, clock, new_deadline, monotonic)
                await works[part.name].attempt(turn)
        rounds += 1
        await asyncio.sleep(INTERVAL_SECONDS * (0.5 + jitter() / 2))


async def _take_turn(
    part: Tidying,
    clock: Clock,
    new_deadline: Callable[[], Deadline],
    monotonic: Callable[[], float],
) -> None:
    for _ in range(part.steps):
        if not await step_and_pause(lambda: part.step(clock(), new_deadline()), monotonic):
            return


async def step_and_pause(
    step: Callable[[], Awaitable[bool]], monotonic: Callable[[], float]
) -> bool:
    """Take a step, and tell whether there may be more; if so, after a pause as long as it took.

    So that what steps hold up, such as changes, has half of the time for itself.
    """
    began = monotonic()
    is_more = await step()
    if is_more:
        await asyncio.sleep(monotonic() - began)
    return is_more
