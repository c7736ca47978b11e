"""The months of the audit log: made ahead, and none in the way of a change."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from authsvc import app
from authsvc.config import Settings
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.postgres import schema
from authsvc.postgres.audit_months import PostgresAuditMonths
from authsvc.postgres.database import Database
from tests.conftest import serving
from tests.integration.support import a_server_role, connected, until

PARTITIONS = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'authsvc.audit_events'::regclass ORDER BY 1
"""
EXPECTED = """
SELECT to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => n),
               '"audit_events_"YYYY"_"MM') FROM generate_series(0, 2) n
"""
APPEND = """
SELECT authsvc.append_audit_event('{"actor_kind": "OPERATOR"}', '', '', '', 'OK', NULL, NULL)
"""
MAINTAIN = "SELECT authsvc.maintain_audit()"


async def partitions_of(connection: asyncpg.Connection) -> list[str]:
    return [row["relname"] for row in await connection.fetch(PARTITIONS)]


async def drop_months(connection: asyncpg.Connection) -> list[str]:
    months = [name for name in await partitions_of(connection) if not name.endswith("default")]
    for name in months:
        await connection.execute(f"DROP TABLE authsvc.{name}")
    return months


async def test_this_month_and_the_next_two_are_there_after_a_migration(database_url: str) -> None:
    async with connected(database_url) as connection:
        expected = [row[0] for row in await connection.fetch(EXPECTED)]

        assert await partitions_of(connection) == [*expected, "audit_events_default"]


async def test_an_old_month_is_dropped_by_its_owner(database_url: str) -> None:
    async with connected(database_url) as connection:
        await connection.execute(APPEND)
        assert await drop_months(connection)

        assert await connection.fetchval("SELECT count(*) FROM authsvc.audit_events") == 0


async def test_an_event_without_a_month_is_kept_all_the_same(database_url: str) -> None:
    async with connected(database_url) as connection:
        await drop_months(connection)
        await connection.execute(APPEND)

        kept = "SELECT count(*) FROM authsvc.audit_events_default"
        assert await connection.fetchval(kept) == 1


async def test_a_month_that_has_events_in_the_default_partition_is_left_out(
    database_url: str,
) -> None:
    async with connected(database_url) as connection:
        this, *later = await drop_months(connection)
        await connection.execute(APPEND)
        await connection.execute(MAINTAIN)

        assert await partitions_of(connection) == [*later, "audit_events_default"]
        assert this not in later


async def test_months_that_are_made_at_once_are_made_once(database_url: str) -> None:
    async with connected(database_url) as first, connected(database_url) as second:
        months = await drop_months(first)
        await asyncio.gather(first.execute(MAINTAIN), second.execute(MAINTAIN))

        assert await partitions_of(first) == [*months, "audit_events_default"]


async def test_a_month_made_later_refuses_changes_too(database_url: str) -> None:
    async with connected(database_url) as connection:
        this = (await drop_months(connection))[0]
        await connection.execute(MAINTAIN)
        await connection.execute(APPEND)

        for statement in ("UPDATE {} SET action = ''", "DELETE FROM {}", "TRUNCATE {}"):
            with pytest.raises(asyncpg.RaiseError, match="only ever added to"):
                await connection.execute(statement.format(f"authsvc.{this}"))


async def test_migrating_again_makes_the_months(database_url: str) -> None:
    async with connected(database_url) as connection:
        months = await drop_months(connection)

        await schema.migrate(database_url)

        assert await partitions_of(connection) == [*months, "audit_events_default"]


async def test_a_server_makes_the_months(settings: Settings, database_url: str) -> None:
    async with connected(database_url) as connection:
        # What the service makes at its start is of this month already, and in no month's partition.
        _, *later = await drop_months(connection)

        async with serving(settings):

            async def are_made() -> bool:
                return await partitions_of(connection) == [*later, "audit_events_default"]

            await until(are_made)


def month(ago: int) -> str:
    """Return the SQL of the first day of a month, so many before this one."""
    return f"(date_trunc('month', now() AT TIME ZONE 'UTC') - interval '{ago} months')"


async def make_month(connection: asyncpg.Connection, ago: int) -> str:
    first, after = [
        await connection.fetchval(f"SELECT {month(each)}::date") for each in (ago, ago - 1)
    ]
    name = f"audit_events_{first:%Y_%m}"
    await connection.execute(
        f"CREATE TABLE authsvc.{name} PARTITION OF authsvc.audit_events "
        f"FOR VALUES FROM ('{first} 00:00+00') TO ('{after} 00:00+00')"
    )
    return name


async def test_months_past_the_retention_go_and_no_others(
    parts: app.Parts, settings: Settings
) -> None:
    settings = settings.model_copy(update={"audit_retention": 62})
    parts = replace(parts, settings=settings)
    async with connected(settings.database_url.get_secret_value()) as connection:
        before = await partitions_of(connection)
        kept = [await make_month(connection, ago) for ago in (2, 1)]
        for ago in (4, 5):
            await make_month(connection, ago)

        both = await asyncio.gather(app.maintain_once(parts), app.maintain_once(parts))

        assert await partitions_of(connection) == sorted([*before, *kept])
    assert [done["past audit log"] for done in both] == [True, True]


async def test_the_audit_log_is_kept_for_ever_unless_told_otherwise(parts: app.Parts) -> None:
    async with connected(parts.settings.database_url.get_secret_value()) as connection:
        old = await make_month(connection, 400)

        await app.maintain_once(parts)

        assert old in await partitions_of(connection)


async def test_a_role_that_does_not_own_the_tables_removes_no_month(
    database_url: str,
) -> None:
    async with connected(database_url) as connection:
        old = await make_month(connection, 4)
        async with a_server_role(database_url) as url, database_of(url) as database:
            with pytest.raises(DatabaseUnavailable) as raised:
                await PostgresAuditMonths(database).remove_oldest(
                    timedelta(days=30), app.time_limit()
                )

        assert old in await partitions_of(connection)
    assert isinstance(raised.value.__cause__, asyncpg.InsufficientPrivilegeError)


def database_of(url: str) -> AbstractAsyncContextManager[Database]:
    return Database.open(url, pool_size=1, statement_timeout=timedelta(minutes=1))
