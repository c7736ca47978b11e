"""How streams of WatchRevocations end, who may have one, and how many there may be."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
import pytest

from orchestrator.auth.v1 import auth_service_pb2 as pb
from tests.integration.support import (
    Refusal,
    bearer,
    connected,
    refusal_of,
    refused,
    stubs_of,
    until,
)

if TYPE_CHECKING:
    WatchCall = grpc.aio.UnaryStreamCall[pb.WatchRevocationsRequest, pb.WatchRevocationsResponse]

from tests.integration.watching import APPEND, Watched, kind_of, read, read_until, watch, watched


async def end_of(call: WatchCall) -> Refusal:
    """Read on until the stream ends with an error status."""
    try:
        async with asyncio.timeout(15):
            while await call.read() is not grpc.aio.EOF:
                pass
    except grpc.aio.AioRpcError as error:
        return refusal_of(error)
    pytest.fail("the stream ended well")


async def test_more_streams_than_there_may_be_are_refused_until_one_ends(
    database_url: str,
) -> None:
    async with watched(database_url, watch_streams=2) as it:
        second = watch(it.stubs, it.service.admin_key)
        await read(second)

        refusal = await refused(watch(it.stubs, it.service.admin_key).read())
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "TOO_MANY_STREAMS",
        )
        assert refusal.retry_delay == timedelta(seconds=1)

        # When one is cancelled, then there is room for another one
        second.cancel()
        await until(lambda: is_let_in(it))


async def is_let_in(it: Watched) -> bool:
    call = watch(it.stubs, it.service.admin_key)
    try:
        await read(call)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise
        return False
    call.cancel()
    return True


async def test_a_stream_that_is_cancelled_while_nobody_reads_it_frees_its_place(
    database_url: str,
) -> None:
    async with watched(database_url, watch_streams=2) as it:
        # Given a stream that is stuck in sending
        stuck = watch(it.stubs, it.service.admin_key)
        await read(stuck)
        async with connected(database_url) as connection:
            for _ in range(20):
                await connection.execute(APPEND.format(500))

        stuck.cancel()

        await until(lambda: is_let_in(it))


async def test_a_stream_whose_channel_goes_away_frees_its_place(database_url: str) -> None:
    async with watched(database_url, watch_streams=2) as it:
        async with stubs_of(it.service.address) as stubs:
            await read(watch(stubs, it.service.admin_key))

        await until(lambda: is_let_in(it))


async def test_a_stream_that_ends_by_its_own_deadline_frees_its_place(database_url: str) -> None:
    async with watched(database_url, watch_streams=2) as it:
        call = it.stubs.auth.WatchRevocations(
            pb.WatchRevocationsRequest(), metadata=bearer(it.service.admin_key), timeout=0.5
        )

        refusal = await end_of(call)

        assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: is_let_in(it))


async def test_a_server_that_stops_says_so_and_does_not_wait_for_streams(
    database_url: str,
) -> None:
    async with asyncio.timeout(20), watched(database_url, shutdown_grace=60) as it:
        it.service.stop.set()

        refusal = await end_of(it.call)

        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_STOPPING")
        assert refusal.retry_delay == timedelta(seconds=1)


async def test_a_stream_ends_when_its_callers_key_is_revoked(database_url: str) -> None:
    async with watched(database_url) as it:
        secret = await it.service.create_key("authsvc:validate", account=it.service.system)
        call = watch(it.stubs, secret)
        await read(call)

        await it.server.client.revoke_key(secret=secret)

        refusal = await end_of(call)
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "CALLER_CREDENTIAL_INVALID",
        )


async def test_a_stream_that_is_old_ends_no_differently(database_url: str) -> None:
    # The database time of a call is long over when the record has to be read again
    async with watched(database_url, database_timeout=0.5) as it:
        secret = await it.service.create_key("authsvc:validate", account=it.service.system)
        call = watch(it.stubs, secret, after_revision=it.first.revision)
        for _ in range(3):
            await read(call)

        # A change of the key that leaves it good does not end the stream
        await it.service.execute('UPDATE authsvc.keys SET metadata = \'{"a": "b"}\'')
        await read_until(call, lambda told: kind_of(told) == "key_changed")
        for _ in range(2):
            await read_until(call, lambda told: kind_of(told) == "heartbeat")
        await it.server.client.revoke_key(secret=secret)

        assert (await end_of(call)).reason == "CALLER_CREDENTIAL_INVALID"


async def test_a_stream_ends_when_its_caller_may_not_watch_any_more(database_url: str) -> None:
    async with watched(database_url) as it:
        secret = await it.service.create_key("authsvc:validate", account=it.service.system)
        call = watch(it.stubs, secret)
        await read(call)

        await it.service.execute(
            "UPDATE authsvc.keys SET scopes = '{authsvc:keys}' WHERE scopes = '{authsvc:validate}'"
        )

        refusal = await end_of(call)
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "CALLER_NOT_PERMITTED",
        )


async def test_who_may_not_validate_may_not_watch(database_url: str) -> None:
    async with watched(database_url) as it:
        callers = [
            await it.service.create_key(),
            await it.service.create_key("authsvc:keys", account=it.service.system),
        ]
        for secret in callers:
            refusal = await refused(watch(it.stubs, secret).read())
            assert (refusal.code, refusal.reason) == (
                grpc.StatusCode.PERMISSION_DENIED,
                "CALLER_NOT_PERMITTED",
            )
        refusal = await refused(it.stubs.auth.WatchRevocations(pb.WatchRevocationsRequest()).read())
        assert refusal.code is grpc.StatusCode.UNAUTHENTICATED


async def test_a_negative_revision_is_refused(database_url: str) -> None:
    async with watched(database_url) as it:
        refusal = await refused(watch(it.stubs, it.service.admin_key, -1).read())

        assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
        assert refusal.violated_fields == ["after_revision"]
