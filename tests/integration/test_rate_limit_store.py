"""Shared rate limits on a real Redis, and without it: what is counted where, and who waits."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
import trustme
from redis.asyncio import Redis

from authsvc.domain.rate_limits import RateLimit
from authsvc.domain.takings import Taken, Wanted
from authsvc.rate_limits.opening import open_rate_limits
from authsvc.rate_limits.shared import SharedLimits
from authsvc.rate_limits.store import CONNECTIONS
from tests.integration.support import until
from tests.support_redis import RedisServer, needs_redis, redis_server

pytestmark = needs_redis

HOUR = timedelta(hours=1)
THREE = RateLimit(3, HOUR)
LIMITLESS = RateLimit(1_000_000, HOUR)
SECOND = timedelta(seconds=1)
AMPLE = timedelta(seconds=30)
"""Patience with a store that is there, however busy the machine is."""
SHORT = timedelta(milliseconds=50)
"""Patience with one that hangs."""
AWAY = "rate limit store away: each process counts by itself"
BACK = "rate limit store back"


@dataclass(frozen=True)
class Certificates:
    """Files of a store with TLS, and an authority that has nothing to do with it."""

    authority: Path
    stranger: Path
    certificate: Path
    key: Path


@pytest.fixture
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a name short enough for a socket."""
    return tmp_path_factory.mktemp("redis")


@pytest_asyncio.fixture(loop_scope="session")
async def redis(directory: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(directory) as server:
        yield server


@asynccontextmanager
async def shared_limits(url: str, patience: timedelta = AMPLE) -> AsyncIterator[SharedLimits]:
    async with open_rate_limits(
        url, patience=patience, capacity=10_000, monotonic=time.monotonic
    ) as limits:
        assert isinstance(limits, SharedLimits)
        yield limits


@pytest_asyncio.fixture(loop_scope="session")
async def limits(redis: RedisServer) -> AsyncIterator[SharedLimits]:
    async with shared_limits(redis.url()) as opened:
        yield opened


def a_key_id() -> str:
    return f"key_{secrets.token_hex(8)}"


async def take_one(limits: SharedLimits, key_id: str, limit: RateLimit) -> Taken:
    """Take one request as a call does."""
    taken = limits.take_now(key_id, limit)
    if taken is None:
        (taken,) = await limits.take([Wanted(key_id, limit)])
    return taken


async def passed(limits: SharedLimits, limit: RateLimit, times: int, key_id: str) -> int:
    return sum([(await take_one(limits, key_id, limit)).requests for _ in range(times)])


def is_away(limits: SharedLimits) -> bool:
    return limits.state.fallback


async def until_back(limits: SharedLimits) -> None:
    async def is_back() -> bool:
        return not is_away(limits)

    await until(is_back)


async def test_as_many_requests_as_the_limit_has_pass(limits: SharedLimits) -> None:
    assert await passed(limits, THREE, 10, a_key_id()) == 3
    assert limits.state.decided_by_store == 10
    assert limits.state.decided_in_process == 0


async def test_two_processes_share_a_count(redis: RedisServer) -> None:
    key_id = a_key_id()
    async with shared_limits(redis.url()) as one, shared_limits(redis.url()) as other:
        limit = RateLimit(50, HOUR)

        counts = await asyncio.gather(*(passed(both, limit, 40, key_id) for both in (one, other)))

        assert sum(counts) == 50


async def test_a_limit_that_is_lowered_again_and_again_lets_nothing_more_pass(
    limits: SharedLimits,
) -> None:
    key_id = a_key_id()
    lower = [RateLimit(n, HOUR + number * SECOND) for number, n in enumerate((5, 4, 3, 2, 1))]

    assert [await passed(limits, limit, 10, key_id) for limit in lower] == [5, 0, 0, 0, 0]


async def test_a_shorter_period_begins_a_new_count(limits: SharedLimits) -> None:
    key_id, shorter = a_key_id(), RateLimit(2, 30 * SECOND)
    await passed(limits, THREE, 3, key_id)

    assert (await limits.look(key_id, shorter)).requests == 1
    assert await passed(limits, shorter, 3, key_id) == 2


async def test_a_denial_says_how_long_it_is_until_the_next_passes(limits: SharedLimits) -> None:
    key_id, limit = a_key_id(), RateLimit(2, SECOND)
    await passed(limits, limit, 2, key_id)

    denied = await take_one(limits, key_id, limit)

    assert denied.requests == 0
    assert denied.retry_after is not None
    assert timedelta(milliseconds=1) <= denied.retry_after <= SECOND + timedelta(milliseconds=1)
    await asyncio.sleep(denied.retry_after.total_seconds())
    assert (await take_one(limits, key_id, limit)).requests == 1


async def test_of_many_requests_as_many_pass_as_there_is_room_for(limits: SharedLimits) -> None:
    key_id = a_key_id()
    await passed(limits, THREE, 1, key_id)

    (taken,) = await limits.take([Wanted(key_id, THREE, 5)])

    assert taken.requests == 2
    assert taken.retry_after is not None


async def test_more_requests_than_the_whole_limit_pass_in_part(limits: SharedLimits) -> None:
    (taken,) = await limits.take([Wanted(a_key_id(), THREE, 1000)])

    assert taken.requests == 3


async def test_a_thousand_keys_at_once_are_all_decided_by_the_store(limits: SharedLimits) -> None:
    wanted = [Wanted(a_key_id(), THREE, 2) for _ in range(1000)]

    assert await limits.take(wanted) == [Taken(2)] * 1000
    assert limits.state.decided_by_store == 2000


async def test_a_look_takes_nothing(limits: SharedLimits) -> None:
    key_id = a_key_id()

    for _ in range(9):
        assert limits.look_now(key_id, THREE) is None
        assert (await limits.look(key_id, THREE)).requests == 1

    assert await passed(limits, THREE, 9, key_id) == 3
    looked = await limits.look(key_id, THREE)
    assert looked.requests == 0
    assert looked.retry_after is not None


async def test_a_store_that_was_never_there_costs_nothing_but_the_shared_count(
    directory: Path,
) -> None:
    async with shared_limits(f"redis+unix://{directory}/nobody.sock") as limits:
        assert await passed(limits, THREE, 10, a_key_id()) == 3

        assert is_away(limits)
        assert limits.state.decided_in_process == 10


async def test_a_store_that_comes_late_is_used(directory: Path) -> None:
    server = RedisServer(directory)
    async with shared_limits(server.url()) as limits:
        await passed(limits, THREE, 1, a_key_id())
        assert is_away(limits)

        await server.start()
        try:
            await until_back(limits)
            assert await passed(limits, THREE, 5, a_key_id()) == 3
            assert limits.state.decided_by_store == 5
        finally:
            await server.kill()


async def test_a_store_that_is_killed_and_comes_back(
    redis: RedisServer, limits: SharedLimits
) -> None:
    # Given a key that has used two of its three requests
    key_id = a_key_id()
    await passed(limits, THREE, 2, key_id)

    with structlog.testing.capture_logs() as logs:
        # When the store dies, then this process goes on from what it has let pass itself
        await redis.kill()
        assert await passed(limits, THREE, 10, key_id) == 1
        assert is_away(limits)
        assert limits.state.store_errors > 0

        # When it comes back, empty, then it counts again
        await redis.start()
        await until_back(limits)
        assert await passed(limits, THREE, 10, key_id) == 3
        assert not is_away(limits)

    # And the log says so once each
    assert [entry["event"] for entry in logs] == [AWAY, BACK]


async def test_a_store_that_hangs_is_waited_for_once(redis: RedisServer) -> None:
    async with shared_limits(redis.url(), SHORT) as limits:
        # Given a store that takes every question and answers none
        key_id = a_key_id()
        redis.hang()
        try:
            taken = await asyncio.gather(*(take_one(limits, key_id, LIMITLESS) for _ in range(20)))

            # Then those who asked got an answer from here, and nobody asks any more
            assert [one.requests for one in taken] == [1] * 20
            assert limits.state.store_errors == 20
            assert limits.take_now(key_id, LIMITLESS) == Taken(1)
        finally:
            redis.go_on()

        # And answers that come late are taken for nobody else's
        await until_back(limits)
        assert limits.take_now(key_id, LIMITLESS) is None
        assert await passed(limits, THREE, 9, a_key_id()) == 3


async def test_a_large_batch_waits_for_a_store_that_hangs_only_once(redis: RedisServer) -> None:
    async with shared_limits(redis.url(), SHORT) as limits:
        redis.hang()
        try:
            taken = await limits.take([Wanted(a_key_id(), THREE) for _ in range(1000)])
        finally:
            redis.go_on()

        assert taken == [Taken(1)] * 1000
        # The first group asked; the others did not.
        assert limits.state.store_errors <= CONNECTIONS


async def test_a_batch_that_has_waited_long_enough_asks_no_more(redis: RedisServer) -> None:
    async with shared_limits(redis.url(), timedelta(0)) as limits:
        taken = await limits.take([Wanted(a_key_id(), THREE) for _ in range(100)])

        assert taken == [Taken(1)] * 100
        assert limits.state.decided_in_process == 100
        assert not is_away(limits)


async def test_a_look_at_a_store_that_is_away_is_one_at_the_count_here(
    redis: RedisServer, limits: SharedLimits
) -> None:
    key_id = a_key_id()
    await passed(limits, THREE, 3, key_id)
    await redis.kill()

    assert (await limits.look(key_id, THREE)).requests == 0
    looked = limits.look_now(key_id, THREE)
    assert looked is not None
    assert looked.requests == 0


async def test_a_store_that_refuses_to_write_is_as_good_as_none(directory: Path) -> None:
    async with (
        redis_server(directory, "--maxmemory", "1mb", "--maxmemory-policy", "noeviction") as full,
        shared_limits(full.url()) as limits,
    ):
        assert await passed(limits, THREE, 10, a_key_id()) == 3
        assert is_away(limits)


async def test_something_else_at_the_address_is_as_good_as_no_store() -> None:
    async def gibber(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(gibber, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with shared_limits(f"redis://127.0.0.1:{port}") as limits:
            assert await passed(limits, THREE, 10, a_key_id()) == 3
            assert is_away(limits)


async def test_a_wrong_password_is_not_in_the_log(directory: Path) -> None:
    async with redis_server(directory, "--requirepass", "right") as guarded:
        url = guarded.url(":hunter2@")
        with structlog.testing.capture_logs() as logs:
            async with shared_limits(url) as limits:
                await passed(limits, THREE, 1, a_key_id())
                assert is_away(limits)
                assert "hunter2" not in repr(vars(limits))

    assert [entry["event"] for entry in logs] == [AWAY]
    assert "hunter2" not in repr(logs)


async def test_the_right_password_opens_the_store(directory: Path) -> None:
    async with (
        redis_server(directory, "--requirepass", "right") as guarded,
        shared_limits(guarded.url(":right@")) as limits,
    ):
        assert await passed(limits, THREE, 10, a_key_id()) == 3
        assert limits.state.decided_by_store == 10


async def test_a_store_may_be_called_a_valkey(redis: RedisServer) -> None:
    async with shared_limits(redis.url().replace("redis", "valkey", 1)) as limits:
        assert await passed(limits, THREE, 10, a_key_id()) == 3
        assert limits.state.decided_by_store == 10


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    directory = tmp_path_factory.mktemp("certificates")
    authority, stranger = trustme.CA(), trustme.CA()
    issued = authority.issue_cert("localhost")
    found = Certificates(*(directory / name for name in ("ca.pem", "other.pem", "cert", "key")))
    authority.cert_pem.write_to_path(str(found.authority))
    stranger.cert_pem.write_to_path(str(found.stranger))
    issued.cert_chain_pems[0].write_to_path(str(found.certificate))
    issued.private_key_pem.write_to_path(str(found.key))
    return found


@pytest_asyncio.fixture(loop_scope="session")
async def encrypted_port(directory: Path, certificates: Certificates) -> AsyncIterator[int]:
    """The port of a Redis with TLS."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    files = ("--tls-cert-file", str(certificates.certificate), "--tls-key-file")
    options = (*files, str(certificates.key), "--tls-auth-clients", "no")
    async with redis_server(directory, "--tls-port", str(port), *options):
        yield port


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
async def test_a_store_with_tls_is_used_by_its_certificate(
    encrypted_port: int, certificates: Certificates, scheme: str
) -> None:
    url = f"{scheme}://localhost:{encrypted_port}?ssl_ca_certs={certificates.authority}"
    async with shared_limits(url) as limits:
        assert await passed(limits, THREE, 10, a_key_id()) == 3
        assert limits.state.decided_by_store == 10


async def test_a_store_with_a_certificate_of_a_stranger_is_not_used(
    encrypted_port: int, certificates: Certificates
) -> None:
    url = f"rediss://localhost:{encrypted_port}?ssl_ca_certs={certificates.stranger}"
    async with shared_limits(url) as limits:
        await passed(limits, THREE, 1, a_key_id())
        assert is_away(limits)


async def test_what_the_store_keeps_ends_by_itself(
    redis: RedisServer, limits: SharedLimits
) -> None:
    await passed(limits, RateLimit(1, SECOND), 2, a_key_id())

    async with Redis(unix_socket_path=str(redis.socket)) as client:
        lifetimes = [await client.pttl(key) for key in await client.keys("authsvc:*")]

    assert lifetimes
    assert all(0 < lifetime <= 2000 for lifetime in lifetimes)
