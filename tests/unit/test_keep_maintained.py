"""The upkeep of what is recorded goes on, whatever happens, and comes back soon after a failure."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.usecases.keep_maintained import INTERVAL, RETRY_INTERVAL, KeepMaintained
from tests.unit.examples import NoHurry


class Enough(Exception):
    """Ends a test."""


class Upkeep:
    """Fails in turn as it is told."""

    def __init__(self, *failures: Exception | None) -> None:
        self.failures = list(failures)

    async def __call__(self, deadline: Deadline) -> None:
        assert deadline
        failure = self.failures.pop(0)
        if failure is not None:
            raise failure


async def test_a_failure_is_told_and_followed_by_another_attempt_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    usage = Upkeep(None, DatabaseUnavailable(), ZeroDivisionError(), None, None)
    audit_log = Upkeep(None, None, None, DatabaseUnavailable(), None)

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if not usage.failures:
            raise Enough

    monkeypatch.setattr(asyncio, "sleep", sleep)
    keep = KeepMaintained({"usage": usage, "audit log": audit_log}, jitter=lambda: 0.5)

    with capture_logs() as logs, pytest.raises(Enough):
        await keep.run(NoHurry)

    retry, rest = RETRY_INTERVAL.total_seconds() * 1.5, INTERVAL.total_seconds() * 1.5
    assert pauses == [rest, retry, retry, retry, rest]
    assert not audit_log.failures
    assert [line["what"] for line in logs] == ["usage", "usage", "audit log"]
