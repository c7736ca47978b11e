"""The months of the audit log: made ahead, and none in the way of a change."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from authsvc.config import Settings
from authsvc.postgres import schema
from tests.conftest import serving
from tests.integration.support import connected, until

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
