"""The counter of usage: what is counted is written once, under the hour in which it was counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.usage_batches import SourceKind, UsageBatch
from authsvc.usecases import usage as module
from authsvc.usecases.usage import UsageCounter
from tests.unit.examples import NOW, NoHurry

START = datetime.fromisoformat("2026-01-02T03:59:58+00:00")


class Store:
    """Usage in memory as the database keeps it; fails before or after writing when told to."""

    def __init__(self) -> None:
        self.hours: dict[datetime, Counter[tuple[str, str]]] = {}
        self.sources: Counter[tuple[str, SourceKind, str]] = Counter()
        self.times: list[datetime] = []
        self.sequences: dict[str, int] = {}
        self.attempts: list[tuple[str, int]] = []
        self.failure: Exception | None = None
        self.loses_answers = False
        self.open = asyncio.Event()
        self.open.set()

    async def add_usage(self, batch: UsageBatch, deadline: Deadline) -> None:
        assert deadline
        self.attempts.append((batch.writer_id, batch.sequence))
        await self.open.wait()
        if self.failure:
            raise self.failure
        if batch.sequence > self.sequences.get(batch.writer_id, 0):
            self.sequences[batch.writer_id] = batch.sequence
            self.times.append(batch.seen_time)
            self.hours.setdefault(batch.hour, Counter()).update(batch.counts)
            self.sources.update(batch.sources)
        if self.loses_answers:
            raise DatabaseUnavailable

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """The counts of all hours."""
        return sum(self.hours.values(), Counter())


class Bench:
    def __init__(self) -> None:
        self.now = START
        self.store = Store()
        self.usage = UsageCounter(store=self.store, clock=lambda: self.now, writer_id="w")

    def count(self, key_id: str = "a", outcome: str = "OK", address: str = "") -> None:
        self.usage.count(key_id, outcome, address, "")

    async def flush(self) -> None:
        await self.usage.flush(NoHurry())


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-01-02T{text}+00:00")


async def test_counts_are_by_key_and_outcome() -> None:
    bench = Bench()
    for key_id, outcome in (("a", "OK"), ("a", "OK"), ("a", "KEY_REVOKED"), ("b", "OK")):
        bench.count(key_id, outcome)

    await bench.flush()

    assert bench.store.hours == {
        at("03:00:00"): {("a", "OK"): 2, ("a", "KEY_REVOKED"): 1, ("b", "OK"): 1}
    }


async def test_sources_are_by_key_and_by_what_they_are_whatever_the_outcome() -> None:
    bench = Bench()
    for outcome, address, caller_id in (
        ("OK", "192.0.2.1", "key_1"),
        ("KEY_REVOKED", "192.0.2.1", "key_2"),
        ("OK", "", "key_1"),
        ("OK", "2001:DB8::1", ""),
    ):
        bench.usage.count("a", outcome, address, caller_id)

    await bench.flush()

    assert bench.store.sources == {
        ("a", SourceKind.ADDRESS, "192.0.2.1"): 2,
        ("a", SourceKind.ADDRESS, "2001:db8::/64"): 1,
        ("a", SourceKind.CALLER, "key_1"): 2,
        ("a", SourceKind.CALLER, "key_2"): 1,
        ("a", SourceKind.CALLER, ""): 1,
    }


async def test_what_was_written_is_not_written_again() -> None:
    bench = Bench()
    bench.count()
    await bench.flush()
    await bench.flush()

    assert bench.store.times == [START]


async def test_hours_are_whole_and_the_next_one_begins_at_its_first_moment() -> None:
    bench = Bench()
    for moment in ("03:59:59.999999", "04:00:00", "04:59:59"):
        bench.now = at(moment)
        bench.count()
        await bench.flush()

    assert bench.store.hours == {
        at("03:00:00"): {("a", "OK"): 1},
        at("04:00:00"): {("a", "OK"): 2},
    }


async def test_what_is_written_late_belongs_to_the_hour_in_which_counting_began() -> None:
    bench = Bench()
    bench.count()
    bench.now = at("04:00:01")
    await bench.flush()
    bench.count()
    await bench.flush()

    assert bench.store.hours == {
        at("03:00:00"): {("a", "OK"): 1},
        at("04:00:00"): {("a", "OK"): 1},
    }


async def test_after_idle_hours_a_count_belongs_to_its_own() -> None:
    bench = Bench()
    bench.now = at("07:30:00")
    bench.count()
    await bench.flush()

    assert list(bench.store.hours) == [at("07:00:00")]


async def test_hours_stay_apart_while_nothing_can_be_written() -> None:
    bench = Bench()
    bench.store.failure = DatabaseUnavailable()
    for moment in ("03:10:00", "03:20:00", "04:10:00", "04:20:00", "05:10:00"):
        # As the flusher does, which wakes at each full hour.
        bench.now = at(f"{moment[:2]}:00:00")
        await bench.flush()
        bench.now = at(moment)
        bench.count()
        await bench.flush()
    bench.store.failure = None

    await bench.flush()

    assert {hour.hour: count["a", "OK"] for hour, count in bench.store.hours.items()} == {
        3: 2,
        4: 2,
        5: 1,
    }


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


async def test_beyond_the_bound_addresses_and_callers_are_told_apart_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_COMBINATIONS", 3)
    bench = Bench()
    for number in range(10):
        bench.usage.count("a", "OK", f"192.0.2.{number}", "key_1")
    for _ in range(2):
        bench.usage.count("a", "OK", "192.0.2.0", "key_1")

    await bench.flush()

    assert bench.store.counts == {("a", "OK"): 12}
    assert bench.store.sources == {
        ("a", SourceKind.ADDRESS, "192.0.2.0"): 3,
        ("a", SourceKind.ADDRESS, "192.0.2.1"): 1,
        ("a", SourceKind.ADDRESS, "192.0.2.2"): 1,
        ("a", SourceKind.CALLER, "key_1"): 5,
    }


async def test_beyond_the_last_bound_counts_are_dropped_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_COMBINATIONS", 2)
    monkeypatch.setattr(module, "MAX_PENDING", 3)
    bench = Bench()
    for number in range(5):
        bench.count(f"key_{number}")
        bench.count("key_0")

    with capture_logs() as logs:
        await bench.flush()

    assert bench.store.counts == {("key_0", "OK"): 6, ("key_1", "OK"): 1, ("key_2", "OK"): 1}
    assert [line["verdicts"] for line in logs if line["event"] == "usage dropped"] == [2]


async def test_a_text_that_is_too_long_for_an_address_is_not_kept() -> None:
    bench = Bench()
    bench.count(address="fe80::1%" + "x" * 10_000)

    await bench.flush()

    assert bench.store.counts == {("a", "OK"): 1}
    assert bench.store.sources == {("a", SourceKind.CALLER, ""): 1}


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


async def test_what_waits_is_told_with_its_age() -> None:
    bench = Bench()
    assert (bench.usage.lag_seconds(), bench.usage.buffered()) == (0, 0)

    bench.count("a")
    bench.now += timedelta(seconds=3)
    bench.count("b")
    assert (bench.usage.lag_seconds(), bench.usage.buffered()) == (3, 2)

    bench.store.failure = DatabaseUnavailable()
    await bench.flush()
    bench.now += timedelta(seconds=4)
    bench.count("c")
    await bench.flush()
    assert bench.usage.lag_seconds() == 7

    bench.store.failure = None
    await bench.flush()
    assert (bench.usage.lag_seconds(), bench.usage.buffered()) == (0, 0)
    figures = bench.usage.figures
    assert (figures.flushes, figures.failures, figures.dropped) == (1, 2, 0)
    assert figures.batches == len(bench.store.times)
