"""The orderly end of a server: say so, finish what runs, and then be gone."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authsvc.config import Settings
from orchestrator.auth.v1 import auth_service_pb2 as pb
from tests.conftest import Service, serving
from tests.integration.support import (
    WRITERS_LOCKED,
    Stubs,
    bearer,
    locked,
    stubs_of,
    until,
    until_waiting,
)

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def create(
    service: Service, stubs: Stubs
) -> grpc.aio.UnaryUnaryCall[pb.CreateKeyRequest, pb.CreateKeyResponse]:
    request = pb.CreateKeyRequest(account_id=service.account.account_id, name="last")
    return stubs.auth.CreateKey(request, metadata=bearer(service.admin_key), timeout=30)


async def accepts(service: Service) -> bool:
    """Tell whether anything listens at the service's address."""
    host, _, port = service.address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def is_gone(service: Service) -> bool:
    return not await accepts(service)


async def test_a_call_that_runs_is_finished_and_then_the_server_is_gone(
    settings: Settings,
) -> None:
    patient = settings.model_copy(update={"shutdown_grace": 20.0, "database_timeout": 20.0})
    async with serving(patient) as service, stubs_of(service.address) as stubs:
        assert await accepts(service)
        # Given a call that waits in the database
        async with locked(service, WRITERS_LOCKED) as connection:
            call = create(service, stubs)
            await until_waiting(connection, 1)

            # When the server is told to stop, then it takes no new connection
            service.stop.set()
            await until(lambda: is_gone(service))
            assert not call.done()

        # And the call gets its answer
        assert (await call).secret.startswith("orch_")


async def test_a_call_longer_than_the_grace_is_cut(settings: Settings) -> None:
    hasty = settings.model_copy(update={"shutdown_grace": 0.3, "database_timeout": 60.0})
    async with (
        asyncio.timeout(15),
        serving(hasty) as service,
        stubs_of(service.address) as stubs,
        locked(service, WRITERS_LOCKED) as connection,
    ):
        call = create(service, stubs)
        await until_waiting(connection, 1)

        service.stop.set()
        (cut,) = await asyncio.gather(call, return_exceptions=True)

        # And its statement does not go on without it
        await until_waiting(connection, 0)

    assert isinstance(cut, grpc.aio.AioRpcError)
    assert cut.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


async def test_watchers_hear_not_serving_and_do_not_hold_the_server(settings: Settings) -> None:
    patient = settings.model_copy(update={"shutdown_grace": 60.0})
    async with asyncio.timeout(20):
        async with serving(patient) as service, stubs_of(service.address) as stubs:
            # Given watchers who have heard that it serves
            health = health_pb2_grpc.HealthStub(stubs.channel)
            names = ("", "orchestrator.auth.v1.AuthService", "orchestrator.auth.v1.AccountService")
            watches = [health.Watch(health_pb2.HealthCheckRequest(service=name)) for name in names]
            assert [(await watch.read()).status for watch in watches] == [SERVING] * 3

            service.stop.set()

            # Then each hears the end of it, and the server is gone long before its grace is over
            assert [(await watch.read()).status for watch in watches] == [NOT_SERVING] * 3
            assert [await watch.read() for watch in watches] == [grpc.aio.EOF] * 3
        assert await is_gone(service)


async def test_a_server_without_calls_is_gone_at_once(settings: Settings) -> None:
    patient = settings.model_copy(update={"shutdown_grace": 60.0})

    async with asyncio.timeout(20):
        async with serving(patient) as service, service.client() as client:
            await client.validate(service.admin_key)

        assert await is_gone(service)
