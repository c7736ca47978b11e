"""The background work on past sessions goes on, whatever happens, and leaves time to others."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest
from structlog.testing import capture_logs

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.usecases.tidy_sessions import (
    INTERVAL_SECONDS,
    ROUNDS_TO_DELETE,
    STEPS_A_ROUND,
    keep_tidy,
)
from tests.unit.examples import NOW, NoHurry
from tests.unit.forging import Watch

STEP_SECONDS = 0.25


class Enough(Exception):
    """Ends a test."""


class Housekeeping:
    """Counts what is done, with more to do each time, and fails as it is told."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.dropped = self.deleted = self.ended = 0
        self.failures: dict[str, list[Exception]] = {}

    async def drop_answers(self, now: datetime, deadline: Deadline) -> bool:
        self._fail("answers", now, deadline)
        self.dropped += 1
        return False

    async def delete_past(self, now: datetime, deadline: Deadline) -> bool:
        self._fail("past", now, deadline)
        self.deleted += 1
        return True

    async def end_sessions_of_disabled(
        self, now: datetime, deadline: Deadline, *, waits: bool
    ) -> bool:
        assert not waits
        self._fail("disabled", now, deadline)
        self.watch.seconds += STEP_SECONDS
        self.ended += 1
        return True

    def _fail(self, part: str, now: datetime, deadline: Deadline) -> None:
        assert (now, deadline.remaining() > 0) == (NOW, True)
        if failures := self.failures.get(part):
            raise failures.pop(0)


@pytest.fixture
def housekeeping() -> Housekeeping:
    return Housekeeping(Watch())


async def pauses_of(
    housekeeping: Housekeeping, rounds: int, monkeypatch: pytest.MonkeyPatch, jitter: float = 1.0
) -> list[list[float]]:
    """Keep tidy for some rounds, and return the pauses in each, the one after it last."""
    pauses: list[list[float]] = [[]]

    async def sleep(seconds: float) -> None:
        pauses[-1].append(seconds)
        if seconds >= INTERVAL_SECONDS / 2:
            if len(pauses) == rounds:
                raise Enough
            pauses.append([])

    tidying = keep_tidy(
        housekeeping,
        lambda: NOW,
        NoHurry,
        monotonic=housekeeping.watch,
        jitter=lambda: jitter,
    )
    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(Enough):
        await tidying
    return pauses


async def test_answers_go_in_every_round_and_the_rest_now_and_then(
    housekeeping: Housekeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = 2 * ROUNDS_TO_DELETE + 1

    await pauses_of(housekeeping, rounds, monkeypatch)

    assert housekeeping.dropped == rounds
    assert housekeeping.deleted == 3
    # However much there is to end, answers get their turn.
    assert housekeeping.ended == rounds * STEPS_A_ROUND


async def test_between_steps_it_pauses_for_as_long_as_they_take(
    housekeeping: Housekeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (*between, _) = await pauses_of(housekeeping, 2, monkeypatch)

    assert between == [STEP_SECONDS] * STEPS_A_ROUND


@pytest.mark.parametrize(("jitter", "pause"), [(0.0, INTERVAL_SECONDS / 2), (1.0, 2.0)])
async def test_processes_do_not_all_come_at_the_same_moment(
    housekeeping: Housekeeping, monkeypatch: pytest.MonkeyPatch, jitter: float, pause: float
) -> None:
    ((*_, after),) = await pauses_of(housekeeping, 1, monkeypatch, jitter)

    assert after == pause


@pytest.mark.parametrize("failing", ["answers", "past", "disabled"])
async def test_no_part_is_left_out_since_another_failed(
    housekeeping: Housekeeping, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    housekeeping.failures[failing] = [DatabaseUnavailable()]

    await pauses_of(housekeeping, 1, monkeypatch)

    done = {
        "answers": housekeeping.dropped,
        "past": housekeeping.deleted,
        "disabled": housekeeping.ended,
    }
    assert {part for part, times in done.items() if not times} == {failing}


async def test_it_tells_which_part_failed_and_not_again_until_it_went_well(
    housekeeping: Housekeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    housekeeping.failures["answers"] = [DatabaseUnavailable(), DatabaseUnavailable()]
    housekeeping.failures["disabled"] = [ZeroDivisionError()]

    with capture_logs() as logs:
        await pauses_of(housekeeping, 3, monkeypatch)

    assert [(line["event"], line["what"], line["log_level"]) for line in logs] == [
        ("sessions not tidied up", "sessions of disabled accounts", "error"),
        ("sessions not tidied up", "answers to refresh tokens", "warning"),
    ]
