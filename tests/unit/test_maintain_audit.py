"""The months of the audit log are seen to in the background, whatever happens."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.usecases import maintain_audit
from authsvc.usecases.maintain_audit import keep_maintained
from tests.unit.examples import NoHurry


class Months:
    """Counts, and fails the first time."""

    def __init__(self) -> None:
        self.attempts = 0
        self.made = asyncio.Event()

    async def maintain(self, deadline: Deadline) -> None:
        assert deadline
        self.attempts += 1
        if self.attempts == 1:
            raise DatabaseUnavailable
        self.made.set()


async def test_what_fails_once_is_told_and_done_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(maintain_audit, "INTERVAL_SECONDS", 0)
    months = Months()

    with capture_logs() as logs:
        task = asyncio.create_task(keep_maintained(months, NoHurry))
        await asyncio.wait_for(months.made.wait(), 10)
        task.cancel()
        await asyncio.wait([task])

    assert logs[0]["event"] == "months of the audit log not made"
    assert task.cancelled()
