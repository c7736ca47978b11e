"""Watching: what is told, what a broken stream leads to, and how a watch ends."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import asyncio
import time
from concurrent import futures
from typing import Any

import grpc
import pytest

from clients.python.tests.watching import AT, RPC, asked, gone, revoked, told
from orchestrator.auth import (
    AccountChanged,
    AuthServiceError,
    ConfigurationError,
    Heartbeat,
    KeyChanged,
    MalformedResponse,
    Reset,
)
from orchestrator.auth.v1 import auth_service_pb2 as pb

pytestmark = pytest.mark.usefixtures("short_pauses")


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
