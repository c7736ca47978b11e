"""What a connection may ask, shown by real clients and by bare HTTP/2."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Final

import grpc
import pytest

from authsvc.rpc.channel_limits import ChannelLimits
from authsvc.rpc.core_calls import core_calls
from benchmarks.http2 import ACK, GOAWAY, PING, SETTINGS
from orchestrator.auth.v1 import auth_service_pb2 as pb
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, refused, until
from tests.integration.support_http2 import (
    ENHANCE_YOUR_CALM,
    MAX_CONCURRENT_STREAMS,
    NO_ERROR,
    http2,
    tcp,
)

SOON: Final = timedelta(milliseconds=300)
GENEROUS_SECONDS: Final = 30
KIB: Final = 1024
MAX_CREDENTIAL: Final = 8 * KIB
BATCH: Final = 1000
NOT_COUNTED: Final = 3
"""How many calls of a method may be neither queued nor answered: one is taken up, and gRPC holds
the next one ready."""

Handler = Callable[[bytes, Any], Awaitable[bytes]]


async def call(channel: grpc.aio.Channel, method: str) -> bytes:
    bare: Any = channel.unary_unary(f"/t.T/{method}")
    result: bytes = await bare(b"")
    return result


async def answer(_request: bytes, _context: object) -> bytes:
    return b""


@asynccontextmanager
async def bare_server(limits: ChannelLimits, **handlers: Handler) -> AsyncIterator[str]:
    """Serve handlers as the methods of a service `t.T` with nothing around them."""
    server = grpc.aio.server(options=limits.as_options())
    server.add_registered_method_handlers(
        "t.T",
        {name: grpc.unary_unary_rpc_method_handler(each) for name, each in handlers.items()},
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with asyncio.timeout(GENEROUS_SECONDS):
            yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def test_a_full_batch_of_the_longest_credentials_is_taken(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    longest = pb.ValidateCredentialRequest(credential="x" * MAX_CREDENTIAL)
    request = pb.BatchValidateCredentialsRequest(requests=[longest] * BATCH)

    answers = await shared_stubs.auth.BatchValidateCredentials(
        request, metadata=bearer(shared_service.admin_key)
    )

    assert len(answers.responses) == BATCH


async def test_a_larger_message_is_refused(shared_service: Service, shared_stubs: Stubs) -> None:
    request = pb.ValidateCredentialRequest(credential="x" * (16 * KIB * KIB))

    refusal = await refused(
        shared_stubs.auth.ValidateCredential(request, metadata=bearer(shared_service.admin_key))
    )

    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_caller_may_prove_itself_by_the_longest_credential(shared_stubs: Stubs) -> None:
    request = pb.ValidateCredentialRequest(credential="x")
    longest = bearer("x" * (MAX_CREDENTIAL - len("Bearer ")))

    # More than once: gRPC refuses at random when a limit comes near.
    for _ in range(20):
        refusal = await refused(shared_stubs.auth.ValidateCredential(request, metadata=longest))
        assert refusal.reason == "CALLER_CREDENTIAL_INVALID"


async def test_larger_metadata_is_refused_and_the_connection_stays_good(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    request = pb.ValidateCredentialRequest(credential="x")

    refusal = await refused(
        shared_stubs.auth.ValidateCredential(request, metadata=bearer("x" * (33 * KIB)))
    )

    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    good = bearer(shared_service.admin_key)
    assert (await shared_stubs.auth.ValidateCredential(request, metadata=good)).HasField("denial")


async def test_a_connection_has_so_many_calls_under_way_and_no_more() -> None:
    running, gate = asyncio.Semaphore(0), asyncio.Event()

    async def wait(_request: bytes, _context: object) -> bytes:
        running.release()
        await gate.wait()
        return b""

    limits = ChannelLimits(streams_per_connection=2)
    async with (
        bare_server(limits, Wait=wait, Answer=answer) as address,
        http2(address) as connection,
        grpc.aio.insecure_channel(address) as channel,
    ):
        assert (await connection.until(SETTINGS)).settings[MAX_CONCURRENT_STREAMS] == 2
        calls = [asyncio.ensure_future(call(channel, "Wait")) for _ in range(2)]
        for _ in calls:
            await running.acquire()
        behind = asyncio.ensure_future(call(channel, "Answer"))
        _, pending = await asyncio.wait([behind], timeout=0.2)
        assert pending

        gate.set()

        assert await asyncio.gather(*calls, behind) == [b""] * 3


async def test_a_client_with_more_calls_than_that_has_none_refused() -> None:
    calls, at_once = 1000, 150
    async with (
        bare_server(ChannelLimits(), Answer=answer) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        # The client knows the limit when the connection is open.
        await call(channel, "Answer")
        room = asyncio.Semaphore(at_once)

        async def call_in_turn() -> bytes:
            async with room:
                return await call(channel, "Answer")

        answers = await asyncio.gather(*(call_in_turn() for _ in range(calls)))

        assert answers == [b""] * calls


async def test_calls_go_on_while_connections_grow_old() -> None:
    limits = ChannelLimits(connection_age=timedelta(milliseconds=50))
    async with (
        bare_server(limits, Answer=answer) as address,
        http2(address) as connection,
        grpc.aio.insecure_channel(address) as channel,
    ):
        ended = asyncio.create_task(connection.until(GOAWAY))
        calls = 0
        while not ended.done() or calls < 100:
            assert await call(channel, "Answer") == b""
            calls += 1

        assert (await ended).error_code == NO_ERROR


async def test_a_connection_without_calls_is_ended_in_order() -> None:
    async with (
        bare_server(ChannelLimits(connection_idle=SOON), Answer=answer) as address,
        http2(address) as connection,
    ):
        assert (await connection.until(GOAWAY)).payload.endswith(b"connection idle")


async def test_a_client_that_pings_without_end_is_cut_off() -> None:
    async with bare_server(ChannelLimits(), Answer=answer) as address, http2(address) as connection:
        # One by one: what is unread when the connection closes would cut off the reason.
        frame = await connection.until(SETTINGS)
        while frame.kind != GOAWAY:
            connection.send(PING, bytes(8))
            while not (frame := await connection.read()).flags & ACK and frame.kind != GOAWAY:
                pass

        assert frame.error_code == ENHANCE_YOUR_CALM


async def test_a_client_may_ping_between_calls() -> None:
    limits = ChannelLimits(ping_interval=timedelta(milliseconds=20))
    async with bare_server(limits, Answer=answer) as address, http2(address) as connection:
        for number in range(10):
            payload = number.to_bytes(8, "big")
            connection.send(PING, payload)
            while (frame := await connection.read()).payload != payload:
                assert frame.kind != GOAWAY
            await asyncio.sleep(0.05)


async def test_a_connection_that_says_nothing_is_closed() -> None:
    async with (
        bare_server(ChannelLimits(handshake=SOON), Answer=answer) as address,
        tcp(address) as (reader, _),
    ):
        with suppress(ConnectionResetError):
            while await reader.read(KIB):
                pass


@pytest.mark.parametrize("limit", [20, 40])
async def test_calls_that_too_many_wait_before_are_refused_and_other_methods_are_not(
    limit: int,
) -> None:
    # Given a server that is busy with one call, for as long as this takes
    gate, busy = threading.Event(), threading.Event()

    async def block(_request: bytes, _context: object) -> bytes:
        busy.set()
        gate.wait(GENEROUS_SECONDS)
        return b""

    def overload(address: str) -> tuple[list[grpc.StatusCode], bytes]:
        """Make calls from a thread of its own: the server's own is the one that is busy."""
        with grpc.insecure_channel(address) as channel:
            method: Any = channel.unary_unary("/t.T/Block")
            answering: Any = channel.unary_unary("/t.T/Answer")
            first = method.future(b"")
            assert busy.wait(GENEROUS_SECONDS)
            other = answering.future(b"")

            # When many more come
            refused_calls = threading.Semaphore(0)
            calls = [method.future(b"") for _ in range(90)]
            for each in calls:
                each.add_done_callback(lambda _: refused_calls.release())
            # Then those beyond the limit end while the server is busy
            for _ in range(len(calls) - limit - NOT_COUNTED):
                assert refused_calls.acquire(timeout=GENEROUS_SECONDS)
            gate.set()
            return [each.code() for each in (first, *calls)], other.result()

    before = core_calls()
    async with bare_server(
        ChannelLimits(queued_calls=limit, streams_per_connection=100), Block=block, Answer=answer
    ) as address:
        codes, other_answer = await asyncio.to_thread(overload, address)
        answered = codes.count(grpc.StatusCode.OK) + 1

        async def all_answers_are_counted() -> bool:
            return core_calls().succeeded == before.succeeded + answered

        await until(all_answers_are_counted)
        counted = core_calls()

    # And it can be told how many they were
    assert counted.started - before.started == len(codes) + 1
    assert counted.failed == before.failed
    # And the others are answered, as is everything else
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.CANCELLED}
    assert limit // 2 <= codes.count(grpc.StatusCode.OK) <= limit + NOT_COUNTED + 1
    assert codes[0] is grpc.StatusCode.OK
    assert other_answer == b""
