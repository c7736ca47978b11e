"""How what was counted is written: again, in time, and at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.usage_batches import UsageBatch
from authsvc.usecases.usage import UsageCounter
from tests.unit.counting import Bench, at
from tests.unit.examples import NOW, NoHurry


async def test_a_flush_comes_at_the_full_hour_even_when_a_timer_rings_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    slept: list[float] = []
    flushed_at: list[datetime] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        # The first one rings half a second before its time.
        bench.now += timedelta(seconds=seconds - (0.5 if len(slept) == 1 else 0))

    class Enough(Exception):
        pass

    async def add_usage(batch: UsageBatch, deadline: Deadline) -> None:
        assert deadline
        flushed_at.append(bench.now)
        assert batch.hour == at("03:00:00")

    monkeypatch.setattr(bench.store, "add_usage", add_usage)
    monkeypatch.setattr(asyncio, "sleep", sleep)

    def deadline() -> Deadline:
        if flushed_at:
            raise Enough
        return NoHurry()

    bench.count()
    with pytest.raises(Enough):
        await bench.usage.keep_flushing(10.0, deadline)

    assert slept[:2] == [2.0, 0.5]
    assert flushed_at == [at("04:00:00")]


async def test_what_is_counted_during_a_flush_is_written_by_the_next_one() -> None:
    bench = Bench()
    bench.count()
    bench.store.open.clear()
    flushing = asyncio.create_task(bench.flush())
    await until(lambda: bool(bench.store.attempts))
    bench.count()
    bench.store.open.set()
    await flushing
    await bench.flush()

    assert bench.store.hours[at("03:00:00")] == {("a", "OK"): 2}
    assert len(bench.store.times) == 2


async def test_what_could_not_be_written_is_written_with_what_comes() -> None:
    bench = Bench()
    bench.count()
    bench.store.failure = DatabaseUnavailable()
    await bench.flush()
    bench.count()
    bench.count("b")
    bench.store.failure = None
    await bench.flush()

    assert bench.store.hours[at("03:00:00")] == {("a", "OK"): 2, ("b", "OK"): 1}


async def test_what_was_written_without_an_answer_is_sent_again_and_counts_once() -> None:
    bench = Bench()
    bench.store.loses_answers = True
    bench.count()
    await bench.flush()
    bench.count()
    await bench.flush()
    bench.store.loses_answers = False
    await bench.flush()

    assert bench.store.counts == {("a", "OK"): 2}
    assert bench.store.attempts == [("w", 1), ("w", 1), ("w", 1), ("w", 2)]


async def test_flushes_that_overlap_send_nothing_twice() -> None:
    bench = Bench()
    bench.count()
    await asyncio.gather(bench.flush(), bench.flush())

    assert bench.store.attempts == [("w", 1)]


@pytest.mark.parametrize("end", ["cancelled", "fault"])
async def test_a_flush_that_is_cut_off_keeps_what_it_was_about_to_write(end: str) -> None:
    bench = Bench()
    bench.count()
    if end == "cancelled":
        bench.store.open.clear()
        flushing = asyncio.create_task(bench.flush())
        await until(lambda: bool(bench.store.attempts))
        flushing.cancel()
        await asyncio.wait([flushing])
        bench.store.open.set()
    else:
        bench.store.failure = ZeroDivisionError()
        with pytest.raises(ZeroDivisionError):
            await bench.flush()
        bench.store.failure = None

    await bench.flush()

    assert bench.store.hours[at("03:00:00")] == {("a", "OK"): 1}


async def test_a_flush_that_has_begun_is_finished_when_flushing_ends() -> None:
    bench = Bench()
    bench.store.open.clear()
    bench.count()
    flushing = asyncio.create_task(bench.usage.keep_flushing(0.001, NoHurry))
    await until(lambda: bool(bench.store.attempts))

    flushing.cancel()
    await asyncio.sleep(0)
    assert not flushing.done()
    bench.store.open.set()
    await asyncio.wait([flushing])
    await bench.flush()

    assert flushing.cancelled()
    assert bench.store.hours[at("03:00:00")] == {("a", "OK"): 1}
    assert len(bench.store.times) == 1


async def test_flushing_goes_on_whatever_happens() -> None:
    bench = Bench()
    bench.store.failure = ZeroDivisionError()
    flushing = asyncio.create_task(bench.usage.keep_flushing(0.001, NoHurry))
    bench.count()
    await until(lambda: len(bench.store.attempts) > 2)
    bench.store.failure = None

    await until(lambda: bool(bench.store.hours))
    flushing.cancel()

    assert bench.store.hours[at("03:00:00")] == {("a", "OK"): 1}


async def test_the_end_comes_back_to_what_failed_once() -> None:
    bench = Bench()
    bench.count()

    async def fail_once() -> None:
        bench.store.failure = DatabaseUnavailable()
        await until(lambda: len(bench.store.attempts) == 1)
        bench.store.failure = None

    await asyncio.gather(fail_once(), bench.usage.finish(NoHurry()))

    assert bench.store.counts == {("a", "OK"): 1}


async def test_the_end_says_how_much_it_could_not_write() -> None:
    bench = Bench()
    bench.store.failure = DatabaseUnavailable()
    bench.count()
    await bench.flush()
    bench.count("b")
    bench.count("b")

    with capture_logs() as logs:
        await bench.usage.finish(NoHurry())

    assert {"event": "usage lost", "verdicts": 3, "log_level": "error"} in logs


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.001)


async def test_a_fault_at_the_end_is_told_with_what_is_lost_and_ends_nothing_else() -> None:
    class Faulty:
        async def add_usage(self, batch: UsageBatch, deadline: Deadline) -> None:
            assert batch
            assert deadline
            raise RuntimeError("any fault")

    counter = UsageCounter(store=Faulty(), clock=lambda: NOW, writer_id="w")
    counter.count("key_a", "OK", "", "")

    with capture_logs() as logs:
        await counter.finish(NoHurry())

    assert logs[-1]["event"] == "usage lost"
    assert logs[-1]["verdicts"] == 1


async def test_a_full_hour_that_passed_during_a_flush_is_not_waited_past(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    bench.now = at("03:59:59")
    slept: list[float] = []

    async def add_usage(batch: UsageBatch, deadline: Deadline) -> None:
        assert batch
        assert deadline
        # Counted while the database takes its time, which is until the next hour.
        bench.count()
        bench.now = at("04:00:05")

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(bench.store, "add_usage", add_usage)
    bench.count()
    await bench.flush()
    monkeypatch.setattr(asyncio, "sleep", sleep)

    await bench.usage._until_due(10.0)  # noqa: SLF001 - what it waits for is what is asked

    assert slept == []
