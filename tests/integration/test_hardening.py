"""Hostile and broken clients: afterwards a good call is answered, and nothing is left of them.

`python -m benchmarks.hardening` does the same at full size.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from random import Random
from typing import Final

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from benchmarks.hostile_bytes import CLOSED_SOON, FLOODS, SLOW_CALL, http_garbage
from benchmarks.hostile_calls import (
    CREATE,
    VALIDATE,
    Call,
    Metadata,
    abandoned_streams,
    bombs,
    broken_message,
    broken_messages,
    calling,
    giant_metadata,
)
from benchmarks.hostile_connections import LEFT_OPEN, Attacker, Victim
from orchestrator.auth.v1 import auth_service_pb2 as pb
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, until
from tests.integration.support_http import FREE_ADDRESS, fetch

SAY_SECONDS: Final = 0.2
"""How long an attacker waits for what becomes of its connection; most are closed sooner."""
UNDER_WAY: Final = re.compile(
    r"^authsvc_(?:rpc_in_flight|watch_streams)(?:\{.*\})? (\S+)$", re.MULTILINE
)


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, object]:
    """Metrics tell what is left of calls."""
    return {"http_address": FREE_ADDRESS}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def attacker(shared_service: Service) -> Attacker:
    return Attacker(
        Victim(
            address=shared_service.address,
            http_address=shared_service.http_address,
            sources=("127.0.0.1",),
            caller_key=shared_service.admin_key,
            manager_key=shared_service.admin_key,
            credential=shared_service.admin_key,
        )
    )


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def unharmed(shared_service: Service, shared_stubs: Stubs) -> AsyncIterator[None]:
    """A good call is answered after each test, and nothing is under way any more."""
    yield
    request = pb.ValidateCredentialRequest(credential=shared_service.admin_key)
    good = bearer(shared_service.admin_key)
    answer = await shared_stubs.auth.ValidateCredential(request, metadata=good, timeout=30)
    assert answer.HasField("principal")

    async def nothing_is_left() -> bool:
        page = (await fetch(shared_service.http_address, "/metrics")).body.decode()
        counts = [float(each) for each in UNDER_WAY.findall(page)]
        assert len(counts) == 2, page
        return not any(counts)

    await until(nothing_is_left)


@pytest_asyncio.fixture(loop_scope="session")
async def call(shared_service: Service) -> AsyncIterator[Call]:
    async with calling(shared_service.address) as made:
        yield made


async def say_all(attacker: Attacker, payloads: list[bytes], *, address: str = "") -> list[str]:
    return await asyncio.gather(
        *(attacker.say(each, SAY_SECONDS, address=address) for each in payloads)
    )


async def test_malformed_bytes_harm_nobody(attacker: Attacker) -> None:
    random = Random(1)

    fates = await say_all(
        attacker, [make(random) for make in CLOSED_SOON.values() for _ in range(25)]
    )

    assert any(fate != LEFT_OPEN for fate in fates)


async def test_floods_of_frames_harm_nobody(attacker: Attacker) -> None:
    await say_all(attacker, [make(Random(1)) for make in FLOODS.values()])


async def test_garbage_on_the_http_port_harms_nobody_and_is_not_logged(
    attacker: Attacker, caplog: pytest.LogCaptureFixture
) -> None:
    random = Random(1)
    garbage = [http_garbage(random) for _ in range(50)]

    with capture_logs() as entries:
        fates = await say_all(attacker, garbage, address=attacker.victim.http_address)

    assert not [fate for fate in fates if "HTTP 5" in fate]
    assert not entries
    assert not caplog.records


@given(
    data=st.one_of(
        st.binary(max_size=300),
        st.integers(0, 2**64).map(lambda seed: broken_message(Random(seed), "x")),
    )
)
@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_bytes_that_are_no_message_are_invalid_or_taken(
    call: Call, shared_service: Service, data: bytes
) -> None:
    metadata: Metadata = bearer(shared_service.admin_key)

    assert await call(VALIDATE, data, metadata) in {"OK", "INVALID_ARGUMENT"}
    assert await call(CREATE, data, metadata) in {"OK", "INVALID_ARGUMENT", "NOT_FOUND"}


async def test_broken_messages_are_never_a_fault_of_ours(attacker: Attacker) -> None:
    statuses = await broken_messages(attacker, 300, Random(1))

    assert "INVALID_ARGUMENT" in statuses
    assert not set(statuses) & {"INTERNAL", "UNKNOWN", "UNAVAILABLE", "UNIMPLEMENTED"}


async def test_giant_metadata_is_refused(attacker: Attacker) -> None:
    statuses = await giant_metadata(attacker, 35, Random(1))

    assert set(statuses) == {"UNAUTHENTICATED", "RESOURCE_EXHAUSTED"}


async def test_messages_that_unpack_to_more_than_is_taken_are_refused(attacker: Attacker) -> None:
    fates = await bombs(attacker, 5, Random(1))

    assert all(fate.startswith("RESOURCE_EXHAUSTED") for fate in fates)


async def test_abandoned_streams_are_let_go(attacker: Attacker) -> None:
    assert await abandoned_streams(attacker, 50, Random(1)) == {"opened": 50}


async def test_idle_and_slow_connections_are_in_nobody_s_way(
    attacker: Attacker, call: Call, shared_service: Service
) -> None:
    whole, greeting = SLOW_CALL
    held = asyncio.Event()

    async def hold(number: int) -> None:
        async with attacker.connected() as (reader, writer):
            # Some have only greeted, others stop in the middle of a call.
            writer.write(whole[: greeting + number % 60])
            await reader.readexactly(9)
            opened.release()
            await held.wait()

    opened = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as group:
        for number in range(300):
            group.create_task(hold(number))
        for _ in range(300):
            await opened.acquire()

        status = await call(VALIDATE, b"", bearer(shared_service.admin_key))
        held.set()

    assert status == "OK"
