"""Rate limits of keys, through the served service: verdicts, batches, callers, streams."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from authsvc import app
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import key_management_pb2 as management_pb
from orchestrator.auth.v1.denial_pb2 import DenialReason
from orchestrator.auth.v1.explanation_pb2 import FindingCode
from orchestrator.auth.v1.freshness_pb2 import FreshnessSource
from orchestrator.auth.v1.rate_limit_pb2 import RateLimit
from tests.conftest import Service, a_database, serving, settings_for
from tests.integration.support import (
    Stubs,
    bearer,
    connected,
    fresh_name,
    refused,
    stubs_of,
    until,
    url_of,
)
from tests.support_redis import RedisServer, needs_redis, redis_server

HOUR = timedelta(hours=1)
NEVER = 3600.0
AMPLE_SECONDS = 30.0
"""Patience with a store that is there, however busy the machine is."""


@dataclass(frozen=True)
class Limited:
    """A key with a limit."""

    key_id: str
    secret: str


@dataclass(frozen=True)
class Server:
    """A served service and its stubs."""

    service: Service
    stubs: Stubs

    async def new_key(
        self, requests: int, *scopes: str, period: timedelta = HOUR, system: bool = False
    ) -> Limited:
        account = self.service.system if system else self.service.account
        limit = RateLimit(requests=requests)
        limit.period.FromTimedelta(period)
        created = await self.stubs.auth.CreateKey(
            pb.CreateKeyRequest(
                account_id=account.account_id, name=fresh_name(), scopes=scopes, rate_limit=limit
            ),
            metadata=bearer(self.service.admin_key),
        )
        return Limited(created.key.key_id, created.secret)

    async def check(self, secret: str, *scopes: str) -> pb.ValidateCredentialResponse:
        request = pb.ValidateCredentialRequest(credential=secret, required_scopes=scopes)
        return await self.stubs.auth.ValidateCredential(
            request, metadata=bearer(self.service.admin_key)
        )

    async def outcomes(self, secret: str, times: int) -> list[str]:
        return [_name(await self.check(secret)) for _ in range(times)]

    async def batch_outcomes(self, *secrets: str) -> list[str]:
        requests = [pb.ValidateCredentialRequest(credential=secret) for secret in secrets]
        answer = await self.stubs.auth.BatchValidateCredentials(
            pb.BatchValidateCredentialsRequest(requests=requests),
            metadata=bearer(self.service.admin_key),
        )
        return [_name(response) for response in answer.responses]

    async def explain(self, secret: str) -> pb.ExplainCredentialResponse:
        return await self.stubs.auth.ExplainCredential(
            pb.ExplainCredentialRequest(credential=secret), metadata=bearer(self.service.admin_key)
        )

    async def usage_of(self, key_id: str) -> dict[str, int]:
        await self.service.parts.usage.flush(app.time_limit())
        async with connected(url_of(self.service)) as connection:
            rows = await connection.fetch(
                "SELECT outcome, sum(count) AS count FROM authsvc.key_usage"
                " WHERE key_id = $1 GROUP BY outcome",
                key_id,
            )
        return {row["outcome"]: int(row["count"]) for row in rows}


def _name(answer: pb.ValidateCredentialResponse) -> str:
    if answer.HasField("principal"):
        return "OK"
    return DenialReason.Name(answer.denial.reason).removeprefix("DENIAL_REASON_")


@asynccontextmanager
async def a_server(url: str, **settings: object) -> AsyncIterator[Server]:
    settings = {"usage_flush_interval": NEVER} | settings
    async with (
        serving(settings_for(url, **settings)) as service,
        stubs_of(service.address) as stubs,
    ):
        yield Server(service, stubs)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database(postgres_url: str, template_database: str) -> AsyncIterator[str]:
    async with a_database(postgres_url, template_database) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def redis(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def in_process(database: str) -> AsyncIterator[Server]:
    async with a_server(database) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(database: str, redis: RedisServer) -> AsyncIterator[Server]:
    async with a_server(
        database, rate_limit_store=redis.url(), rate_limit_store_timeout=AMPLE_SECONDS
    ) as server:
        yield server


@pytest.fixture(params=["in_process", pytest.param("shared", marks=needs_redis)])
def server(request: pytest.FixtureRequest) -> Server:
    """A server that counts by itself, and one that counts in a Redis."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Server)
    return found


async def test_over_its_limit_a_key_is_denied_with_the_time_to_wait(server: Server) -> None:
    key = await server.new_key(3)
    assert await server.outcomes(key.secret, 3) == ["OK"] * 3

    denial = (await server.check(key.secret)).denial

    assert denial.reason == DenialReason.DENIAL_REASON_RATE_LIMITED
    assert (denial.http_status, denial.error) == (429, "TOO_MANY_REQUESTS")
    assert denial.message == "Rate limit exceeded"
    assert not denial.www_authenticate
    assert timedelta() < denial.retry_after.ToTimedelta() <= HOUR + timedelta(milliseconds=1)


async def test_after_the_time_to_wait_the_key_is_good_again(server: Server) -> None:
    key = await server.new_key(1, period=timedelta(seconds=1))
    await server.check(key.secret)
    denial = (await server.check(key.secret)).denial

    await asyncio.sleep(denial.retry_after.ToTimedelta().total_seconds())

    assert await server.outcomes(key.secret, 1) == ["OK"]


async def test_each_validation_is_counted_once_with_its_outcome(server: Server) -> None:
    key = await server.new_key(2)

    await server.outcomes(key.secret, 2)
    await server.batch_outcomes(*[key.secret] * 3)

    assert await server.usage_of(key.key_id) == {"OK": 2, "RATE_LIMITED": 3}


async def test_a_denial_for_another_reason_takes_nothing(server: Server) -> None:
    key = await server.new_key(1, "a:read")
    for _ in range(3):
        denied = await server.check(key.secret, "b:read")
        assert _name(denied) == "INSUFFICIENT_SCOPE"

    assert await server.outcomes(key.secret, 2) == ["OK", "RATE_LIMITED"]


async def test_a_batch_takes_in_its_order(server: Server) -> None:
    one, other = await server.new_key(2), await server.new_key(1)
    secrets = (one.secret, other.secret, one.secret, other.secret, one.secret)

    # Once from the database, and once from memory
    assert await server.batch_outcomes(*secrets) == ["OK", "OK", "OK"] + ["RATE_LIMITED"] * 2
    assert await server.batch_outcomes(*secrets) == ["RATE_LIMITED"] * 5


async def test_a_limited_key_in_memory_is_judged_without_the_database(server: Server) -> None:
    key = await server.new_key(1_000_000)

    async def is_from_memory() -> bool:
        source = (await server.check(key.secret)).freshness.source
        return source == FreshnessSource.FRESHNESS_SOURCE_CACHE

    await until(is_from_memory)


async def test_raising_the_limit_lets_the_key_pass_again(server: Server) -> None:
    key = await server.new_key(1)
    assert await server.outcomes(key.secret, 2) == ["OK", "RATE_LIMITED"]

    request = management_pb.UpdateKeyRequest()
    request.key.key_id = key.key_id
    request.key.rate_limit.requests = 2
    request.key.rate_limit.period.FromTimedelta(HOUR)
    request.update_mask.paths.append("rate_limit")
    await server.stubs.auth.UpdateKey(request, metadata=bearer(server.service.admin_key))

    async def passes() -> bool:
        return await server.outcomes(key.secret, 1) == ["OK"]

    await until(passes)


async def test_an_explanation_takes_nothing_and_tells_of_the_limit(server: Server) -> None:
    key = await server.new_key(2)
    for _ in range(5):
        assert (await server.explain(key.secret)).HasField("principal")
    assert await server.outcomes(key.secret, 3) == ["OK", "OK", "RATE_LIMITED"]

    explanation = await server.explain(key.secret)

    assert explanation.denial.reason == DenialReason.DENIAL_REASON_RATE_LIMITED
    assert explanation.key.key_id == key.key_id
    (finding,) = explanation.findings
    wait = explanation.denial.retry_after.ToTimedelta() - timedelta(milliseconds=1)
    seconds = math.ceil(wait.total_seconds())
    assert finding.code == FindingCode.FINDING_CODE_RATE_LIMIT_REACHED
    assert finding.length == seconds
    assert finding.text == (
        f"its rate limit is used up: 2 in 3600 s; the next request passes in {seconds} s"
    )
    assert explanation.hint.startswith("Wait until the next request passes;")
    assert await server.usage_of(key.key_id) == {"OK": 2, "RATE_LIMITED": 1}


async def test_a_call_takes_from_the_limit_of_the_callers_key_once(server: Server) -> None:
    caller = await server.new_key(3, "keys:*")
    page = management_pb.ListKeysRequest()
    for _ in range(3):
        await server.stubs.auth.ListKeys(page, metadata=bearer(caller.secret))

    refusal = await refused(server.stubs.auth.ListKeys(page, metadata=bearer(caller.secret)))

    assert refusal.code.name == "RESOURCE_EXHAUSTED"
    assert refusal.reason == "RATE_LIMITED"
    assert refusal.retry_delay is not None
    assert timedelta() < refusal.retry_delay <= HOUR + timedelta(milliseconds=1)


async def test_a_validation_takes_from_the_limit_of_the_callers_key_once(server: Server) -> None:
    caller = await server.new_key(2, "authsvc:validate", system=True)
    request = pb.ValidateCredentialRequest()
    for _ in range(2):
        await server.stubs.auth.ValidateCredential(request, metadata=bearer(caller.secret))

    refusal = await refused(
        server.stubs.auth.ValidateCredential(request, metadata=bearer(caller.secret))
    )

    assert refusal.reason == "RATE_LIMITED"
    assert await server.usage_of(caller.key_id) == {"OK": 2, "RATE_LIMITED": 1}


async def test_a_stream_is_one_request_however_long_it_lasts(server: Server) -> None:
    # Given a stream of a caller that may make one call
    caller = await server.new_key(1, "authsvc:validate", system=True)
    stream = server.stubs.auth.WatchRevocations(
        pb.WatchRevocationsRequest(), metadata=bearer(caller.secret)
    )
    await stream.read()

    # When it has much to tell
    for _ in range(3):
        key = await server.new_key(1)
        await server.stubs.auth.RevokeKey(
            pb.RevokeKeyRequest(key_id=key.key_id), metadata=bearer(server.service.admin_key)
        )
        while True:
            told = await stream.read()
            assert isinstance(told, pb.WatchRevocationsResponse)
            if told.key_revoked.key_id == key.key_id:
                break
    stream.cancel()

    # Then that was one use of its key
    assert await server.usage_of(caller.key_id) == {"OK": 1}


@needs_redis
async def test_two_servers_share_a_count(database: str, shared: Server, redis: RedisServer) -> None:
    async with a_server(
        database, rate_limit_store=redis.url(), rate_limit_store_timeout=AMPLE_SECONDS
    ) as other:
        key = await shared.new_key(50)

        one_and_other = await asyncio.gather(
            *(server.outcomes(key.secret, 40) for server in (shared, other))
        )

    assert Counter(itertools.chain(*one_and_other)) == {"OK": 50, "RATE_LIMITED": 30}


async def test_two_servers_without_a_store_have_a_count_each(
    database: str, in_process: Server
) -> None:
    async with a_server(database) as other:
        key = await in_process.new_key(2)

        for server in (in_process, other):
            assert await server.outcomes(key.secret, 3) == ["OK", "OK", "RATE_LIMITED"]


@needs_redis
async def test_a_store_that_dies_fails_no_call(
    database: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with (
        redis_server(tmp_path_factory.mktemp("redis")) as store,
        a_server(
            database, rate_limit_store=store.url(), rate_limit_store_timeout=AMPLE_SECONDS
        ) as server,
    ):
        key = await server.new_key(3)
        state = server.service.parts.rate_limits.state
        assert await server.outcomes(key.secret, 1) == ["OK"]

        await store.kill()
        assert await server.outcomes(key.secret, 3) == ["OK", "OK", "RATE_LIMITED"]
        assert await server.batch_outcomes(key.secret, key.secret) == ["RATE_LIMITED"] * 2
        assert state.fallback

        await store.start()

        async def is_back() -> bool:
            return not state.fallback

        await until(is_back)
        assert await server.outcomes(key.secret, 4) == ["OK"] * 3 + ["RATE_LIMITED"]


async def test_a_store_that_is_not_there_does_not_keep_a_server_from_starting(
    database: str, tmp_path: Path
) -> None:
    async with a_server(database, rate_limit_store=f"redis+unix://{tmp_path}/none.sock") as server:
        key = await server.new_key(1)

        assert await server.outcomes(key.secret, 2) == ["OK", "RATE_LIMITED"]
