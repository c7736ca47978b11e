"""Watching: what is told, what a broken stream leads to, and how a watch ends."""
# Fixtures come from conftest, which tests cannot import.
# ruff: noqa: ANN401

from __future__ import annotations

import asyncio
import gc
import logging
import random
import threading
import time
from concurrent import futures
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from orchestrator.auth import (
    AccountChanged,
    AsyncAuthClient,
    AuthClient,
    AuthServiceError,
    ConfigurationError,
    Heartbeat,
    KeyChanged,
    KeyRevoked,
    MalformedResponse,
    PermissionDenied,
    Reset,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    _watch,
)
from orchestrator.auth.v1 import auth_service_pb2 as pb

RPC = "WatchRevocations"
AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
SOON = 5.0


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_watch, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(_watch, "_LONGEST_PAUSE", 0.05)


@pytest.fixture
def unavailable(answers: Any) -> Any:
    return answers.Failure(grpc.StatusCode.UNAVAILABLE)


def revoked(revision: int) -> KeyRevoked:
    return KeyRevoked(f"key_{revision}", "acct_1", revision)


def asked(server: Any) -> list[int]:
    return [call.request.after_revision for call in server.calls]


def full(answers: Any) -> Any:
    """Return the status of a server with too many streams."""
    status = status_pb2.Status()
    status.details.add().Pack(
        error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1000)), "type.googleapis.com"
    )
    trailers = (("grpc-status-details-bin", status.SerializeToString()),)
    return answers.Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", trailers)


async def told(reader: Any, count: int) -> list[Any]:
    async with asyncio.timeout(SOON):
        return list(await reader.take(count))


async def gone(call: Any) -> bool:
    return bool(await asyncio.to_thread(call.ended.wait, SOON))


async def test_every_kind_of_event_is_told(client: Any, server: Any, answers: Any) -> None:
    server.script(
        RPC,
        [
            answers.ended(6),
            answers.told(7, key_changed=pb.KeyChanged(key_id="key_7", account_id="acct_1")),
            answers.told(8, account_changed=pb.AccountChanged(account_id="acct_2")),
            answers.beat(9),
            answers.told(10, reset=pb.Reset()),
            answers.Stay(),
        ],
    )

    events = await told(client.watch(5), 5)

    assert events == [
        revoked(6),
        KeyChanged("key_7", "acct_1", 7),
        AccountChanged("acct_2", 8),
        Heartbeat(AT, 9),
        Reset(10),
    ]


async def test_it_begins_after_the_revision_and_without_a_deadline(
    client: Any, server: Any, answers: Any
) -> None:
    await told(client.watch(41), 1)

    assert asked(server) == [41]
    assert server.calls[0].seconds_left is None or server.calls[0].seconds_left > 3600
    assert server.calls[0].metadata["authorization"] == f"Bearer {answers.EXAMPLE_KEY}"


async def test_a_watch_from_now_on_begins_with_a_reset(
    client: Any, server: Any, answers: Any
) -> None:
    server.script(RPC, [answers.ended(6), answers.Stay()])

    assert await told(client.watch(), 2) == [Reset(6), revoked(6)]
    assert asked(server) == [0]


async def test_a_reset_of_the_servers_own_is_not_doubled(
    client: Any, server: Any, answers: Any
) -> None:
    server.script(RPC, [answers.told(6, reset=pb.Reset()), answers.beat(6), answers.Stay()])

    assert await told(client.watch(), 2) == [Reset(6), Heartbeat(AT, 6)]


async def test_an_event_of_an_unknown_kind_is_a_reset(
    client: Any, server: Any, answers: Any
) -> None:
    # Field 15, a message with 4 octets: what a newer server may tell.
    unknown = pb.WatchRevocationsResponse.FromString(b"\x30\x07\x7a\x04\x0a\x02ab")
    server.script(RPC, [unknown, answers.beat(7), answers.Stay()])

    assert await told(client.watch(6), 2) == [Reset(7), Heartbeat(AT, 7)]


async def test_a_broken_stream_goes_on_where_it_was(
    client: Any, server: Any, answers: Any, unavailable: Any
) -> None:
    server.script(
        RPC,
        [answers.ended(6), answers.ended(7), unavailable],
        [unavailable],
        [unavailable],
        [answers.ended(8), answers.beat(9), unavailable],
        [answers.ended(10), answers.Stay()],
    )

    events = await told(client.watch(5), 5)

    assert events == [revoked(6), revoked(7), revoked(8), Heartbeat(AT, 9), revoked(10)]
    assert asked(server) == [5, 7, 7, 7, 9]


async def test_the_end_of_a_stream_is_not_the_end_of_the_watch(
    client: Any, server: Any, answers: Any
) -> None:
    server.script(RPC, [answers.ended(6)], [], [answers.ended(7), answers.Stay()])

    assert await told(client.watch(5), 2) == [revoked(6), revoked(7)]
    assert asked(server) == [5, 6, 6]


async def test_a_revision_that_went_back_is_followed(
    client: Any, server: Any, answers: Any, unavailable: Any
) -> None:
    server.script(
        RPC, [answers.told(3, reset=pb.Reset()), unavailable], [answers.beat(4), answers.Stay()]
    )

    assert await told(client.watch(500), 2) == [Reset(3), Heartbeat(AT, 4)]
    assert asked(server) == [500, 3]


async def test_what_broke_off_without_a_revision_begins_with_a_reset_again(
    client: Any, server: Any, answers: Any, unavailable: Any
) -> None:
    server.script(
        RPC, [answers.beat(0), unavailable], [unavailable], [answers.beat(2), answers.Stay()]
    )

    events = await told(client.watch(), 4)

    assert events == [Reset(0), Heartbeat(AT, 0), Reset(2), Heartbeat(AT, 2)]


async def test_a_server_that_is_not_there_yet_is_waited_for(connect: Any) -> None:
    reader = connect("127.0.0.1:1", api_key="k", plaintext=True).watch()

    waiting = asyncio.create_task(reader.next())
    await asyncio.sleep(0.3)

    assert not waiting.done()
    await reader.close()
    async with asyncio.timeout(SOON):
        assert await waiting is None


async def test_another_server_is_gone_to(connect: Any, start_server: Any, answers: Any) -> None:
    servers = [start_server(), start_server()]
    stopping = answers.Failure(grpc.StatusCode.UNAVAILABLE, "stopping")
    for server in servers:
        server.script(RPC, [answers.beat(6), stopping])
    target = "ipv4:" + ",".join(server.target for server in servers)
    reader = connect(target, api_key="k", plaintext=True).watch(5)

    await told(reader, 10)

    assert min(len(server.calls) for server in servers) >= 1


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, Unauthenticated),
        (grpc.StatusCode.PERMISSION_DENIED, PermissionDenied),
        (grpc.StatusCode.INTERNAL, AuthServiceError),
        (grpc.StatusCode.CANCELLED, AuthServiceError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ResourceExhausted),
    ],
)
async def test_other_errors_are_raised_and_end_the_watch(
    client: Any, server: Any, answers: Any, code: grpc.StatusCode, error: type[Exception]
) -> None:
    server.script(RPC, [answers.beat(6), answers.Failure(code)])
    reader = client.watch(5)
    await told(reader, 1)

    with pytest.raises(error, match="scripted"):
        await reader.next()

    assert await reader.next() is None
    assert len(server.calls) == 1


async def test_a_full_server_refuses_a_new_watch(client: Any, server: Any, answers: Any) -> None:
    server.script(RPC, [full(answers)])

    with pytest.raises(ResourceExhausted, match="full"):
        await client.watch(5).next()


async def test_a_full_server_only_delays_a_watch_that_is_resumed(
    client: Any, server: Any, answers: Any, unavailable: Any
) -> None:
    server.script(
        RPC,
        [answers.ended(6), unavailable],
        [full(answers)],
        [answers.ended(7), answers.Stay()],
    )

    assert await told(client.watch(5), 2) == [revoked(6), revoked(7)]


@pytest.mark.parametrize(
    "event",
    [
        {"heartbeat": pb.Heartbeat()},
        {"key_revoked": pb.KeyRevoked()},
        {"key_changed": pb.KeyChanged()},
        {"account_changed": pb.AccountChanged()},
    ],
    ids=lambda event: next(iter(event)),
)
async def test_an_event_about_nothing_is_not_passed_over(
    client: Any, server: Any, answers: Any, event: Any
) -> None:
    server.script(RPC, [answers.told(6, **event), answers.Stay()])
    reader = client.watch(5)

    with pytest.raises(MalformedResponse):
        await reader.next()

    assert await gone(server.calls[0])
    assert await reader.next() is None


async def test_what_cannot_be_parsed_is_not_passed_over(connect: Any) -> None:
    handler: Any = grpc.unary_stream_rpc_method_handler(lambda _request, _context: iter([b"\xff"]))
    generic = grpc.method_handlers_generic_handler(
        "orchestrator.auth.v1.AuthService", {RPC: handler}
    )
    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[generic])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    with pytest.raises(AuthServiceError) as caught:
        await connect(f"127.0.0.1:{port}", api_key="k", plaintext=True).watch().next()

    assert caught.value.code is grpc.StatusCode.INTERNAL
    await asyncio.to_thread(server.stop(None).wait)


@pytest.mark.parametrize("revision", ["1", 1 << 63])
def test_a_revision_that_cannot_be_sent_is_a_mistake(client: Any, revision: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        client.watch(revision)


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


async def test_a_closed_client_does_not_watch(client: Any) -> None:
    await client.close()

    with pytest.raises(ConfigurationError, match="closed"):
        client.watch()


async def test_several_watches_and_calls_share_a_client(client: Any) -> None:
    readers = [client.watch(1) for _ in range(3)]

    assert [await told(reader, 1) for reader in readers] == [[Heartbeat(AT, 1)]] * 3
    assert await client.validate("x")


async def test_the_time_of_a_call_does_not_bound_a_watch(
    connect: Any, server: Any, answers: Any
) -> None:
    def late() -> Any:
        yield answers.beat(6)
        time.sleep(0.4)
        yield answers.beat(7)

    server.script(RPC, late())
    reader = connect(server.target, api_key="k", plaintext=True, timeout=0.1).watch(5)

    assert await told(reader, 2) == [Heartbeat(AT, 6), Heartbeat(AT, 7)]
    assert asked(server) == [5]


async def test_an_outage_is_logged_once(
    client: Any, server: Any, answers: Any, unavailable: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server.script(
        RPC,
        [answers.beat(6), unavailable],
        [unavailable],
        [answers.beat(7)],
        [answers.beat(8), answers.Stay()],
    )

    with caplog.at_level(logging.WARNING, "orchestrator.auth"):
        await told(client.watch(5), 3)

    assert [record.getMessage() for record in caplog.records] == [
        "the watch broke off and will be resumed: UNAVAILABLE: scripted",
        "the watch broke off and will be resumed: end of stream",
    ]


def test_pauses_grow_to_a_bound_and_shrink_when_something_is_heard(
    monkeypatch: pytest.MonkeyPatch, answers: Any
) -> None:
    monkeypatch.setattr(random, "uniform", lambda _least, most: most)
    progress = _watch.Progress(1)

    pauses = [progress.pause(None) for _ in range(5)]
    progress.hear(answers.beat(2))

    assert pauses == [0.01, 0.02, 0.04, 0.05, 0.05]
    assert progress.pause(None) == 0.01


def test_the_servers_word_on_the_pause_is_heeded_within_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(random, "uniform", lambda _least, _most: 0.0)

    def pause(delay: timedelta) -> float:
        return _watch.Progress(1).pause(Unavailable("later", retry_delay=delay))

    assert pause(timedelta(milliseconds=30)) == 0.03
    assert pause(timedelta(days=1)) == 0.05


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
