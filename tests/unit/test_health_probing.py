"""What health says of a database that answers, does not, or cannot be asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authsvc.domain.errors import DatabaseUnavailable
from authsvc.rpc.health import Health

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
NAMES = ("", "orchestrator.auth.v1.AuthService")


class Database:
    """Answers a probe, or raises what it was told to."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    async def probe(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def health(database: Database) -> Health:
    return Health(probe=database.probe, service_names=[NAMES[1]])


@asynccontextmanager
async def _served(health: Health) -> AsyncIterator[health_pb2_grpc.HealthStub]:
    server = grpc.aio.server()
    health.add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield health_pb2_grpc.HealthStub(channel)
    finally:
        await server.stop(0)


async def _status(stub: health_pb2_grpc.HealthStub, name: str = "") -> int:
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
    return cast("int", answer.status)


async def _until_status(stub: health_pb2_grpc.HealthStub, status: int) -> None:
    watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=10)
    async for answer in watch:
        if answer.status == status:
            break
    watch.cancel()


async def test_a_database_that_answers_is_serving(health: Health) -> None:
    await health.probe_once()

    async with _served(health) as stub:
        assert [await _status(stub, name) for name in NAMES] == [SERVING, SERVING]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(DatabaseUnavailable("away"), id="away"),
        pytest.param(RuntimeError("unexpected"), id="a fault of ours"),
        pytest.param(AssertionError(), id="an assertion"),
        pytest.param(TimeoutError(), id="time out"),
    ],
)
async def test_whatever_ends_a_probe_is_not_serving_until_one_succeeds(
    health: Health, database: Database, error: Exception
) -> None:
    async with _served(health) as stub:
        await health.probe_once()
        database.error = error
        await health.probe_once()
        assert [await _status(stub, name) for name in NAMES] == [NOT_SERVING, NOT_SERVING]

        database.error = None
        await health.probe_once()
        assert [await _status(stub, name) for name in NAMES] == [SERVING, SERVING]


async def test_a_cancelled_probe_stays_cancelled(health: Health) -> None:
    hanging = asyncio.Event()

    async def hang() -> None:
        await hanging.wait()

    probing = asyncio.create_task(Health(probe=hang, service_names=[]).keep_probing())
    await asyncio.sleep(0)
    probing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await probing
    await health.probe_once()


async def test_probing_survives_an_unexpected_exception(
    health: Health, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authsvc.rpc.health._PROBE_INTERVAL_SECONDS", 0.01)
    database.error = RuntimeError("unexpected")
    async with _served(health) as stub, asyncio.timeout(10):
        probing = asyncio.create_task(health.keep_probing())
        try:
            await _until_status(stub, NOT_SERVING)
            database.error = None
            await _until_status(stub, SERVING)
            assert not probing.done()
        finally:
            probing.cancel()


async def test_a_server_that_says_goodbye_does_not_come_back(health: Health) -> None:
    async with _served(health) as stub:
        await health.probe_once()
        await health.say_goodbye()

        await health.probe_once()

        assert await _status(stub) == NOT_SERVING


def _reasons(health: Health) -> list[str]:
    """What speaks against sending calls, by readiness."""
    checks = health.readiness(NAMES[1]).checks
    return [f"{check.name}: {check.detail}" for check in checks if not check.passed]


async def test_readiness_waits_for_the_first_probe(health: Health) -> None:
    assert _reasons(health) == ["database: not asked yet"]

    await health.probe_once()

    assert health.readiness(NAMES[1]).ready


async def test_readiness_says_that_the_database_does_not_answer(
    health: Health, database: Database
) -> None:
    database.error = DatabaseUnavailable("at db.internal")

    await health.probe_once()

    # Nothing of what the driver said: the port may be public.
    assert _reasons(health) == ["database: does not answer"]


async def test_a_service_that_does_without_the_database_is_ready_only_while_it_can(
    database: Database,
) -> None:
    can = True
    health = Health(
        probe=database.probe, service_names=[NAMES[1]], does_without={NAMES[1]: lambda: can}
    )
    database.error = DatabaseUnavailable("away")
    await health.probe_once()

    assert health.readiness(NAMES[1]).ready

    can = False
    assert _reasons(health) == ["database: does not answer"]


async def test_a_server_that_says_goodbye_is_not_ready(health: Health) -> None:
    await health.probe_once()

    await health.say_goodbye()

    assert _reasons(health) == ["process: draining, wants no new calls"]
