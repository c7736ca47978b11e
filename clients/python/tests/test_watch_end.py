"""How watches end: closed, left, dropped or cancelled."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import asyncio
import gc
import random
import threading
from typing import Any

import pytest

from clients.python.tests.watching import AT, RPC, SOON, asked, gone, revoked, told
from orchestrator.auth import (
    AsyncAuthClient,
    AuthClient,
    Heartbeat,
    Reset,
)

pytestmark = pytest.mark.usefixtures("short_pauses")


async def test_closing_a_watch_cancels_its_call(client: Any, server: Any) -> None:
    reader = client.watch(1)
    await told(reader, 1)

    await reader.close()
    await reader.close()

    assert await gone(server.calls[0])
    assert await reader.next() is None
    assert await client.validate("x")


async def test_a_watch_that_never_began_can_be_closed(client: Any, server: Any) -> None:
    reader = client.watch()

    await reader.close()

    assert await reader.next() is None
    assert server.calls == []


async def test_what_was_read_is_not_told_after_the_end(client: Any) -> None:
    reader = client.watch()
    assert isinstance(await reader.next(), Reset)

    await reader.close()

    assert await reader.next() is None


@pytest.mark.parametrize("closed", ["reader", "client"])
async def test_who_waits_for_an_event_is_let_go(client: Any, server: Any, closed: str) -> None:
    reader = client.watch(1)
    await told(reader, 1)
    waiting = asyncio.create_task(reader.next())
    await asyncio.sleep(0.1)

    await (reader if closed == "reader" else client).close()

    async with asyncio.timeout(SOON):
        assert await waiting is None
    assert await gone(server.calls[0])


async def test_who_pauses_is_let_go(
    client: Any, server: Any, unavailable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda _least, _most: 60.0)
    server.script(RPC, [unavailable])
    waiting = asyncio.create_task(client.watch().next())
    await asyncio.sleep(0.3)

    await client.close()

    async with asyncio.timeout(SOON):
        assert await waiting is None
    assert len(server.calls) == 1


def test_leaving_the_loop_cancels_the_call(server: Any) -> None:
    with AuthClient(server.target, api_key="k", plaintext=True) as client:
        for event in client.watch():
            assert isinstance(event, Reset)
            break
        gc.collect()

        assert server.calls[0].ended.wait(SOON)


async def test_leaving_the_async_loop_cancels_the_call(server: Any) -> None:
    async with AsyncAuthClient(server.target, api_key="k", plaintext=True) as client:
        async for event in client.watch():
            assert isinstance(event, Reset)
            break
        gc.collect()

        assert await gone(server.calls[0])


def test_a_watch_may_be_dropped_after_its_loop(server: Any) -> None:
    with asyncio.Runner() as runner:
        client = AsyncAuthClient(server.target, api_key="k", plaintext=True)
        events = client.watch(1)
        assert runner.run(anext(events)) == Heartbeat(AT, 1)
    del events
    gc.collect()


def test_leaving_the_block_cancels_the_call(server: Any) -> None:
    with AuthClient(server.target, api_key="k", plaintext=True) as client:
        with client.watch(1) as events:
            assert next(events) == Heartbeat(AT, 1)

        assert server.calls[0].ended.wait(SOON)
        assert list(events) == []


async def test_leaving_the_async_block_cancels_the_call(server: Any) -> None:
    async with AsyncAuthClient(server.target, api_key="k", plaintext=True) as client:
        async with client.watch(1) as events:
            assert await anext(events) == Heartbeat(AT, 1)

        assert await gone(server.calls[0])
        assert [event async for event in events] == []


async def test_a_cancelled_reader_stays_cancelled(server: Any) -> None:
    async with AsyncAuthClient(server.target, api_key="k", plaintext=True) as client:
        events = client.watch(1)
        await anext(events)
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.1)
        waiting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await waiting

        assert await gone(server.calls[0])


async def test_a_reader_that_is_cancelled_as_it_closes_stays_cancelled(server: Any) -> None:
    async with AsyncAuthClient(server.target, api_key="k", plaintext=True) as client:
        events = client.watch(1)
        await anext(events)
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await events.close()

        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_time_limit_on_one_event_loses_none(server: Any, answers: Any) -> None:
    server.script(RPC, [answers.beat(6), answers.Stay()], [answers.ended(7), answers.Stay()])

    async with AsyncAuthClient(server.target, api_key="k", plaintext=True) as client:
        events = client.watch(5)
        await anext(events)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await anext(events)

        assert await anext(events) == revoked(7)
    assert asked(server) == [5, 6]


def test_a_watch_can_be_closed_while_it_connects(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with AuthClient(server.target, api_key="k", plaintext=True) as client:
        connecting, go_on = threading.Event(), threading.Event()
        stream = client._stream  # noqa: SLF001

        def slowly(request: Any) -> Any:
            connecting.set()
            go_on.wait(SOON)
            return stream(request)

        monkeypatch.setattr(client, "_stream", slowly)
        events = client.watch(1)
        told: list[Any] = []
        reader = threading.Thread(target=lambda: told.extend(events))
        reader.start()
        assert connecting.wait(SOON)
        events.close()
        go_on.set()
        reader.join(SOON)

        assert not reader.is_alive()
        assert told == []
        for call in server.calls:
            assert call.ended.wait(SOON)
