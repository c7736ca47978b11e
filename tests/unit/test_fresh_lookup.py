"""The lookup of records: who reads, who waits for whom, and what memory may say in an outage."""

from __future__ import annotations

import asyncio

import pytest

from authsvc.domain.errors import DatabaseUnavailable, TooManyLookups
from authsvc.domain.freshness import FreshnessDemand, FreshnessSource
from tests.unit.examples import NoHurry
from tests.unit.looking_up import (
    AUTHORITATIVE,
    NEWER,
    Bench,
    settle,
    short,
    start,
)


async def test_those_who_miss_the_same_key_at_once_share_one_read() -> None:
    bench = Bench()
    finders = [await start(bench.find("a")) for _ in range(50)]

    (gate,) = bench.gates
    gate.returns(a="A")

    assert {(await finder).record for finder in finders} == {"A"}
    assert len(bench.gates) == 1


async def test_those_who_miss_different_keys_do_not_wait_for_each_other() -> None:
    bench = Bench()
    first, second = await start(bench.find("a")), await start(bench.find("b"))

    bench.gates[1].returns(b="B")

    assert (await second).record == "B"
    assert not first.done()
    bench.gates[0].returns(a="A")
    await first


async def test_what_was_read_is_answered_from_memory() -> None:
    bench = Bench()
    await bench.known("a", "A")

    found = bench.lookup.find_now("a")

    assert found is not None
    assert (found.record, found.freshness.source) == ("A", FreshnessSource.CACHE)


async def test_what_was_read_is_as_old_as_the_beginning_of_its_read() -> None:
    bench = Bench()
    begun = bench.now()
    finders = [await start(bench.find("a"))]
    bench.elapsed = 1.0
    finders.append(await start(bench.find("a")))
    bench.gates[0].returns(a="A")

    assert {(await finder).freshness.as_of for finder in finders} == {begun}


async def test_when_the_read_fails_those_who_waited_for_it_read_themselves() -> None:
    bench = Bench()
    leader = await start(bench.find("a"))
    others = [await start(bench.find("a")) for _ in range(5)]

    bench.gates[0].fails()
    with pytest.raises(DatabaseUnavailable):
        await leader
    await settle()

    # One of them reads for all
    assert len(bench.gates) == 2
    bench.gates[1].returns(a="A")
    assert {(await other).record for other in others} == {"A"}


async def test_when_the_reader_is_cancelled_those_who_waited_for_it_read_themselves() -> None:
    bench = Bench()
    leader = await start(bench.find("a"))
    others = [await start(bench.find("a")) for _ in range(5)]

    leader.cancel()
    await settle()

    assert leader.cancelled()
    assert len(bench.gates) == 2
    bench.gates[1].returns(a="A")
    assert {(await other).record for other in others} == {"A"}


async def test_one_who_waits_and_is_cancelled_disturbs_nobody() -> None:
    bench = Bench()
    leader = await start(bench.find("a"))
    gone, patient = await start(bench.find("a")), await start(bench.find("a"))

    gone.cancel()
    await settle()
    bench.gates[0].returns(a="A")

    assert gone.cancelled()
    assert ((await leader).record, (await patient).record) == ("A", "A")
    assert len(bench.gates) == 1


async def test_one_who_has_no_time_to_wait_gives_up_alone() -> None:
    bench = Bench()
    leader = await start(bench.find("a"))

    with pytest.raises(DatabaseUnavailable):
        await bench.find("a", short())

    assert not leader.done()
    bench.gates[0].returns(a="A")
    assert (await leader).record == "A"


async def test_one_with_more_time_than_the_reader_is_not_bound_by_the_readers() -> None:
    bench = Bench()
    leader = await start(bench.find("a", short()))
    patient = await start(bench.find("a"))

    with pytest.raises(DatabaseUnavailable):
        await leader
    await settle()

    bench.gates[1].returns(a="A")
    assert (await patient).record == "A"


@pytest.mark.parametrize("demand", [AUTHORITATIVE, NEWER])
async def test_one_with_a_demand_does_not_take_what_was_begun_before_it(
    demand: FreshnessDemand,
) -> None:
    bench = Bench()
    earlier = await start(bench.find("a"))
    demanding = await start(bench.find("a", demand=demand))

    bench.gates[0].returns(a="old")
    assert (await earlier).record == "old"
    assert not demanding.done()

    bench.gates[1].returns(a="new")
    assert (await demanding).record == "new"


async def test_a_read_that_a_change_passed_by_is_answered_once_and_not_kept() -> None:
    bench = Bench()
    finder = await start(bench.find("a"))
    bench.lookup.drop(["unrelated"], created=False)
    bench.gates[0].returns(a="A")

    assert (await finder).record == "A"
    assert bench.lookup.find_now("a") is None


async def test_an_absence_that_a_creation_passed_by_is_answered_once_and_not_kept() -> None:
    bench = Bench()
    finder = await start(bench.find("a"))
    bench.lookup.drop([], created=True)
    bench.gates[0].returns()

    assert (await finder).record is None
    assert bench.lookup.find_now("a") is None


async def test_a_gap_forgets_what_is_kept_and_what_is_being_read() -> None:
    bench = Bench()
    await bench.known("a", "A")
    finder = await start(bench.find("b"))
    bench.lookup.clear()
    bench.gates[-1].returns(b="B")
    await finder

    assert bench.lookup.find_now("a") is None
    assert bench.lookup.find_now("b") is None


async def test_memory_does_not_answer_past_its_time() -> None:
    bench = Bench()
    await bench.known("a", "A")

    bench.elapsed = 5.0
    assert bench.lookup.find_now("a") is not None
    bench.elapsed = 5.01
    assert bench.lookup.find_now("a") is None
    bench.follow()
    assert bench.lookup.find_now("a") is not None


async def test_memory_answers_a_revision_once_it_was_followed_so_far() -> None:
    bench = Bench()
    await bench.known("a", "A")

    assert bench.lookup.find_now("a", NEWER) is None
    bench.follow(revision=2)
    assert bench.lookup.find_now("a", NEWER) is not None
    assert bench.lookup.find_now("a", AUTHORITATIVE) is None


async def test_more_reads_at_once_than_there_may_be_are_refused() -> None:
    bench = Bench(reads=2)
    running = [await start(bench.find(key)) for key in ("a", "b")]

    with pytest.raises(TooManyLookups):
        await bench.find("c")
    with pytest.raises(TooManyLookups):
        await bench.lookup.read_all(["c", "d"], NoHurry())
    # Who joins a read makes none
    joined = await start(bench.find("a"))

    for gate in bench.gates:
        gate.returns()
    await asyncio.gather(joined, *running)
    after = await start(bench.find("c"))
    bench.gates[-1].returns(c="C")
    assert (await after).record == "C"


@pytest.mark.parametrize("end", ["fails", "is cancelled"])
async def test_a_read_that_comes_to_nothing_gives_its_place_back(end: str) -> None:
    bench = Bench(reads=1)
    for _ in range(3):
        finder = await start(bench.find("a"))
        if end == "fails":
            bench.gates[-1].fails()
        else:
            finder.cancel()
        await asyncio.wait([finder])

    finder = await start(bench.find("a"))
    bench.gates[-1].returns(a="A")
    assert (await finder).record == "A"
