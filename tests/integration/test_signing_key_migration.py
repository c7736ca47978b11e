"""Migration 0008 with data: when keys of before sign, and the version before on the new schema."""

from __future__ import annotations

import asyncpg
import pytest

from authsvc.postgres import schema
from tests.integration.support import connected

AFTER = "0008"
# What the version before says, in its words.
COLUMNS = "kid, algorithm, public_key, sealed_private_key, create_time"
INSERT = f"""
INSERT INTO authsvc.signing_keys ({COLUMNS})
SELECT $1, $2, $3, $4, $5
 WHERE NOT EXISTS (SELECT FROM authsvc.signing_keys WHERE algorithm = $2)
"""
LIST = f"SELECT {COLUMNS} FROM authsvc.signing_keys ORDER BY create_time, kid"
OLD_KEY = """
INSERT INTO authsvc.signing_keys (kid, algorithm, public_key, sealed_private_key, create_time)
VALUES ('jwk_1', 'ES256', '', '', now() - interval '9 days')
"""


def before() -> str:
    """Return the revision before this one."""
    return max(revision for revision in schema._revisions() if revision < AFTER)  # noqa: SLF001


async def test_a_key_of_before_signs_from_its_creation(empty_database_url: str) -> None:
    await schema.migrate(empty_database_url, before())
    async with connected(empty_database_url) as connection:
        await connection.execute(OLD_KEY)

        await schema.migrate(empty_database_url, AFTER)

        assert await connection.fetchval(
            "SELECT activate_time = create_time FROM authsvc.signing_keys"
        )


async def test_the_version_before_goes_on(database_url: str) -> None:
    async with connected(database_url) as connection:
        now = await connection.fetchval("SELECT now()")
        await connection.execute(INSERT, "jwk_1", "ES256", b"", b"", now)
        await connection.execute(INSERT, "jwk_2", "ES256", b"", b"", now)

        assert [row["kid"] for row in await connection.fetch(LIST)] == ["jwk_1"]
        assert await connection.fetchval("SELECT activate_time FROM authsvc.signing_keys") >= now


async def test_every_key_says_when_it_signs(database_url: str) -> None:
    async with connected(database_url) as connection:
        with pytest.raises(asyncpg.NotNullViolationError):
            await connection.execute(
                "INSERT INTO authsvc.signing_keys VALUES ('k', 'ES256', '', '', now(), NULL)"
            )


async def test_going_back_keeps_the_keys(database_url: str) -> None:
    async with connected(database_url) as connection:
        await connection.execute(OLD_KEY)

        await schema.migrate(database_url, before())

        assert [row["kid"] for row in await connection.fetch(LIST)] == ["jwk_1"]
