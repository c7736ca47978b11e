"""The lookup of records: who reads, who waits for whom, and what memory may say in an outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from authsvc.domain.changes import Watermark
from authsvc.domain.clock import Deadline, TimeLimit
from authsvc.domain.errors import DatabaseUnavailable, TooManyLookups
from authsvc.domain.freshness import NO_DEMAND, FreshnessDemand, FreshnessSource
from authsvc.usecases.followed_log import FollowedLog
from authsvc.usecases.fresh_lookup import Found, FreshLookup, LookupBounds
from tests.unit.examples import NOW, NoHurry

AUTHORITATIVE = FreshnessDemand(authoritative=True)
NEWER = FreshnessDemand(at_least_revision=2)
MAX_STALENESS = timedelta(seconds=5)


@dataclass
class Gate:
    """A read that waits to be let go, with what it then returns or raises."""

    keys: Sequence[str]
    ended: asyncio.Future[Mapping[str, str]]

    def returns(self, **records: str) -> None:
        self.ended.set_result(records)

    def fails(self) -> None:
        self.ended.set_exception(DatabaseUnavailable())


@dataclass
class Bench:
    """A lookup whose reads are let go one by one. Records that begin with `!` are final."""

    outage_max_staleness: timedelta | None = None
    reads: int = 10
    elapsed: float = 0.0
    gates: list[Gate] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log = FollowedLog(max_staleness=MAX_STALENESS, monotonic=lambda: self.elapsed)
        self.lookup: FreshLookup[str, str] = FreshLookup(
            log=self.log,
            read=self.read,
            tags=lambda record: (record,),
            is_final=lambda record: record.startswith("!"),
            bounds=LookupBounds(100, 100, self.reads, self.outage_max_staleness),
            clock=self.now,
        )
        self.follow()

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.elapsed)

    def follow(self, revision: int = 1) -> None:
        self.log.on_caught_up(Watermark(revision, self.now(), self.elapsed))

    async def read(self, keys: Sequence[str], deadline: Deadline) -> Mapping[str, str]:
        gate = Gate(keys, asyncio.get_running_loop().create_future())
        self.gates.append(gate)
        try:
            async with asyncio.timeout(deadline.remaining()):
                return await gate.ended
        except TimeoutError as error:
            raise DatabaseUnavailable from error

    async def find(
        self, key: str, deadline: Deadline | None = None, demand: FreshnessDemand = NO_DEMAND
    ) -> Found[str]:
        return await self.lookup.find(key, deadline or NoHurry(), demand)

    async def known(self, key: str, record: str) -> None:
        """Have a record in memory."""
        finding = await start(self.find(key))
        self.gates[-1].returns(**{key: record})
        await finding


async def start(call: Coroutine[Any, Any, Found[str]]) -> asyncio.Task[Found[str]]:
    """Begin a call, and let it come to where it waits."""
    task = asyncio.create_task(call)
    await settle()
    return task


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def short(seconds: float = 0.02) -> TimeLimit:
    return TimeLimit(seconds, asyncio.get_running_loop().time)


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
