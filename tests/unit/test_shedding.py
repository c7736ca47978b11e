"""How many calls that wait may be under way, and what happens to the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import NoReturn, cast

import pytest

from authsvc.domain.errors import Overloaded
from authsvc.rpc.behaviours import Behaviour
from authsvc.rpc.deadlines import Context
from authsvc.rpc.shedding import Shedding

CONTEXT = cast("Context", None)
LIMIT = 2


async def refuse(_context: Context, error: Exception) -> NoReturn:
    raise error


class Work:
    """A method that waits until it is let go."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self.gate = asyncio.Event()

    async def __call__(self, data: bytes, _context: Context) -> bytes:
        self.begun.append(data)
        await self.gate.wait()
        if data == b"bad":
            raise ValueError
        return data


async def begin(behave: Behaviour, *requests: bytes) -> Sequence[asyncio.Future[bytes]]:
    calls = [asyncio.ensure_future(behave(request, CONTEXT)) for request in requests]
    await asyncio.sleep(0)
    return calls


async def test_calls_beyond_the_limit_are_refused_unread() -> None:
    shedding, work = Shedding(limit=LIMIT, jitter=lambda: 0.5), Work()
    behave = shedding.bounded(work, refuse, is_open=False)
    calls = await begin(behave, b"1", b"2")

    with pytest.raises(Overloaded):
        await behave(b"3", CONTEXT)

    assert (work.begun, shedding.in_flight, shedding.shed) == ([b"1", b"2"], LIMIT, 1)
    work.gate.set()
    assert await asyncio.gather(*calls) == [b"1", b"2"]
    assert (await behave(b"4", CONTEXT), shedding.in_flight) == (b"4", 0)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_call_leaves_its_place_whatever_its_end(*, cancelled: bool) -> None:
    shedding, work = Shedding(limit=LIMIT, jitter=lambda: 0.5), Work()
    (call,) = await begin(shedding.bounded(work, refuse, is_open=False), b"bad")

    if cancelled:
        call.cancel()
    work.gate.set()
    await asyncio.gather(call, return_exceptions=True)

    assert shedding.in_flight == 0


async def test_all_methods_share_one_limit() -> None:
    shedding, work = Shedding(limit=LIMIT, jitter=lambda: 0.5), Work()
    one, other = (
        shedding.bounded(work, refuse, is_open=False),
        shedding.bounded(work, refuse, is_open=False),
    )
    calls = await begin(one, b"1", b"2")

    with pytest.raises(Overloaded):
        await other(b"3", CONTEXT)

    work.gate.set()
    await asyncio.gather(*calls)


async def test_calls_that_anybody_may_make_leave_half_of_the_room_to_others() -> None:
    shedding, work = Shedding(limit=4, jitter=lambda: 0.5), Work()
    anybody = shedding.bounded(work, refuse, is_open=True)
    callers = shedding.bounded(work, refuse, is_open=False)
    calls = await begin(anybody, b"1", b"2")

    with pytest.raises(Overloaded):
        await anybody(b"3", CONTEXT)

    calls = [*calls, *await begin(callers, b"4", b"5")]
    assert work.begun == [b"1", b"2", b"4", b"5"]
    with pytest.raises(Overloaded):
        await callers(b"6", CONTEXT)
    work.gate.set()
    await asyncio.gather(*calls)
    assert [await anybody(b"7", CONTEXT), await anybody(b"8", CONTEXT)] == [b"7", b"8"]


async def test_callers_may_have_all_of_the_room() -> None:
    shedding, work = Shedding(limit=4, jitter=lambda: 0.5), Work()
    callers = shedding.bounded(work, refuse, is_open=False)
    calls = await begin(callers, b"1", b"2", b"3", b"4")

    assert len(work.begun) == 4
    with pytest.raises(Overloaded):
        await shedding.bounded(work, refuse, is_open=True)(b"5", CONTEXT)
    work.gate.set()
    await asyncio.gather(*calls)


@pytest.mark.parametrize(("drawn", "milliseconds"), [(0.0, 500), (0.25, 750), (1.0, 1500)])
async def test_refused_callers_come_again_at_different_times(
    drawn: float, milliseconds: int
) -> None:
    shedding, work = Shedding(limit=1, jitter=lambda: drawn), Work()
    behave = shedding.bounded(work, refuse, is_open=False)
    (call,) = await begin(behave, b"1")

    with pytest.raises(Overloaded) as caught:
        await behave(b"2", CONTEXT)

    assert caught.value.retry_delay == timedelta(milliseconds=milliseconds)
    work.gate.set()
    await call
