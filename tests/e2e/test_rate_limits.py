"""Two servers that count together in a Redis, and what they do when it is killed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from authsvc import app
from authsvc.config import Settings
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from tests.conftest import ORIGIN, execute
from tests.e2e.databases import settings_on
from tests.e2e.support import SECRET, Dev, Process, run, serve
from tests.support_redis import RedisServer, needs_redis, redis_server

AWAY = "rate limit store away: each process counts by itself"
BACK = "rate limit store back"
PASSWORD = "hunter2"


@pytest_asyncio.fixture(loop_scope="session")
async def redis(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path_factory.mktemp("redis"), "--requirepass", PASSWORD) as server:
        yield server


@dataclass(frozen=True)
class Keys:
    """The secrets of two keys."""

    admin: str
    limited: str
    """One that may be used five times a day."""


@pytest_asyncio.fixture(loop_scope="session")
async def keys(settings: Settings) -> Keys:
    async with app.open_parts(settings) as parts:
        system = await parts.bootstrap.prepare(ORIGIN, app.time_limit())
        admin = await parts.bootstrap.create_admin_key(system, "admin", ORIGIN, app.time_limit())
        limited = await parts.issue_key(
            system.account_id,
            "limited",
            scopes=("*",),
            expire_time=None,
            metadata={},
            origin=ORIGIN,
            deadline=app.time_limit(),
        )
    await execute(
        settings.database_url.get_secret_value(),
        "UPDATE authsvc.keys SET rate_limit_requests = 5, rate_limit_seconds = 86400"
        f" WHERE key_id = '{limited.key.key_id}'",
    )
    return Keys(admin.secret.reveal(), limited.secret.reveal())


def store_events(process: Process) -> list[str]:
    """What a server's log says of the store."""
    # A line that is being written may be cut.
    lines = [line for line in process.errors().splitlines() if line.endswith("}")]
    events = [str(json.loads(line)["event"]) for line in lines]
    return [event for event in events if event in {AWAY, BACK}]


async def passed(address: str, keys: Keys, times: int) -> int:
    """Return how many of some validations pass; every other is denied for the limit."""
    count = 0
    async with grpc.aio.insecure_channel(address) as channel:
        for _ in range(times):
            answer = await AuthServiceStub(channel).ValidateCredential(
                pb.ValidateCredentialRequest(credential=keys.limited),
                metadata=(("authorization", f"Bearer {keys.admin}"),),
            )
            assert answer.HasField("principal") or answer.denial.http_status == 429
            count += answer.HasField("principal")
    return count


@needs_redis
async def test_two_servers_share_a_limit_until_the_store_is_killed_and_again_afterwards(
    redis: RedisServer, settings: Settings, keys: Keys, tmp_path: Path
) -> None:
    environment = {
        **settings_on(settings.database_url.get_secret_value()),
        "AUTHSVC_RATE_LIMIT_STORE": redis.url(f":{PASSWORD}@"),
        # With a store that is there, however busy the machine is
        "AUTHSVC_RATE_LIMIT_STORE_TIMEOUT": "30",
    }
    with (
        serve(tmp_path, environment) as (one, first),
        serve(tmp_path, environment) as (
            other,
            second,
        ),
    ):
        # Given two servers that share the limit
        assert await passed(first, keys, 3) == 3
        assert await passed(second, keys, 3) == 2

        # When the store is killed, then no call fails, and each goes on from its own count
        await redis.kill()
        assert await passed(first, keys, 9) == 2
        # (the second asks again a moment after it was told that nothing is left)
        count = 0
        async with asyncio.timeout(30):
            while count < 3:
                count += await passed(second, keys, 1)
        assert await passed(second, keys, 3) == 0

        # When it is back, and empty, then they share the limit again
        await redis.start()
        for server in (one, other):
            server.wait_for(BACK, server.errors)
        assert await passed(first, keys, 3) == 3
        assert await passed(second, keys, 3) == 2

        # And they end in order, having said nothing of the password
        for server in (one, other):
            assert server.terminate() == 0
            assert store_events(server) == [AWAY, BACK]
            assert PASSWORD not in server.errors()


async def test_a_bad_address_of_the_store_is_told_at_the_start_without_its_password(
    settings: Settings, tmp_path: Path
) -> None:
    environment = {
        **settings_on(settings.database_url.get_secret_value()),
        "AUTHSVC_RATE_LIMIT_STORE": f"redis://user:{PASSWORD}@",
    }
    process = Process(["serve"], environment, tmp_path)

    assert process.wait() != 0
    assert "AUTHSVC_RATE_LIMIT_STORE: must be redis://" in process.errors()
    assert PASSWORD not in process.errors()


def test_the_command_line_tells_of_a_limit_that_is_used_up(shared_dev: Dev) -> None:
    # Given a key that was used as often as it may be
    account = ("--account", shared_dev.account_id)
    created = run(
        "key", "create", "limited", *account, "--rate-limit", "1/day", settings=shared_dev.caller
    )
    (secret,) = SECRET.findall(created.out)
    assert run("key", "validate", stdin=secret, settings=shared_dev.caller).code == 0

    denied = run("key", "validate", stdin=secret, settings=shared_dev.caller)
    explained = run("explain", stdin=secret, settings=shared_dev.caller)

    assert denied.code == explained.code == 3
    assert re.search(r"^HTTP status +429 TOO_MANY_REQUESTS$", denied.out, re.MULTILINE)
    assert re.search(r"^retry after +8[56]\d{3} s$", denied.out, re.MULTILINE)
    assert "its rate limit is used up: 1 in 86400 s;" in explained.out
    assert re.search(r"^rate limit +1/day$", explained.out, re.MULTILINE)


def test_the_command_line_tells_a_caller_over_its_limit_when_to_try_again(shared_dev: Dev) -> None:
    account = ("--account", shared_dev.account_id)
    created = run(
        "key", "create", "caller", *account, "--rate-limit", "1/day", settings=shared_dev.caller
    )
    (secret,) = SECRET.findall(created.out)
    caller = shared_dev.caller | {"AUTHSVC_API_KEY": secret}
    assert run("key", "list", settings=caller).code == 0

    refused = run("key", "list", settings=caller)

    assert refused.code == 1
    assert "Over a rate limit: that of the caller's own key" in refused.err
    assert re.search(r"^  try again in 8[56]\d{3} s$", refused.err, re.MULTILINE)
