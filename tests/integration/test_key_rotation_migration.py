"""Migration 0003 with data: names of rotated keys, and the way back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from authsvc.postgres import schema
from tests.integration.support import connected

BEFORE, AFTER = "0002", "0003"
INSERT_KEY = """
INSERT INTO authsvc.keys (key_id, account_id, name, digest, scopes, hint, metadata, create_time)
VALUES ($1, 'acct_1', $2, sha256($1::text::bytea), '{*}', '', '{}', now())
"""
# What a rotation does, in its order.
ROTATE = (
    """
    UPDATE authsvc.keys
       SET superseded_by = 'key_{new}', expire_time = now() + interval '1 day'
     WHERE key_id = 'key_{old}'
    """,
    """
    INSERT INTO authsvc.keys (key_id, account_id, name, digest, scopes, hint, metadata,
                              create_time, supersedes)
    SELECT 'key_{new}', account_id, name, sha256('key_{new}'), scopes, hint, metadata, now(), key_id
      FROM authsvc.keys WHERE key_id = 'key_{old}'
    """,
)
LIVE = "SELECT key_id FROM authsvc.keys WHERE revoke_time IS NULL ORDER BY 1"


@pytest_asyncio.fixture(loop_scope="session")
async def before(empty_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A database at the schema before, with two keys of a name, of which one is revoked."""
    await schema.migrate(empty_database_url, BEFORE)
    async with connected(empty_database_url) as connection:
        await connection.execute(
            "INSERT INTO authsvc.accounts VALUES ('acct_1', 'Example', 'ACTIVE', now(), false)"
        )
        await connection.execute(INSERT_KEY, "key_0", "ci")
        await connection.execute("UPDATE authsvc.keys SET revoke_time = now()")
        await connection.execute(INSERT_KEY, "key_1", "ci")
        yield connection


async def rotate(connection: asyncpg.Connection, old: int, new: int) -> None:
    for statement in ROTATE:
        await connection.execute(statement.format(old=old, new=new))


async def keys_in(connection: asyncpg.Connection, query: str = LIVE) -> list[str]:
    return [row["key_id"] for row in await connection.fetch(query)]


async def test_keys_that_were_never_rotated_stay_as_they_are(
    before: asyncpg.Connection, empty_database_url: str
) -> None:
    everything = "SELECT key_id, name, digest, revoke_time, revision FROM authsvc.keys ORDER BY 1"
    kept = await before.fetch(everything)

    assert await schema.migrate(empty_database_url, AFTER) == AFTER

    async with connected(empty_database_url) as after:
        assert await after.fetch(everything) == kept
        rotated = "SELECT key_id FROM authsvc.keys WHERE superseded_by || supersedes IS NOT NULL"
        assert await keys_in(after, rotated) == []
        with pytest.raises(asyncpg.UniqueViolationError, match="keys_live_name"):
            await after.execute(INSERT_KEY, "key_2", "ci")


async def test_a_name_goes_on_to_the_successor_alone(
    before: asyncpg.Connection, empty_database_url: str
) -> None:
    assert before
    await schema.migrate(empty_database_url, AFTER)

    async with connected(empty_database_url) as after:
        await rotate(after, 1, 2)
        await rotate(after, 2, 3)

        assert await keys_in(after) == ["key_1", "key_2", "key_3"]
        with pytest.raises(asyncpg.UniqueViolationError, match="keys_live_name"):
            await after.execute(INSERT_KEY, "key_4", "ci")
        with pytest.raises(asyncpg.UniqueViolationError, match="keys_one_successor"):
            await after.execute(
                "UPDATE authsvc.keys SET supersedes = 'key_1' WHERE key_id = 'key_0'"
            )


async def test_a_successor_that_is_named_by_hand_is_a_change(
    before: asyncpg.Connection, empty_database_url: str
) -> None:
    assert before
    await schema.migrate(empty_database_url, AFTER)

    async with connected(empty_database_url) as after:
        revision = await after.fetchval("SELECT max(revision) FROM authsvc.changes")
        await after.execute("UPDATE authsvc.keys SET superseded_by = 'k' WHERE key_id = 'key_1'")

        changed = f"SELECT key_id, kind FROM authsvc.changes WHERE revision > {revision}"
        assert [tuple(row) for row in await after.fetch(changed)] == [("key_1", "KEY_CHANGED")]


async def test_on_the_way_back_rotated_keys_end_and_it_is_told(
    before: asyncpg.Connection, empty_database_url: str
) -> None:
    assert before
    await schema.migrate(empty_database_url, AFTER)
    async with connected(empty_database_url) as after:
        await rotate(after, 1, 2)
        await rotate(after, 2, 3)
        await after.execute(
            "INSERT INTO authsvc.key_requests (digest, fingerprint, key_id, sealed_secret,"
            " delete_time) VALUES (sha256('d'), sha256('f'), 'key_3', 's', now())"
        )
        revision = await after.fetchval("SELECT max(revision) FROM authsvc.changes")

    assert await schema.migrate(empty_database_url, BEFORE) == BEFORE

    async with connected(empty_database_url) as back:
        assert await keys_in(back) == ["key_3"]
        superseded = "SELECT key_id FROM authsvc.keys WHERE revoke_reason = 'SUPERSEDED' ORDER BY 1"
        assert await keys_in(back, superseded) == ["key_1", "key_2"]
        ended = f"SELECT key_id, kind FROM authsvc.changes WHERE revision > {revision} ORDER BY 1"
        assert [tuple(row) for row in await back.fetch(ended)] == [
            ("key_1", "KEY_REVOKED"),
            ("key_2", "KEY_REVOKED"),
        ]
        assert await back.fetchval("SELECT to_regclass('authsvc.key_requests')") is None
        with pytest.raises(asyncpg.UniqueViolationError, match="keys_live_name"):
            await back.execute(INSERT_KEY, "key_4", "ci")

    assert await schema.migrate(empty_database_url) == schema.newest_revision()
