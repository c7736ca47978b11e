"""Revision 0013, and a server of the version before on it."""

from __future__ import annotations

from authsvc.postgres import schema
from authsvc.postgres.changes import read_changes
from tests.integration.support import connected

BEFORE = "0011"
INSERT_KEY = """
INSERT INTO authsvc.signing_keys (kid, algorithm, public_key, sealed_private_key, create_time)
VALUES ('jwk_1', 'ES256', 'x', 'x', now())
"""


async def test_the_way_back_and_forth_keeps_the_keyring(database_url: str) -> None:
    async with connected(database_url) as connection:
        await connection.execute(INSERT_KEY)

    assert await schema.migrate(database_url, BEFORE) == BEFORE
    async with connected(database_url) as connection:
        assert await connection.fetchval("SELECT count(*) FROM authsvc.signing_keys") == 1
        await connection.execute("DELETE FROM authsvc.signing_keys")
    await schema.migrate(database_url)

    async with connected(database_url) as connection:
        page = await read_changes(connection, 0, 100)
        assert [change.kind for change in page.changes] == ["KEYRING_CHANGED"]


async def test_every_change_of_the_keyring_is_in_the_change_log(database_url: str) -> None:
    async with connected(database_url) as connection:
        for statement in (
            INSERT_KEY,
            "UPDATE authsvc.signing_keys SET activate_time = now()",
            "DELETE FROM authsvc.signing_keys",
            "TRUNCATE authsvc.signing_keys",
        ):
            await connection.execute(statement)

        rows = await connection.fetch("SELECT kind, key_id, user_id FROM authsvc.changes")

    assert [row["kind"] for row in rows] == ["KEYRING_CHANGED"] * 4
    # A server of the version before takes it for the change of an account, and drops none.
    assert {(row["key_id"], row["user_id"]) for row in rows} == {("", "")}
