"""What goes wrong in the background is told, but not for ever, and ends nothing."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.repeated_work import RepeatedWork


async def fails(error: Exception) -> None:
    raise error


async def goes_well() -> None:
    await asyncio.sleep(0)


@pytest.fixture
def work() -> RepeatedWork:
    return RepeatedWork("not done", what="this")


async def test_it_tells_whether_it_was_done(work: RepeatedWork) -> None:
    assert await work.attempt(goes_well())
    assert not await work.attempt(fails(ZeroDivisionError()))


async def test_an_outage_is_told_with_its_cause_and_the_unexpected_with_a_traceback(
    work: RepeatedWork,
) -> None:
    away, unexpected = DatabaseUnavailable(), ZeroDivisionError()
    away.__cause__ = ConnectionRefusedError("nobody there")

    with capture_logs() as logs:
        await work.attempt(fails(away))
        await work.attempt(fails(unexpected))

    same = {"event": "not done", "what": "this"}
    cause = "ConnectionRefusedError('nobody there')"
    assert logs == [
        {**same, "log_level": "warning", "cause": cause},
        {**same, "log_level": "error", "exc_info": unexpected},
    ]


async def test_what_goes_on_failing_is_told_once_until_it_went_well(work: RepeatedWork) -> None:
    with capture_logs() as logs:
        for _ in range(3):
            await work.attempt(fails(DatabaseUnavailable()))
        await work.attempt(goes_well())
        await work.attempt(fails(DatabaseUnavailable()))

    assert len(logs) == 2


async def test_it_can_be_cancelled(work: RepeatedWork) -> None:
    task = asyncio.create_task(work.attempt(asyncio.sleep(3600)))
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
