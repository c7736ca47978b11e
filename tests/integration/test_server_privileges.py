"""Servers whose database role owns nothing go on through every migration."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

from authsvc import app
from authsvc.postgres import schema
from authsvc.postgres.recorded_usage import PostgresRecordedUsage
from tests.conftest import execute
from tests.integration.support import connected, quoted, url_as
from tests.integration.support_fresh import served
from tests.integration.test_usage_months import ADD_BEFORE

LAST_RELEASED = "0003"
# In one word for each table that a server must be able to read and write.
WITHOUT = """
SELECT c.relname || ' ' || privilege FROM pg_class c,
       unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
 WHERE c.relnamespace = 'authsvc'::regnamespace AND c.relkind IN ('r', 'p')
   AND NOT c.relispartition AND NOT has_table_privilege($1, c.oid, privilege)
 ORDER BY 1
"""


@pytest_asyncio.fixture(loop_scope="session")
async def role(empty_database_url: str) -> AsyncIterator[str]:
    """A role that was given what a server needs, at the schema that was last released."""
    name = f'authsvc "server" {secrets.token_hex(4)}'
    await schema.migrate(empty_database_url, LAST_RELEASED)
    await execute(
        empty_database_url,
        f"CREATE ROLE {quoted(name)} LOGIN",
        f"GRANT USAGE ON SCHEMA authsvc TO {quoted(name)}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA authsvc TO {quoted(name)}",
    )
    yield name
    await execute(empty_database_url, f"DROP OWNED BY {quoted(name)}", f"DROP ROLE {quoted(name)}")


@pytest.fixture
def role_url(role: str, empty_database_url: str) -> str:
    """The database, for that role."""
    return url_as(role, empty_database_url)


async def test_what_migrations_add_is_given_to_the_servers(
    role: str, empty_database_url: str
) -> None:
    await schema.migrate(empty_database_url)

    async with connected(empty_database_url) as connection:
        missing = [row[0] for row in await connection.fetch(WITHOUT, role)]

    assert missing == ["audit_events DELETE", "audit_events UPDATE"]


async def test_a_server_of_that_role_does_all_that_servers_do(
    role_url: str, empty_database_url: str
) -> None:
    await schema.migrate(empty_database_url)

    async with served(role_url) as server, connected(empty_database_url) as connection:
        key = await server.new_key()
        await server.client.check(key.secret)
        await server.service.parts.usage.flush(app.time_limit())
        recorded = PostgresRecordedUsage(server.service.parts.database)
        await recorded.maintain(timedelta(days=400), app.time_limit())
        await server.service.parts.audit_log.maintain(app.time_limit())

        assert (await server.client.get_key_usage(key.key_id)).granted_count == 1
        assert await connection.fetchval(
            "SELECT count(*) FROM authsvc.audit_events WHERE target_id = $1", key.key_id
        )


async def test_servers_of_the_version_before_go_on(role_url: str, empty_database_url: str) -> None:
    now = datetime.now(UTC)
    async with connected(role_url) as connection:
        statement = await connection.prepare(ADD_BEFORE)
        await statement.fetch(["key_1"], ["OK"], [1], now, now)
        await schema.migrate(empty_database_url)

        await statement.fetch(["key_1"], ["OK"], [2], now, now)
        await connection.execute(
            "INSERT INTO authsvc.accounts VALUES ('acct_1', 'Example', 'ACTIVE', now(), false)"
        )
        await connection.execute(
            "INSERT INTO authsvc.keys (key_id, account_id, name, digest, scopes, hint, metadata,"
            " create_time) VALUES ('key_1', 'acct_1', 'k', sha256('k'), '{*}', '', '{}', now())"
        )

        assert await connection.fetchval("SELECT sum(count) FROM authsvc.key_usage") == 3


async def test_a_role_that_only_reads_is_given_nothing_new(empty_database_url: str) -> None:
    name = f"authsvc_reports_{secrets.token_hex(4)}"
    await schema.migrate(empty_database_url, LAST_RELEASED)
    await execute(
        empty_database_url,
        f"CREATE ROLE {name}",
        f"GRANT USAGE ON SCHEMA authsvc TO {name}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA authsvc TO {name}",
    )
    try:
        await schema.migrate(empty_database_url)

        async with connected(empty_database_url) as connection:
            await connection.execute(f"SET ROLE {name}")
            assert await connection.fetchval("SELECT count(*) FROM authsvc.key_usage") == 0
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval("SELECT count(*) FROM authsvc.users")
    finally:
        await execute(empty_database_url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")
