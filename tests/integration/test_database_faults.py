"""What a database that stops, hangs, dies or hangs up does to calls, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable

import grpc
import pytest
import pytest_asyncio

from authsvc.config import Settings
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.postgres import schema
from authsvc.postgres.embedded import EmbeddedPostgres
from orchestrator.auth import AuthServiceError, Unavailable
from orchestrator.auth.v1 import auth_service_pb2 as pb
from tests.conftest import a_database, serving, settings_for
from tests.integration.support import (
    WRITERS_LOCKED,
    bearer,
    connected,
    fresh_name,
    locked,
    mint,
    refusal_of,
    stubs_of,
    until,
    until_waiting,
    url_of,
)
from tests.integration.support_faults import (
    NOT_SERVING,
    SERVING,
    SLACK,
    assert_unavailable,
    hung,
    is_good,
    refusal_within,
    status_of,
    until_status,
)

DATABASE_TIMEOUT = 1.5
MAX_STALENESS = 0.1
"""So short that memory answers nothing once the database is away."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedPostgres]:
    """A database server that tests of this module may maltreat, if they put it right again."""
    async with EmbeddedPostgres(tmp_path_factory.mktemp("faults")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def settings(postgres: EmbeddedPostgres) -> AsyncIterator[Settings]:
    """Settings for a server on a database of its own there."""
    async with a_database(postgres.url()) as url:
        await schema.migrate(url)
        yield settings_for(
            url,
            database_pool_size=4,
            database_timeout=DATABASE_TIMEOUT,
            max_staleness=MAX_STALENESS,
            shutdown_grace=0.5,
        )


async def test_a_stopped_database_is_unavailable_and_never_a_denial(
    settings: Settings, postgres: EmbeddedPostgres
) -> None:
    async with (
        serving(settings) as service,
        stubs_of(service.address) as stubs,
        service.client() as client,
    ):
        # Given a good key, a good token, and health that says so
        credentials = [await service.create_key(), await mint(service)]
        for credential in credentials:
            assert await is_good(client, credential)
        assert await status_of(stubs) == SERVING

        # When the database is stopped, and memory is out of date
        await postgres.stop()
        await asyncio.sleep(2 * MAX_STALENESS)
        try:
            for credential in (*credentials, "orch_" + "0" * 40):
                request = pb.ValidateCredentialRequest(credential=credential)
                call = stubs.auth.ValidateCredential(
                    request, metadata=bearer(service.admin_key), timeout=2
                )
                assert_unavailable(await refusal_within(2, call))
            await until_status(stubs, NOT_SERVING)
        finally:
            await postgres.start()

        # Then everything comes back by itself
        await until_status(stubs, SERVING)
        for credential in credentials:
            assert await is_good(client, credential)
        await client.create_key(fresh_name(), account_id=service.account.account_id)


async def test_a_killed_database_keeps_every_key_that_was_acknowledged(
    settings: Settings, postgres: EmbeddedPostgres
) -> None:
    async with serving(settings) as service, service.client() as client:
        # Given many who make keys
        acknowledged: dict[str, str] = {}
        refusals: list[AuthServiceError] = []
        enough = asyncio.Event()

        async def make_keys() -> None:
            while not refusals:
                try:
                    created = await client.create_key(
                        fresh_name(), account_id=service.account.account_id, timeout=3
                    )
                except AuthServiceError as error:
                    refusals.append(error)
                else:
                    acknowledged[created.key.key_id] = created.secret.reveal()
                    if len(acknowledged) >= 100:
                        enough.set()

        makers = [asyncio.create_task(make_keys()) for _ in range(8)]
        await enough.wait()

        # When the database is killed in the middle of it, and started again
        os.kill(postgres.postmaster_pid, signal.SIGKILL)
        await asyncio.gather(*makers)
        await postgres.stop()
        await postgres.start()

        # Then all who were refused know that they must ask again, and nothing said is forgotten
        assert {type(refusal) for refusal in refusals} == {Unavailable}
        await until(lambda: is_good(client, service.admin_key))
        async with connected(url_of(service)) as connection:
            rows = await connection.fetch("SELECT key_id FROM authsvc.keys")
        assert set(acknowledged) <= {key_id for (key_id,) in rows}
        sample = list(acknowledged.values())[-20:]
        assert all([await is_good(client, secret) for secret in sample])


async def test_a_hung_database_is_unavailable_before_the_deadline_of_the_call(
    settings: Settings, postgres: EmbeddedPostgres
) -> None:
    async with (
        serving(settings) as service,
        stubs_of(service.address) as stubs,
        service.client() as client,
    ):
        metadata = bearer(service.admin_key)
        validate = pb.ValidateCredentialRequest(credential=service.admin_key)
        create = pb.CreateKeyRequest(account_id=service.account.account_id, name="n")
        assert await is_good(client, service.admin_key)

        with hung(postgres):
            await asyncio.sleep(2 * MAX_STALENESS)
            # Calls of the open connections and calls that wait for one, with and without deadline
            bounded: list[Awaitable[object]] = [
                *(
                    stubs.auth.ValidateCredential(validate, metadata=metadata, timeout=1)
                    for _ in range(8)
                ),
                stubs.auth.CreateKey(create, metadata=metadata, timeout=1),
            ]
            unbounded: list[Awaitable[object]] = [
                stubs.auth.ValidateCredential(validate, metadata=metadata),
                stubs.auth.CreateKey(create, metadata=metadata),
            ]
            refusals = await asyncio.gather(
                *(refusal_within(1 + SLACK, call) for call in bounded),
                *(refusal_within(DATABASE_TIMEOUT + SLACK, call) for call in unbounded),
            )
            for refusal in refusals:
                assert_unavailable(refusal)
            await until_status(stubs, NOT_SERVING)

        await until(lambda: is_good(client, service.admin_key))
        await until_status(stubs, SERVING)


@pytest.mark.parametrize("seconds", [1.0, None])
async def test_a_database_that_hangs_in_a_transaction_is_unavailable_in_time_too(
    settings: Settings, postgres: EmbeddedPostgres, seconds: float | None
) -> None:
    patient = settings.model_copy(update={"database_timeout": 4.0 if seconds else 1.0})
    async with (
        serving(patient) as service,
        stubs_of(service.address) as stubs,
        service.client() as client,
    ):
        metadata = bearer(service.admin_key)
        request = pb.CreateKeyRequest(account_id=service.account.account_id, name="n")

        # Given a change that is under way in the database
        async with locked(service, WRITERS_LOCKED) as connection:
            call = stubs.auth.CreateKey(request, metadata=metadata, timeout=seconds)
            await until_waiting(connection, 1)

            # When the database hangs, then the caller learns it in time
            with hung(postgres):
                assert_unavailable(await refusal_within(1 + SLACK, call))

        # And afterwards it can be made, if it was not made all the same: the server may have been
        # given the lock before it read that it should give up
        async def is_made() -> bool:
            try:
                return bool(await stubs.auth.CreateKey(request, metadata=metadata, timeout=2))
            except grpc.aio.AioRpcError as error:
                if refusal_of(error).reason == "KEY_NAME_TAKEN":
                    return True
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                return False

        await until(is_made)
        assert await is_good(client, service.admin_key)


async def test_the_real_client_learns_of_a_hung_database_what_is_the_matter(
    settings: Settings, postgres: EmbeddedPostgres
) -> None:
    async with serving(settings) as service, service.client() as client:
        assert await is_good(client, service.admin_key)

        with hung(postgres):
            await asyncio.sleep(2 * MAX_STALENESS)
            with pytest.raises(Unavailable) as refused_:
                await client.check(service.admin_key, timeout=1)

        assert refused_.value.reason == "DATABASE_UNAVAILABLE"
        await until(lambda: is_good(client, service.admin_key))


async def test_calls_recover_when_the_database_ends_their_connections(
    settings: Settings,
) -> None:
    async with serving(settings) as service, service.client() as client:
        await asyncio.gather(*(client.check(service.admin_key) for _ in range(20)))

        async with connected(url_of(service)) as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'authsvc'"
            )

        assert await client.check(service.admin_key)


async def test_a_server_does_not_start_without_its_database(
    settings: Settings, postgres: EmbeddedPostgres
) -> None:
    await postgres.stop()
    try:
        with pytest.raises(DatabaseUnavailable):
            async with serving(settings):
                pass
    finally:
        await postgres.start()
