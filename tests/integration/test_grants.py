"""`authsvc migrate --grants`: a role of servers may do what servers do, and nothing else.

That it may do enough is shown by nearly all other tests: their servers have such a role.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from authsvc.postgres import schema
from authsvc.postgres.grants import TABLES, RoleUnusable, grant
from tests.conftest import SERVER_ROLE, execute, url_of_servers
from tests.integration.support import connected, quoted

PRIVILEGES = """
SELECT c.relname::text AS table, array_agg(privilege ORDER BY n) AS privileges
  FROM pg_class c,
       unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])
       WITH ORDINALITY AS p (privilege, n)
 WHERE c.relnamespace = 'authsvc'::regnamespace AND c.relkind IN ('r', 'p')
   AND has_table_privilege($1, c.oid, privilege)
 GROUP BY c.relname
"""
TABLES_IN_SCHEMA = """
SELECT relname::text FROM pg_class
 WHERE relnamespace = 'authsvc'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""


@pytest_asyncio.fixture(loop_scope="session")
async def role(database_url: str) -> AsyncIterator[str]:
    """A role that may do nothing yet."""
    name = f'a "role" {secrets.token_hex(4)}'
    await execute(database_url, f"CREATE ROLE {quoted(name)}")
    yield name
    await execute(database_url, f"DROP OWNED BY {quoted(name)}", f"DROP ROLE {quoted(name)}")


async def privileges_of(role: str, url: str) -> dict[str, str]:
    async with connected(url) as connection:
        rows = await connection.fetch(PRIVILEGES, role)
    return {row["table"]: ", ".join(row["privileges"]) for row in rows}


async def test_every_table_is_thought_of(database_url: str) -> None:
    async with connected(database_url) as connection:
        tables = {row[0] for row in await connection.fetch(TABLES_IN_SCHEMA)}

    assert tables == set(TABLES)


async def test_a_role_gets_what_servers_need_however_often(database_url: str, role: str) -> None:
    await grant(database_url, role)
    await grant(database_url, role)

    assert await privileges_of(role, database_url) == dict(TABLES)


async def test_what_is_too_much_is_taken_back(database_url: str, role: str) -> None:
    await execute(
        database_url,
        f"GRANT ALL ON SCHEMA authsvc TO {quoted(role)}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA authsvc TO {quoted(role)}",
        f"GRANT UPDATE (version_num) ON authsvc.alembic_version TO {quoted(role)}",
        "GRANT SELECT ON authsvc.users TO PUBLIC",
    )

    await grant(database_url, role)

    assert await privileges_of(role, database_url) == dict(TABLES)
    async with connected(database_url) as connection:
        await connection.execute("CREATE ROLE nobody_at_all")
        try:
            assert await privileges_of("nobody_at_all", database_url) == {}
        finally:
            await connection.execute("DROP ROLE nobody_at_all")
        assert not await connection.fetchval(
            "SELECT has_any_column_privilege($1, 'authsvc.alembic_version', 'UPDATE')", role
        )


async def test_another_role_of_servers_goes_on(database_url: str, role: str) -> None:
    async with connected(database_url) as connection:
        await grant(database_url, role)

        await connection.execute(f"SET ROLE {SERVER_ROLE}")
        await connection.execute("SELECT authsvc.maintain_audit()")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE authsvc.mine (id integer)",
        "ALTER TABLE authsvc.keys ADD COLUMN mine text",
        "ALTER TABLE authsvc.keys DISABLE TRIGGER ALL",
        "DROP TABLE authsvc.audit_events",
        "CREATE FUNCTION authsvc.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "UPDATE authsvc.audit_events SET outcome = 'OK'",
        "DELETE FROM authsvc.audit_events",
        "DELETE FROM authsvc.audit_events_default",
        "TRUNCATE authsvc.audit_events",
        "INSERT INTO authsvc.changes (kind, account_id, key_id) VALUES ('KEY_CHANGED', '', '')",
        "SELECT authsvc.append_change('KEY_CHANGED', '', '')",
        "SELECT authsvc.add_usage_month('2020-01-01')",
        "SELECT authsvc.grant_to_servers('ALL', 'authsvc.keys')",
        "DELETE FROM authsvc.keys",
        "DELETE FROM authsvc.users",
        "DELETE FROM authsvc.accounts",
        "DELETE FROM authsvc.key_usage",
        "UPDATE authsvc.alembic_version SET version_num = '9999'",
        "SELECT * FROM other.secrets",
        "COPY authsvc.keys TO PROGRAM 'cat'",
    ],
)
async def test_what_a_server_may_not_do(database_url: str, statement: str) -> None:
    async with connected(database_url) as connection:
        await connection.execute("CREATE SCHEMA other CREATE TABLE secrets (secret text)")
        async with connected(database_url) as server:
            await server.execute(f"SET ROLE {SERVER_ROLE}")

            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await server.execute(statement)


@pytest_asyncio.fixture(loop_scope="session")
async def group(database_url: str, role: str) -> AsyncIterator[str]:
    """A group that the role is a member of."""
    name = f"a_group_{secrets.token_hex(4)}"
    await execute(database_url, f"CREATE ROLE {name}", f"GRANT {name} TO {quoted(role)}")
    yield name
    await execute(database_url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@pytest.mark.parametrize(
    ("right", "told"),
    [
        ("UPDATE ON authsvc.audit_events", "UPDATE on audit_events"),
        ("UPDATE (version_num) ON authsvc.alembic_version", "UPDATE on alembic_version"),
        ("DELETE, TRUNCATE ON authsvc.keys", "DELETE, TRUNCATE on keys"),
        ("ALL ON SEQUENCE authsvc.a_sequence", "SELECT, UPDATE, USAGE on a_sequence"),
        (
            "EXECUTE ON FUNCTION authsvc.append_change(text, text, text)",
            "EXECUTE on function append_change",
        ),
        ("CREATE ON SCHEMA authsvc", "CREATE on the schema"),
        ("pg_write_all_data", "(DELETE|INSERT).* on .*; .* and rights on [0-9]+ more"),
    ],
)
async def test_a_role_that_has_more_by_way_of_another_one_is_refused(
    database_url: str, role: str, group: str, right: str, told: str
) -> None:
    await execute(database_url, "CREATE SEQUENCE authsvc.a_sequence", f"GRANT {right} TO {group}")

    way = right if right.startswith("pg_") else group
    with pytest.raises(RoleUnusable, match=rf"{told} \(by way of {way}\)\. Nothing was granted"):
        await grant(database_url, role)

    async with connected(database_url) as connection:
        assert not await connection.fetchval(
            "SELECT has_table_privilege($1, 'authsvc.users', 'SELECT')", role
        )


async def test_what_is_not_inherited_counts_as_well(
    database_url: str, role: str, group: str
) -> None:
    await execute(
        database_url,
        f"ALTER ROLE {quoted(role)} NOINHERIT",
        f"GRANT DELETE ON authsvc.keys TO {group}",
    )

    with pytest.raises(RoleUnusable, match="DELETE on keys"):
        await grant(database_url, role)


async def test_what_another_role_than_the_owner_granted_is_told(
    database_url: str, role: str
) -> None:
    grantor = f"a_grantor_{secrets.token_hex(4)}"
    await execute(
        database_url,
        f"CREATE ROLE {grantor}",
        f"GRANT USAGE ON SCHEMA authsvc TO {grantor}",
        f"GRANT DELETE ON authsvc.keys TO {grantor} WITH GRANT OPTION",
    )
    async with connected(database_url) as connection:
        await connection.execute(f"SET ROLE {grantor}")
        await connection.execute(f"GRANT DELETE ON authsvc.keys TO {quoted(role)}")

    try:
        with pytest.raises(RoleUnusable, match=r"DELETE on keys \(granted to it by another role"):
            await grant(database_url, role)
    finally:
        await execute(
            database_url,
            f"REVOKE ALL ON authsvc.keys FROM {grantor} CASCADE",
            f"DROP OWNED BY {grantor}",
            f"DROP ROLE {grantor}",
        )


async def test_a_member_of_a_group_that_may_do_no_more_is_one_of_servers(
    database_url: str, role: str, group: str
) -> None:
    await execute(database_url, f"GRANT SELECT ON authsvc.keys TO {group}")

    await grant(database_url, role)

    assert await privileges_of(role, database_url) == dict(TABLES)


async def test_what_it_may_do_elsewhere_is_told(database_url: str, role: str) -> None:
    await execute(database_url, "CREATE SCHEMA other", "GRANT USAGE ON SCHEMA other TO PUBLIC")

    more = await grant(database_url, role)

    assert more == ["USAGE on schema other", "USAGE on schema public"]


async def test_a_role_that_cannot_be_one_of_servers_is_refused(database_url: str) -> None:
    with pytest.raises(RoleUnusable, match=r"there is no database role 'absent'.*CREATE ROLE"):
        await grant(database_url, "absent")
    with pytest.raises(RoleUnusable, match="superuser or the schema's owner"):
        await grant(database_url, "postgres")


async def test_an_older_schema_is_refused(empty_database_url: str) -> None:
    await schema.migrate(empty_database_url, "0010")

    with pytest.raises(RoleUnusable, match=r"at revision 0010.*migrate to it"):
        await grant(empty_database_url, SERVER_ROLE)


async def test_only_the_owner_grants(database_url: str, role: str) -> None:
    with pytest.raises(RoleUnusable, match="only the owner of schema authsvc"):
        await grant(url_of_servers(database_url), role)
