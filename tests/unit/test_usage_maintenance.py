"""The upkeep of recorded usage goes on, whatever happens, and comes back soon after a failure."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.usecases.usage_maintenance import INTERVAL, RETRY_INTERVAL, MaintainUsage
from tests.unit.examples import NoHurry


class Enough(Exception):
    """Ends a test."""


class Recorded:
    """Fails in turn as it is told."""

    def __init__(self, *failures: Exception | None) -> None:
        self.failures = list(failures)
        self.retentions: list[timedelta] = []

    async def maintain(self, retention: timedelta, deadline: Deadline) -> None:
        assert deadline
        self.retentions.append(retention)
        failure = self.failures.pop(0)
        if failure is not None:
            raise failure


async def test_a_failure_is_followed_by_another_attempt_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    recorded = Recorded(None, DatabaseUnavailable(), ZeroDivisionError(), None)

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if not recorded.failures:
            raise Enough

    monkeypatch.setattr(asyncio, "sleep", sleep)
    maintain = MaintainUsage(recorded=recorded, retention=timedelta(days=400), jitter=lambda: 0.5)

    with pytest.raises(Enough):
        await maintain.keep_up(NoHurry)

    assert pauses == [
        1.5 * pause.total_seconds()
        for pause in (INTERVAL, RETRY_INTERVAL, RETRY_INTERVAL, INTERVAL)
    ]
    assert set(recorded.retentions) == {timedelta(days=400)}
