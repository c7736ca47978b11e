"""The background work on past sessions goes on, whatever happens."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.usecases import tidy_sessions
from authsvc.usecases.tidy_sessions import ROUNDS_TO_DELETE, STEPS_A_ROUND, keep_tidy
from tests.unit.examples import NOW, NoHurry


class Housekeeping:
    """Fails at first, then counts."""

    def __init__(self, failures: int, rounds: int) -> None:
        self.failures = failures
        self.rounds = rounds
        self.dropped = self.deleted = self.steps = 0
        self.done = asyncio.Event()

    async def drop_answers(self, now: datetime, deadline: Deadline) -> bool:
        assert (now, deadline.remaining() > 0) == (NOW, True)
        if self.failures:
            self.failures -= 1
            raise DatabaseUnavailable
        self.dropped += 1
        if self.dropped == self.rounds:
            self.done.set()
        return True

    async def delete_past(self, now: datetime, deadline: Deadline) -> bool:
        assert (now, deadline.remaining() > 0) == (NOW, True)
        self.deleted += 1
        return True

    async def end_sessions_of_disabled(self, now: datetime, deadline: Deadline) -> bool:
        assert (now, deadline.remaining() > 0) == (NOW, True)
        self.steps += 1
        return True


# The first round deletes and then each thirtieth; one that fails has not.
@pytest.mark.parametrize(("failures", "deleted"), [(0, 3), (3, 2)])
async def test_answers_go_in_every_round_and_the_rest_now_and_then(
    monkeypatch: pytest.MonkeyPatch, failures: int, deleted: int
) -> None:
    monkeypatch.setattr(tidy_sessions, "INTERVAL_SECONDS", 0)
    rounds = 2 * ROUNDS_TO_DELETE + 1
    housekeeping = Housekeeping(failures, rounds)

    task = asyncio.create_task(keep_tidy(housekeeping, lambda: NOW, NoHurry))
    await housekeeping.done.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert housekeeping.dropped == rounds
    assert housekeeping.deleted == deleted
    # However much there is to end, answers get their turn.
    assert housekeeping.steps == rounds * STEPS_A_ROUND
