"""The counter of usage: what is counted is written once, under the hour of its writing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import pytest

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.usecases.usage import UsageCounter
from tests.unit.examples import NoHurry

START = datetime.fromisoformat("2026-01-02T03:59:58+00:00")


class Store:
    """Usage in memory; fails or waits when told to."""

    def __init__(self) -> None:
        self.hours: dict[datetime, Counter[tuple[str, str]]] = {}
        self.times: list[datetime] = []
        self.failure: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def add_usage(
        self,
        hour: datetime,
        now: datetime,
        counts: Mapping[tuple[str, str], int],
        deadline: Deadline,
    ) -> None:
        assert deadline
        await self.open.wait()
        if self.failure:
            raise self.failure
        self.times.append(now)
        self.hours.setdefault(hour, Counter()).update(counts)


class Bench:
    def __init__(self) -> None:
        self.now = START
        self.store = Store()
        self.usage = UsageCounter(store=self.store, clock=lambda: self.now)

    async def flush(self) -> None:
        await self.usage.flush(NoHurry())


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-01-02T{text}+00:00")


async def test_counts_are_by_key_and_outcome() -> None:
    bench = Bench()
    for key_id, outcome in (("a", "OK"), ("a", "OK"), ("a", "KEY_REVOKED"), ("b", "OK")):
        bench.usage.count(key_id, outcome)

    await bench.flush()

    assert bench.store.hours == {
        at("03:00:00"): {("a", "OK"): 2, ("a", "KEY_REVOKED"): 1, ("b", "OK"): 1}
    }


async def test_what_was_written_is_not_written_again() -> None:
    bench = Bench()
    bench.usage.count("a", "OK")
    await bench.flush()
    await bench.flush()

    assert bench.store.times == [START]


async def test_hours_are_whole_and_the_next_one_begins_at_its_first_moment() -> None:
    bench = Bench()
    for moment in ("03:59:59.999999", "04:00:00", "04:59:59"):
        bench.now = at(moment)
        bench.usage.count("a", "OK")
        await bench.flush()

    assert bench.store.hours == {
        at("03:00:00"): {("a", "OK"): 1},
        at("04:00:00"): {("a", "OK"): 2},
    }


async def test_what_is_counted_during_a_flush_is_written_by_the_next_one() -> None:
    bench = Bench()
    bench.usage.count("a", "OK")
    bench.store.open.clear()
    flushing = asyncio.create_task(bench.flush())
    await asyncio.sleep(0)
    bench.usage.count("a", "OK")
    bench.store.open.set()
    await flushing
    await bench.flush()

    assert bench.store.hours[at("03:00:00")] == {("a", "OK"): 2}
    assert len(bench.store.times) == 2


async def test_what_could_not_be_written_is_added_to_what_comes() -> None:
    bench = Bench()
    bench.usage.count("a", "OK")
    bench.store.failure = DatabaseUnavailable()
    await bench.flush()
    bench.usage.count("a", "OK")
    bench.usage.count("b", "OK")
    bench.store.failure = None
    await bench.flush()

    assert bench.store.hours[at("03:00:00")] == {("a", "OK"): 2, ("b", "OK"): 1}


@pytest.mark.parametrize("end", ["cancelled", "fault"])
async def test_a_flush_that_is_cut_off_gives_back_what_it_was_about_to_write(end: str) -> None:
    bench = Bench()
    bench.usage.count("a", "OK")
    if end == "cancelled":
        bench.store.open.clear()
        flushing = asyncio.create_task(bench.flush())
        await asyncio.sleep(0)
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
    bench.usage.count("a", "OK")
    flushing = asyncio.create_task(bench.usage.keep_flushing(0.001, NoHurry))
    await asyncio.sleep(0.02)

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
    bench.usage.count("a", "OK")
    await asyncio.sleep(0.02)
    bench.store.failure = None

    async with asyncio.timeout(5):
        while not bench.store.hours:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.001)
    flushing.cancel()

    assert bench.store.hours[at("03:00:00")] == {("a", "OK"): 1}
