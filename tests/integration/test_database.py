"""The pool under pressure: slow statements, deadlines, and callers that go away."""

from __future__ import annotations

import asyncio
import gc
import secrets
import time
from datetime import timedelta
from typing import Any

import asyncpg
import grpc
import pytest

from authsvc import app
from authsvc.config import Settings
from authsvc.domain.errors import AccountNotFound, DatabaseUnavailable, KeyNameTaken
from authsvc.postgres.database import Connection
from authsvc.postgres.errors import translate
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1.freshness_pb2 import FRESHNESS_SOURCE_CACHE
from tests.conftest import Service, serving
from tests.integration.support import (
    KEYS_LOCKED,
    WRITERS_LOCKED,
    Stubs,
    bearer,
    connected,
    fresh_name,
    locked,
    refused,
    stubs_of,
    until,
    until_waiting,
    url_of,
    waiting_backends,
)

POOL_SIZE = 3
_BACKENDS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'authsvc'
"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A small pool, and a server that leaves all timing to the callers' deadlines."""
    return settings.model_copy(
        update={
            "database_pool_size": POOL_SIZE,
            "database_timeout": 60.0,
            "shutdown_grace": 0.5,
            # What is stuck here are calls and nothing else.
            "usage_flush_interval": 3600.0,
        }
    )


def validate(
    service: Service, stubs: Stubs, seconds: float
) -> grpc.aio.UnaryUnaryCall[pb.ValidateCredentialRequest, pb.ValidateCredentialResponse]:
    """Ask for a key that nobody has asked for, so that the database must be asked."""
    request = pb.ValidateCredentialRequest(credential=f"orch_{secrets.token_hex(20)}")
    return stubs.auth.ValidateCredential(
        request, metadata=bearer(service.admin_key), timeout=seconds
    )


async def until_known(service: Service, stubs: Stubs) -> None:
    """Wait until the admin key is in memory, so that its caller needs no database."""
    request = pb.ValidateCredentialRequest(credential=service.admin_key)

    async def known() -> bool:
        answer = await stubs.auth.ValidateCredential(request, metadata=bearer(service.admin_key))
        return answer.freshness.source == FRESHNESS_SOURCE_CACHE

    await until(known)


async def test_a_pool_that_slow_statements_use_up_is_unavailable_in_time(
    service: Service, stubs: Stubs
) -> None:
    # Given a caller that is known, and as many stuck calls as there are connections
    await until_known(service, stubs)
    async with locked(service, KEYS_LOCKED) as connection:
        stuck = [validate(service, stubs, 30) for _ in range(POOL_SIZE)]
        await until_waiting(connection, POOL_SIZE)

        # When one more comes
        refusal = await refused(validate(service, stubs, 1))

        # Then it learns so before its deadline, and when to come again
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.UNAVAILABLE,
            "DATABASE_UNAVAILABLE",
        )
        assert refusal.retry_delay == timedelta(seconds=1)
        assert await waiting_backends(connection) == POOL_SIZE
    answers = await asyncio.gather(*stuck)
    assert all(answer.HasField("denial") for answer in answers)


async def test_a_statement_is_cancelled_in_the_database_when_its_deadline_passes(
    service: Service, stubs: Stubs
) -> None:
    async with locked(service, KEYS_LOCKED) as connection:
        refusal = await refused(validate(service, stubs, 0.5))

        # While the lock is still held
        await until_waiting(connection, 0)

    assert refusal.code is grpc.StatusCode.UNAVAILABLE
    assert (await validate(service, stubs, 10)).HasField("denial")


async def test_a_change_that_was_given_up_leaves_nothing_behind(
    service: Service, stubs: Stubs
) -> None:
    name = fresh_name()
    request = pb.CreateKeyRequest(account_id=service.account.account_id, name=name)

    async with locked(service, WRITERS_LOCKED) as connection:
        refusal = await refused(
            stubs.auth.CreateKey(request, metadata=bearer(service.admin_key), timeout=0.5)
        )
        assert refusal.code is grpc.StatusCode.UNAVAILABLE
        await until_waiting(connection, 0)

    made = await stubs.auth.CreateKey(request, metadata=bearer(service.admin_key), timeout=10)
    assert made.key.name == name


async def test_a_server_gives_up_by_itself_when_callers_set_no_deadline(
    settings: Settings,
) -> None:
    impatient = settings.model_copy(update={"database_timeout": 0.5})
    async with serving(impatient) as service, stubs_of(service.address) as stubs:
        request = pb.CreateKeyRequest(account_id=service.account.account_id, name="n")
        async with locked(service, WRITERS_LOCKED), asyncio.timeout(10):
            refusal = await refused(
                stubs.auth.CreateKey(request, metadata=bearer(service.admin_key))
            )

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")


async def test_a_hundred_calls_that_are_cancelled_leave_the_pool_whole(
    service: Service, stubs: Stubs
) -> None:
    # Given a caller that is known, and calls of both kinds that are stuck in the database or wait
    # for a connection
    await until_known(service, stubs)
    create = pb.CreateKeyRequest(account_id=service.account.account_id, name="never")
    async with locked(service, f"{KEYS_LOCKED}; {WRITERS_LOCKED}") as connection:
        for _ in range(10):
            calls: list[grpc.aio.UnaryUnaryCall[Any, Any]] = [
                *(validate(service, stubs, 60) for _ in range(5)),
                *(
                    stubs.auth.CreateKey(create, metadata=bearer(service.admin_key), timeout=60)
                    for _ in range(5)
                ),
            ]
            await until_waiting(connection, POOL_SIZE)

            # When the callers go away
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            await until_waiting(connection, 0)

    # Then every connection works, and there are no more than there may be
    answers = await asyncio.gather(*(validate(service, stubs, 10) for _ in range(POOL_SIZE * 4)))
    assert all(answer.HasField("denial") for answer in answers)
    async with connected(url_of(service)) as connection:
        # One more follows the changes.
        assert await connection.fetchval(_BACKENDS) <= POOL_SIZE + 1
        assert await connection.fetchval("SELECT count(*) FROM authsvc.signing_keys") == 1
        left = f"{_BACKENDS} AND state LIKE 'idle in transaction%'"
        assert await connection.fetchval(left) == 0


async def test_a_statement_that_was_interrupted_costs_no_connection(service: Service) -> None:
    # Given the connections of the pool, and whatever goes wrong behind the callers' backs
    database = service.parts.database
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))

    async def backend(connection: Connection) -> int:
        pid = await connection.fetchval("SELECT pg_backend_pid() FROM pg_sleep(0.1)")
        assert isinstance(pid, int)
        return pid

    async def begin_and_sleep(connection: Connection) -> None:
        await connection.execute("BEGIN")
        await connection.execute("SELECT pg_sleep(60)")

    async def sleep(connection: Connection) -> None:
        await connection.execute("SELECT pg_sleep(60)")

    try:
        before = await database.run(backend, app.time_limit())

        # When statements are cut, outside of a transaction and inside
        for work in (sleep, begin_and_sleep, sleep):
            with pytest.raises(DatabaseUnavailable):
                await database.run(work, app.time_limit(0.2))

        # Then the same connection is good for more
        at_once = (database.run(backend, app.time_limit()) for _ in range(POOL_SIZE))
        assert before in await asyncio.gather(*at_once)
        gc.collect()
        await asyncio.sleep(0)
        assert unhandled == []
    finally:
        asyncio.get_running_loop().set_exception_handler(None)


async def test_calls_recover_when_their_connections_are_ended(
    service: Service, stubs: Stubs
) -> None:
    # Given a pool with several connections, of which none may stay
    await asyncio.gather(*(validate(service, stubs, 10) for _ in range(20)))
    async with connected(url_of(service)) as connection:
        ended = await connection.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'authsvc'"
        )
    assert ended >= 1

    # When calls go on, then none is denied for it, and all are answered again soon
    async def all_answer() -> bool:
        answers = await asyncio.gather(
            *(validate(service, stubs, 10) for _ in range(10)), return_exceptions=True
        )
        failures = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
        assert {failure.code() for failure in failures} <= {grpc.StatusCode.UNAVAILABLE}
        return not failures

    await until(all_answer)


async def test_the_real_client_does_not_notice_that_connections_were_ended(
    service: Service,
) -> None:
    async with service.client() as client, connected(url_of(service)) as connection:
        for _ in range(5):
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'authsvc'"
            )
            verdict = await client.check(service.admin_key)
            assert verdict


async def sqlstate_of(url: str, statement: str) -> Exception:
    async with connected(url) as connection:
        with pytest.raises(asyncpg.PostgresError) as caught:
            await connection.execute(statement)
        return translate(caught.value)


_KEY = (
    "INSERT INTO authsvc.keys (key_id, account_id, name, digest, scopes, hint, metadata,"
    " create_time, revision) SELECT 'key_' || n, '{}', 'same', sha256(n::text::bytea), '{{*}}',"
    " '', '{{}}', now(), 1 FROM generate_series(1, 2) n"
)


async def test_what_a_violated_constraint_means(service: Service) -> None:
    url = url_of(service)

    taken = await sqlstate_of(url, _KEY.format(service.account.account_id))
    missing = await sqlstate_of(url, _KEY.format("acct_none").replace("'same'", "n::text"))

    assert isinstance(taken, KeyNameTaken)
    assert isinstance(missing, AccountNotFound)


@pytest.mark.parametrize(
    ("statement", "unavailable"),
    [
        ("SET statement_timeout = 1; SELECT pg_sleep(9)", True),
        ("SET transaction_read_only = on; DELETE FROM authsvc.keys", True),
        ("SELECT pg_terminate_backend(pg_backend_pid())", True),
        ("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", True),
        ("DO $$ BEGIN RAISE SQLSTATE '53300'; END $$", True),
        ("SELECT 1/0", False),
        ("SELECT FROM no_such_table", False),
    ],
)
async def test_which_errors_mean_that_the_database_cannot_be_asked(
    service: Service, statement: str, *, unavailable: bool
) -> None:
    translated = await sqlstate_of(url_of(service), statement)

    assert isinstance(translated, DatabaseUnavailable) is unavailable


async def test_a_transaction_that_fails_is_rolled_back_and_its_connection_good(
    service: Service,
) -> None:
    async def fail(connection: Connection) -> None:
        await connection.execute("DELETE FROM authsvc.signing_keys")
        raise KeyNameTaken

    for _ in range(POOL_SIZE + 1):
        with pytest.raises(KeyNameTaken):
            await service.parts.database.run_in_transaction(fail, app.time_limit())

    async with connected(url_of(service)) as connection:
        assert await connection.fetchval("SELECT count(*) FROM authsvc.signing_keys") == 1
        left = f"{_BACKENDS} AND state LIKE 'idle in transaction%'"
        assert await connection.fetchval(left) == 0


async def test_all_the_work_of_a_call_shares_one_limit(settings: Settings) -> None:
    # Given a limit of two seconds, and a call that has used up most of it to know its caller
    limited = settings.model_copy(update={"database_timeout": 2.0})
    async with serving(limited) as service, stubs_of(service.address) as stubs:
        request = pb.CreateKeyRequest(account_id=service.account.account_id, name="n")
        async with locked(service, WRITERS_LOCKED) as writers:
            async with locked(service, KEYS_LOCKED):
                begun = time.monotonic()
                call = stubs.auth.CreateKey(request, metadata=bearer(service.admin_key))
                await until_waiting(writers, 1)
                await asyncio.sleep(1.5)

            # When the change itself has to wait too
            refusal = await refused(call)
            seconds = time.monotonic() - begun

    # Then it does not get two seconds more
    assert refusal.code is grpc.StatusCode.UNAVAILABLE
    assert seconds < 3
