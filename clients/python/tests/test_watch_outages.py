"""Watches over broken streams, servers that are full, and pauses."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import asyncio
import logging
import random
from datetime import timedelta
from typing import Any

import grpc
import pytest

from clients.python.tests.watching import AT, RPC, SOON, asked, full, revoked, told
from orchestrator.auth import (
    AuthServiceError,
    Heartbeat,
    PermissionDenied,
    Reset,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    _watch,
)
from orchestrator.auth.v1 import auth_service_pb2 as pb

pytestmark = pytest.mark.usefixtures("short_pauses")


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
