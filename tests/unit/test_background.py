"""Work beside the calls: it outlives faults, and its end takes nobody else's time."""

from __future__ import annotations

import asyncio
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from authsvc.composition import background
from authsvc.composition.background import begin, end
from authsvc.composition.foreign_issuers import TokenReaders
from authsvc.domain.clock import Deadline
from authsvc.domain.usage_batches import UsageBatch
from tests.unit.counting import Bench
from tests.unit.examples import NoHurry


@pytest.mark.parametrize("fault", [RuntimeError("a fault"), asyncio.CancelledError()])
async def test_a_work_that_fails_is_told_and_begun_anew(
    monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    monkeypatch.setattr(background, "_PAUSE_SECONDS", 0)
    begun, goes_on = 0, asyncio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise fault
        goes_on.set()
        await asyncio.Event().wait()

    with capture_logs() as logs:
        works = begin({"looking": work})
        async with asyncio.timeout(20):
            await goes_on.wait()

    assert [(line["log_level"], line["work"]) for line in logs] == [("error", "looking")]
    await end(works, within_seconds=20)
    assert [work.cancelled() for work in works] == [True]


async def test_a_work_that_has_nothing_to_do_ends() -> None:
    async def work() -> None: ...

    (task,) = begin({"nothing": work})

    async with asyncio.timeout(20):
        await task


async def test_a_fault_with_one_issuers_keys_leaves_no_other_to_go_on_twice() -> None:
    ended = asyncio.Event()

    class Faulty:
        async def keep_fresh(self) -> None:
            raise RuntimeError("a fault")

    class Good:
        async def keep_fresh(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    issuers = [SimpleNamespace(keys=keys) for keys in (Good(), Faulty())]
    readers = TokenReaders(*cast("Any", (None, None, issuers)))

    with pytest.raises(ExceptionGroup):
        await readers.keep_fresh()

    assert ended.is_set()


async def test_a_flush_that_hangs_leaves_the_last_one_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench, hanging = Bench(), asyncio.Event()
    add_usage = bench.store.add_usage

    async def hang_once(batch: UsageBatch, deadline: Deadline) -> None:
        if not hanging.is_set():
            hanging.set()
            await asyncio.Event().wait()
        await add_usage(batch, deadline)

    monkeypatch.setattr(bench.store, "add_usage", hang_once)
    bench.count()
    works = begin({"usage": partial(bench.usage.keep_flushing, 0.001, NoHurry)})
    async with asyncio.timeout(20):
        await hanging.wait()

        await end(works, within_seconds=0.01)
        await bench.usage.finish(NoHurry())

    assert bench.store.counts == {("a", "OK"): 1}
