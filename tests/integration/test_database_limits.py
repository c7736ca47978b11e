"""What the database itself ends in our sessions, with nobody here who would do it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from authsvc import app
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.postgres import follower, schema
from authsvc.postgres.connection import Connection, connect
from authsvc.postgres.database import Database
from authsvc.postgres.session_limits import SessionLimits
from tests.integration.support import connected, until, until_waiting, waiting_backends

Work = Callable[[Connection], Awaitable[None]]

SHORT = timedelta(milliseconds=200)
LONG_SECONDS = 60
USERS_READ_AND_WRITTEN = "LOCK TABLE authsvc.users IN ROW EXCLUSIVE MODE"
WAITING = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'authsvc' AND wait_event_type = 'Lock'
"""
BEFORE_SESSIONS = "0009"
"""The revision after it puts foreign keys on users, for which it must keep writers away."""


async def sleep(connection: Connection) -> None:
    await connection.execute(f"SELECT pg_sleep({LONG_SECONDS})")


async def wait_for_lock(connection: Connection) -> None:
    await connection.execute("SELECT FROM authsvc.keys")


async def be_idle(connection: Connection) -> None:
    await connection.execute("BEGIN; LOCK TABLE authsvc.users")
    ended = asyncio.Event()
    connection.add_termination_listener(lambda _: ended.set())
    await ended.wait()
    await connection.execute("COMMIT")


@pytest.mark.parametrize("work", [sleep, wait_for_lock, be_idle])
async def test_the_database_ends_what_nobody_waits_for(database_url: str, work: Work) -> None:
    async with (
        Database.open(database_url, pool_size=1, statement_timeout=SHORT) as database,
        connected(database_url) as other,
        other.transaction(),
    ):
        await other.execute("LOCK TABLE authsvc.keys IN ACCESS EXCLUSIVE MODE")

        # When the work itself may take its time
        async with asyncio.timeout(LONG_SECONDS / 2):
            with pytest.raises(DatabaseUnavailable):
                await database.run(work, app.time_limit(LONG_SECONDS))

        # Then the connection is good, or another one is, and what was locked is free
        await database.ping(app.time_limit())
        await other.execute("LOCK TABLE authsvc.users IN ACCESS EXCLUSIVE MODE NOWAIT")


async def test_a_session_that_is_of_no_use_is_ended(database_url: str) -> None:
    connection = await connect(database_url, SessionLimits(idle_session=SHORT))
    ended = asyncio.Event()
    connection.add_termination_listener(lambda _: ended.set())

    async with asyncio.timeout(LONG_SECONDS / 2):
        await ended.wait()


async def test_the_follower_leaves_no_read_behind(
    parts: app.Parts, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a follower that does not end its reads itself, and one that waits for a lock
    monkeypatch.setattr(follower, "_READ_TIMEOUT_SECONDS", LONG_SECONDS)
    async with connected(database_url) as other, other.transaction():
        await other.execute("LOCK TABLE authsvc.changes IN ACCESS EXCLUSIVE MODE")
        following = asyncio.create_task(parts.judging.follower.run())
        try:
            await until_waiting(other, 1)
            backend = await other.fetchval(WAITING)

            # Then the database ends it although the lock is still held
            async def is_gone() -> bool:
                await other.execute("SELECT pg_stat_clear_snapshot()")
                return bool(backend != await other.fetchval(WAITING))

            await until(is_gone)
        finally:
            following.cancel()


async def test_a_migration_that_waits_for_a_lock_keeps_nobody_waiting(
    empty_database_url: str,
) -> None:
    # Given a transaction that has changed users and does not end
    await schema.migrate(empty_database_url, BEFORE_SESSIONS)
    patience = schema.LockPatience(wait=SHORT, pause=SHORT, attempts=1000)
    async with connected(empty_database_url) as holder, connected(empty_database_url) as service:
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute(USERS_READ_AND_WRITTEN)

        # When a migration needs the table for itself
        migrating = asyncio.create_task(schema.migrate(empty_database_url, patience=patience))
        for _ in range(2):
            await until_waiting(service, 1)
            # Then others who change users come through behind it
            await service.execute(f"SET lock_timeout = '10s'; BEGIN; {USERS_READ_AND_WRITTEN}; END")
        assert not migrating.done()

        # And it is done once the transaction has ended
        await transaction.rollback()
        assert await migrating == schema.newest_revision()


async def test_a_migration_that_gets_no_lock_says_so_and_changes_nothing(
    empty_database_url: str,
) -> None:
    await schema.migrate(empty_database_url, BEFORE_SESSIONS)
    patience = schema.LockPatience(wait=SHORT, pause=timedelta(0), attempts=2)

    async with connected(empty_database_url) as holder, holder.transaction():
        await holder.execute(USERS_READ_AND_WRITTEN)
        with pytest.raises(schema.SchemaBusy, match=r"each of 2 attempts.*pg_stat_activity"):
            await schema.migrate(empty_database_url, patience=patience)

    assert await schema.current_revision(empty_database_url) == BEFORE_SESSIONS


async def test_a_migration_that_pauses_keeps_other_migrations_waiting(
    empty_database_url: str,
) -> None:
    # Given a migration that has failed to get a lock, and pauses
    await schema.migrate(empty_database_url, BEFORE_SESSIONS)
    patience = schema.LockPatience(wait=SHORT, pause=timedelta(hours=1), attempts=2)
    async with connected(empty_database_url) as holder, holder.transaction():
        await holder.execute(USERS_READ_AND_WRITTEN)
        migrating = asyncio.create_task(schema.migrate(empty_database_url, patience=patience))

        async def pauses() -> bool:
            return not await waiting_backends(holder) and bool(
                await holder.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name = 'authsvc' AND state = 'idle' AND query = 'ROLLBACK;'"
                )
            )

        await until(pauses)

        # Then another migration would have to wait for its turn
        assert not await holder.fetchval(f"SELECT pg_try_advisory_lock({schema.MIGRATIONS_LOCK})")
        migrating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await migrating
