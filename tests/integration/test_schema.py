"""The database schema: forward, back, both at once, and what a version accepts."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from authsvc import app
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.postgres import schema
from tests.conftest import execute, settings_for, with_database
from tests.integration.support import connected, until

MIGRATIONS_LOCK = 0x61757468_0002
_COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default
  FROM information_schema.columns WHERE table_schema = 'authsvc' ORDER BY 1, 2
"""
_INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'authsvc' ORDER BY 1"


async def shape_of(url: str) -> list[tuple[object, ...]]:
    """Describe the schema."""
    async with connected(url) as connection:
        rows = [*await connection.fetch(_COLUMNS), *await connection.fetch(_INDEXES)]
        return [tuple(row) for row in rows]


async def test_a_schema_goes_up_down_and_up_again_to_the_same(empty_database_url: str) -> None:
    assert await schema.current_revision(empty_database_url) == schema.NO_REVISION

    reached = await schema.migrate(empty_database_url)
    first = await shape_of(empty_database_url)
    gone = await schema.migrate(empty_database_url, "base")
    tables = {row[0] for row in await shape_of(empty_database_url) if len(row) > 1}
    again = await schema.migrate(empty_database_url)

    assert (reached, gone, again) == (schema.newest_revision(), "none", schema.newest_revision())
    assert tables == {"alembic_version"}
    assert await shape_of(empty_database_url) == first


async def test_migrating_again_changes_nothing(empty_database_url: str) -> None:
    await schema.migrate(empty_database_url)
    await execute(
        empty_database_url,
        "INSERT INTO authsvc.accounts VALUES ('acct_1', 'kept', 'ACTIVE', now(), false)",
    )

    await schema.migrate(empty_database_url)

    async with connected(empty_database_url) as connection:
        assert await connection.fetchval("SELECT display_name FROM authsvc.accounts") == "kept"


async def test_replicas_that_migrate_at_once_do_not_collide(empty_database_url: str) -> None:
    reached = await asyncio.gather(*(schema.migrate(empty_database_url) for _ in range(5)))

    assert set(reached) == {schema.newest_revision()}


async def test_a_migration_waits_for_the_one_that_runs(empty_database_url: str) -> None:
    async with connected(empty_database_url) as other, connected(empty_database_url) as reader:
        await other.execute(f"SELECT pg_advisory_lock({MIGRATIONS_LOCK})")
        migrating = asyncio.create_task(schema.migrate(empty_database_url))

        async def waits() -> bool:
            return bool(
                await reader.fetchval(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                    " AND database = (SELECT oid FROM pg_database"
                    " WHERE datname = current_database())"
                )
            )

        await until(waits)
        assert await schema.current_revision(empty_database_url) == schema.NO_REVISION
        await other.execute(f"SELECT pg_advisory_unlock({MIGRATIONS_LOCK})")

        assert await migrating == schema.newest_revision()


async def test_a_migration_that_fails_leaves_the_schema_as_it_was(empty_database_url: str) -> None:
    await execute(
        empty_database_url, "CREATE SCHEMA authsvc", "CREATE TABLE authsvc.signing_keys (n int)"
    )

    with pytest.raises(asyncpg.DuplicateTableError):
        await schema.migrate(empty_database_url)

    async with connected(empty_database_url) as connection:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'authsvc'"
        )
    assert [table for (table,) in tables] == ["signing_keys"]


async def test_an_unknown_revision_is_refused_with_the_known_ones(
    empty_database_url: str,
) -> None:
    with pytest.raises(schema.UnknownRevision, match=r"base, .*0002"):
        await schema.migrate(empty_database_url, "0999")


async def test_a_server_refuses_an_older_schema_and_says_what_to_do(
    empty_database_url: str,
) -> None:
    with pytest.raises(schema.SchemaOutdated, match=r"revision none.* run `authsvc migrate`"):
        async with app.open_parts(settings_for(empty_database_url)):
            pass

    await schema.migrate(empty_database_url)
    await execute(empty_database_url, "UPDATE authsvc.alembic_version SET version_num = '0000'")
    with pytest.raises(schema.SchemaOutdated, match="revision 0000"):
        await schema.require_current_schema(empty_database_url)


async def test_a_server_accepts_a_newer_schema(database_url: str) -> None:
    await execute(database_url, "UPDATE authsvc.alembic_version SET version_num = '9999'")

    async with app.open_parts(settings_for(database_url)) as parts:
        await parts.database.ping(app.time_limit())


@pytest.mark.parametrize("what", ["database", "host"])
async def test_a_database_that_is_not_there_is_unavailable(postgres_url: str, what: str) -> None:
    url = {
        "database": with_database(postgres_url, "no_such_database"),
        "host": "postgresql://postgres@127.0.0.1:1/postgres",
    }[what]

    with pytest.raises(DatabaseUnavailable):
        await schema.current_revision(url)
    with pytest.raises(DatabaseUnavailable):
        await schema.migrate(url)
