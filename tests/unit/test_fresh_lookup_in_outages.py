"""What is known of records while the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.freshness import NO_DEMAND, FreshnessDemand, FreshnessSource
from tests.unit.examples import NOW, NoHurry
from tests.unit.looking_up import (
    AUTHORITATIVE,
    NEWER,
    Bench,
    short,
    start,
)


@asynccontextmanager
async def outage(bench: Bench, *, seconds: float) -> AsyncIterator[None]:
    """Let every read fail that begins in the block, so long after the log was last followed."""
    bench.elapsed += seconds

    async def fail() -> None:
        while True:
            for gate in bench.gates:
                if not gate.ended.done():
                    gate.fails()
            await asyncio.sleep(0)

    failing = asyncio.create_task(fail())
    try:
        yield
    finally:
        failing.cancel()


async def test_in_an_outage_memory_does_not_answer_unless_that_is_the_policy() -> None:
    bench = Bench(outage_max_staleness=None)
    await bench.known("a", "A")

    async with outage(bench, seconds=6):
        with pytest.raises(DatabaseUnavailable):
            await bench.find("a")


async def test_in_an_outage_memory_answers_by_policy_and_says_how_old_it_is() -> None:
    bench = Bench(outage_max_staleness=timedelta(seconds=60))
    await bench.known("a", "A")

    async with outage(bench, seconds=60):
        found = await bench.find("a")

    assert (found.record, found.freshness.source) == ("A", FreshnessSource.STALE)
    assert found.freshness.as_of == NOW


async def test_in_an_outage_memory_has_a_last_moment() -> None:
    bench = Bench(outage_max_staleness=timedelta(seconds=60))
    await bench.known("a", "A")

    async with outage(bench, seconds=60.01):
        with pytest.raises(DatabaseUnavailable):
            await bench.find("a")


@pytest.mark.parametrize("demand", [AUTHORITATIVE, NEWER])
async def test_in_an_outage_memory_does_not_meet_demands(demand: FreshnessDemand) -> None:
    bench = Bench(outage_max_staleness=timedelta(seconds=60))
    await bench.known("a", "A")

    async with outage(bench, seconds=1):
        with pytest.raises(DatabaseUnavailable):
            await bench.find("a", demand=demand)


@pytest.mark.parametrize("demand", [NO_DEMAND, AUTHORITATIVE, NEWER])
@pytest.mark.parametrize("policy", [None, timedelta(seconds=60)])
async def test_in_an_outage_what_is_final_stays_so(
    demand: FreshnessDemand, policy: timedelta | None
) -> None:
    bench = Bench(outage_max_staleness=policy)
    await bench.known("a", "!A")

    async with outage(bench, seconds=1_000_000):
        found = await bench.find("a", demand=demand)

    assert (found.record, found.freshness.source) == ("!A", FreshnessSource.STALE)


async def test_in_an_outage_nothing_is_known_to_be_absent() -> None:
    bench = Bench(outage_max_staleness=timedelta(seconds=60))
    finder = await start(bench.find("a"))
    bench.gates[-1].returns()
    await finder
    assert bench.lookup.find_now("a") is not None

    async with outage(bench, seconds=6):
        with pytest.raises(DatabaseUnavailable):
            await bench.find("a")


async def test_in_an_outage_many_are_answered_all_or_none() -> None:
    bench = Bench(outage_max_staleness=timedelta(seconds=60))
    await bench.known("a", "A")
    await bench.known("b", "B")

    async with outage(bench, seconds=6):
        found = await bench.lookup.read_all(["a", "b"], NoHurry())
        with pytest.raises(DatabaseUnavailable):
            await bench.lookup.read_all(["a", "b", "c"], NoHurry())

    assert {key: one.record for key, one in found.items()} == {"a": "A", "b": "B"}


async def test_while_the_database_hangs_one_without_time_to_wait_is_answered_by_policy() -> None:
    bench = Bench(outage_max_staleness=timedelta(seconds=60))
    await bench.known("a", "A")
    bench.elapsed = 6
    leader = await start(bench.find("a"))

    found = await bench.find("a", short())

    assert (found.record, found.freshness.source) == ("A", FreshnessSource.STALE)
    assert not leader.done()
    bench.gates[-1].fails()
    assert (await leader).freshness.source is FreshnessSource.STALE
