"""A server that is not the primary any more: connections to it are dropped, memory is emptied."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from authsvc import app
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.postgres import schema
from authsvc.postgres.connection import Connection, connect
from authsvc.postgres.database import Database
from authsvc.postgres.embedded import EmbeddedPostgres
from tests.conftest import execute
from tests.integration.support import a_server_role, connected, until
from tests.integration.support_fresh import NewKey, Served, remembered, served, until_verdict
from tests.integration.support_proxy import proxied
from tests.integration.test_fresh_follower import (
    HOUR,
    WITHOUT_TRIGGERS,
    cut_follower,
    disable,
)

POOL_SIZE = 2
BE_DEMOTED = "SET default_transaction_read_only = on"
CHANGE = "UPDATE authsvc.change_log SET pruned_through = pruned_through"


@pytest_asyncio.fixture(loop_scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    """A small pool."""
    async with Database.open(
        database_url, pool_size=POOL_SIZE, statement_timeout=timedelta(minutes=1)
    ) as opened:
        yield opened


async def backends_of(database: Database, prepare: str = "SELECT") -> set[int]:
    """Return the backends behind all connections of the pool, which it opens when it must."""
    all_here = asyncio.Barrier(POOL_SIZE)

    async def backend_of(connection: Connection) -> int:
        await connection.execute(prepare)
        await all_here.wait()
        return int(await connection.fetchval("SELECT pg_backend_pid()"))

    at_once = (database.run(backend_of, app.time_limit()) for _ in range(POOL_SIZE))
    return set(await asyncio.gather(*at_once))


async def test_a_change_that_a_former_primary_refuses_is_tried_once_more(
    database: Database,
) -> None:
    # Given a pool whose connections are all to a server that was demoted
    before = await backends_of(database, BE_DEMOTED)
    tries = 0

    async def change(connection: Connection) -> None:
        nonlocal tries
        tries += 1
        await connection.execute(CHANGE)

    # When something is changed
    await database.run_in_transaction(change, app.time_limit())

    # Then it took one more try, and none of those connections is left
    assert tries == 2
    assert database.figures.repeats == 1
    assert not before & await backends_of(database)


async def test_statements_that_are_no_transaction_are_not_repeated(database: Database) -> None:
    # Given work of which the first part was done already
    tries = 0

    async def work(connection: Connection) -> None:
        nonlocal tries
        tries += 1
        await connection.fetchval("SELECT 1")
        await connection.execute(BE_DEMOTED)
        await connection.execute(CHANGE)

    # When the server refuses the next
    with pytest.raises(DatabaseUnavailable):
        await database.run(work, app.time_limit())

    # Then nothing is done twice
    assert tries == 1
    assert database.figures.repeats == 0


@pytest.mark.parametrize("second", [CHANGE, "SELECT pg_sleep(60)"])
async def test_there_is_no_third_try_and_no_more_time(database: Database, second: str) -> None:
    tries = 0

    async def change(connection: Connection) -> None:
        nonlocal tries
        tries += 1
        await connection.execute("SET transaction_read_only = on")
        await connection.execute(CHANGE if tries == 1 else second)

    with pytest.raises(DatabaseUnavailable):
        await database.run_in_transaction(change, app.time_limit(1.0))

    assert tries == 2


async def test_a_server_that_goes_away_loses_every_connection(
    database: Database,
) -> None:
    before = await backends_of(database)

    async def be_shut_down(connection: Connection) -> None:
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseUnavailable):
        await database.run(be_shut_down, app.time_limit())

    # The other one was well, and is to a server that ends.
    assert not before & await backends_of(database)


class SilentHost:
    """Takes connections, and never says anything."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.left = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.set()
        with suppress(OSError):
            while await reader.read(1024):
                pass
        self.left.set()
        writer.close()


async def test_a_silent_host_does_not_use_up_the_time_of_the_next(database_url: str) -> None:
    # Given a URL whose first host swallows what it is sent
    silent = SilentHost()
    server = await asyncio.start_server(silent.handle, "127.0.0.1", 0)
    async with server, proxied(database_url) as proxy:
        silent_port = server.sockets[0].getsockname()[1]
        host = f"127.0.0.1:{silent_port}"
        url = proxy.url.replace("@", f"@{host},")

        # When a connection is opened, then it is to the second host, before the first was given up
        connection = await connect(url)
        assert silent.asked.is_set()
        assert not silent.left.is_set()
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()

        # And the first is left alone then
        async with asyncio.timeout(10):
            await silent.left.wait()


@pytest_asyncio.fixture(loop_scope="session")
async def secretive_url(database_url: str) -> AsyncIterator[str]:
    """A database, for a role to which it does not tell its timeline."""
    await execute(database_url, "REVOKE EXECUTE ON FUNCTION pg_current_wal_lsn() FROM PUBLIC")
    async with a_server_role(database_url) as url:
        yield url


async def test_a_database_that_keeps_its_timeline_to_itself_is_followed_all_the_same(
    secretive_url: str, database_url: str
) -> None:
    with capture_logs() as logs:
        async with (
            proxied(secretive_url) as proxy,
            served(proxy.url, max_staleness=HOUR) as server,
            connected(database_url) as connection,
        ):
            key, lost = await server.new_key(), await server.new_key()
            await server.remember(key, lost)
            await disable(connection, key)
            await until_verdict(server.client, key.secret, "KEY_DISABLED")

            # When the connection is another one, then it may be to another history
            await connection.execute(WITHOUT_TRIGGERS)
            await disable(connection, lost)
            assert await server.client.check(lost.secret)
            await cut_follower(proxy)
            await until_verdict(server.client, lost.secret, "KEY_DISABLED")
            await cut_follower(proxy)

    told = [entry for entry in logs if "timeline" in str(entry["event"])]
    assert [entry["log_level"] for entry in told] == ["warning"]


async def changed(server: Served) -> NewKey:
    """Wait until the log is followed again: a change is made, and is in memory."""
    made: list[NewKey] = []

    async def is_made() -> bool:
        with suppress(Exception):
            made.append(await server.new_key())
        return bool(made)

    await until(is_made)
    await server.remember(made[0])
    return made[0]


async def test_memory_outlasts_a_restart_and_is_emptied_by_a_promotion(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("promoted")
    async with EmbeddedPostgres(home) as postgres:
        url = postgres.url()
        await schema.migrate(url)
        async with served(url, max_staleness=HOUR) as server:
            # Given a key in memory that is otherwise in a history where the log does not show it
            key = await server.new_key()
            await server.remember(key)
            async with connected(url) as connection:
                await connection.execute(WITHOUT_TRIGGERS)
                await disable(connection, key)

            # When the primary only starts again, then what was followed still holds
            await postgres.stop()
            await postgres.start()
            await changed(server)
            assert await remembered(server.client, key.secret)

            # When a standby takes over
            await postgres.stop()
            (home / "postgres" / "standby.signal").touch()
            await postgres.start()
            with pytest.raises(DatabaseUnavailable):
                await connect(url)
            async with connected(url) as connection:
                assert await connection.fetchval("SELECT pg_promote()")

            # Then everything is read again
            await until_verdict(server.client, key.secret, "KEY_DISABLED")
            await changed(server)
