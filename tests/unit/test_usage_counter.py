"""The counter of usage: what is counted is written once, under the hour in which it was counted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.usage_batches import SourceKind
from authsvc.usecases import usage as module
from tests.unit.counting import START, Bench, at


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
