"""What tests of a failing database share: a database that hangs, and what calls get meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authsvc.postgres.embedded import EmbeddedPostgres
from benchmarks.processes import family
from orchestrator.auth import AsyncAuthClient, Unavailable
from tests.integration.support import Refusal, Stubs, refused, until

SLACK = 1.5
"""Seconds that a busy machine may take on top of a bound."""
AUTH_SERVICE = "orchestrator.auth.v1.AuthService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@contextmanager
def hung(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Stop every process of the database in its tracks, until the block ends."""
    stopped = family(postgres.postmaster_pid)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(stopped):
            os.kill(pid, signal.SIGCONT)


async def refusal_within(seconds: float, call: Awaitable[object]) -> Refusal:
    """Await a call's error, which must come in time."""
    begun = time.monotonic()
    refusal = await refused(call)
    assert time.monotonic() - begun < seconds
    return refusal


def assert_unavailable(refusal: Refusal) -> None:
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "DATABASE_UNAVAILABLE",
    )
    assert refusal.retry_delay == timedelta(seconds=1)


async def is_good(client: AsyncAuthClient, credential: str) -> bool:
    """Tell whether a good credential is found good; it must not be denied meanwhile."""
    try:
        verdict = await client.check(credential)
    except Unavailable:
        return False
    assert verdict, verdict
    return True


async def status_of(stubs: Stubs, name: str = "") -> int:
    health = health_pb2_grpc.HealthStub(stubs.channel)
    answer = await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
    return int(answer.status)


async def until_status(stubs: Stubs, status: int) -> None:
    async def reached() -> bool:
        return await status_of(stubs, AUTH_SERVICE) == status

    await until(reached)
