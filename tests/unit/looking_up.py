"""A look-up whose reads a test holds up, with the time and the changes that it knows of."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from authsvc.domain.changes import Watermark
from authsvc.domain.clock import Deadline, TimeLimit
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.freshness import NO_DEMAND, FreshnessDemand
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
