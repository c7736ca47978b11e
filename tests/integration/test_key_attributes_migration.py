"""Migration 0004 with data: a server of before goes on, and the way back opens nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from authsvc.postgres import schema
from tests.integration.support import connected

BEFORE, AFTER = "0003", "0004"
# As a server of the version before writes them.
INSERT_KEY = """
INSERT INTO authsvc.keys (key_id, account_id, name, digest, scopes, hint, metadata, create_time,
                          expire_time, supersedes)
VALUES ($1, 'acct_1', $1, sha256($1::text::bytea), '{*}', '', '{}', now(), NULL, NULL)
"""
REPLACE_KEY = """
UPDATE authsvc.keys
   SET name = 'new', scopes = '{*}', metadata = '{}', expire_time = NULL, disabled = false
 WHERE key_id = $1
"""
ATTRIBUTES = """
SELECT allowed_addresses, rate_limit_requests, rate_limit_seconds FROM authsvc.keys
 WHERE key_id = $1
"""
RESTRICT = """
UPDATE authsvc.keys SET allowed_addresses = '{192.0.2.7}', rate_limit_requests = 1,
                        rate_limit_seconds = 60
 WHERE key_id = $1
"""


@pytest_asyncio.fixture(loop_scope="session")
async def before(empty_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A database at the schema before, with a key."""
    await schema.migrate(empty_database_url, BEFORE)
    async with connected(empty_database_url) as connection:
        await connection.execute(
            "INSERT INTO authsvc.accounts VALUES ('acct_1', 'Example', 'ACTIVE', now(), false)"
        )
        await connection.execute(INSERT_KEY, "key_1")
        yield connection


async def newest_change(connection: asyncpg.Connection) -> tuple[object, ...]:
    row = await connection.fetchrow(
        "SELECT key_id, kind FROM authsvc.changes ORDER BY revision DESC LIMIT 1"
    )
    assert row is not None
    return tuple(row)


async def test_keys_of_before_are_good_from_anywhere_and_without_a_limit(
    before: asyncpg.Connection, empty_database_url: str
) -> None:
    everything = "SELECT key_id, name, digest, scopes, revision FROM authsvc.keys"
    kept = await before.fetch(everything)

    assert await schema.migrate(empty_database_url, AFTER) == AFTER

    async with connected(empty_database_url) as after:
        assert await after.fetch(everything) == kept
        row = await after.fetchrow(ATTRIBUTES, "key_1")
        assert row is not None
        assert tuple(row) == ([], None, None)


async def test_a_server_of_before_makes_and_changes_keys_and_leaves_the_rest(
    before: asyncpg.Connection, empty_database_url: str
) -> None:
    assert before
    await schema.migrate(empty_database_url, AFTER)

    async with connected(empty_database_url) as after:
        await after.execute(INSERT_KEY, "key_2")
        await after.execute(RESTRICT, "key_1")
        await after.execute(REPLACE_KEY, "key_1")

        row = await after.fetchrow(ATTRIBUTES, "key_1")
        assert row is not None
        assert tuple(row) == (["192.0.2.7"], 1, 60)


@pytest.mark.parametrize(
    "change",
    [
        "allowed_addresses = '{192.0.2.7}'",
        "rate_limit_requests = 1, rate_limit_seconds = 1",
    ],
)
async def test_a_change_of_either_is_logged(
    before: asyncpg.Connection, empty_database_url: str, change: str
) -> None:
    await schema.migrate(empty_database_url, AFTER)
    await before.execute(INSERT_KEY, "key_2")

    await before.execute(f"UPDATE authsvc.keys SET {change} WHERE key_id = 'key_1'")

    assert await newest_change(before) == ("key_1", "KEY_CHANGED")


@pytest.mark.parametrize(
    "change",
    [
        "allowed_addresses = array_fill('192.0.2.7'::text, ARRAY[101])",
        "allowed_addresses = ARRAY['192.0.2.7', NULL]",
        "rate_limit_requests = 1",
        "rate_limit_seconds = 1",
        "rate_limit_requests = 0, rate_limit_seconds = 1",
        "rate_limit_requests = 1000001, rate_limit_seconds = 1",
        "rate_limit_requests = 1, rate_limit_seconds = 0",
        "rate_limit_requests = 1, rate_limit_seconds = 86401",
    ],
)
async def test_what_is_out_of_bounds_is_not_kept(
    before: asyncpg.Connection, empty_database_url: str, change: str
) -> None:
    await schema.migrate(empty_database_url, AFTER)

    with pytest.raises(asyncpg.CheckViolationError):
        await before.execute(f"UPDATE authsvc.keys SET {change}")


async def test_on_the_way_back_restricted_keys_are_disabled_and_it_is_told(
    before: asyncpg.Connection, empty_database_url: str
) -> None:
    await schema.migrate(empty_database_url, AFTER)
    await before.execute(INSERT_KEY, "key_2")
    await before.execute(RESTRICT, "key_1")
    await before.execute("UPDATE authsvc.keys SET rate_limit_requests = 1, rate_limit_seconds = 1")

    assert await schema.migrate(empty_database_url, BEFORE) == BEFORE

    async with connected(empty_database_url) as back:
        disabled = "SELECT key_id, disabled FROM authsvc.keys ORDER BY 1"
        assert [tuple(row) for row in await back.fetch(disabled)] == [
            ("key_1", True),
            ("key_2", False),
        ]
        assert await newest_change(back) == ("key_1", "KEY_CHANGED")
        await back.execute("UPDATE authsvc.keys SET superseded_by = 'k' WHERE key_id = 'key_2'")
        assert await newest_change(back) == ("key_2", "KEY_CHANGED")

    assert await schema.migrate(empty_database_url) == schema.newest_revision()
