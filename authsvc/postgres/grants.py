"""What the database role of servers may do: table by table, and nothing else.

A role of their own keeps what a server can be made to do apart from what migrations do: it makes
and drops nothing, and cannot rewrite the audit log. Everything is granted by `authsvc migrate
--grants`, again and again: what is too much is taken back, and a role that has it by way of another
one is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import asyncpg

from authsvc.domain.errors import AuthsvcError
from authsvc.postgres.connection import Connection, connect
from authsvc.postgres.errors import translate
from authsvc.postgres.schema import MIGRATIONS_LOCK, current_revision, newest_revision
from authsvc.postgres.surplus_rights import find_surplus

_READ: Final = "SELECT"
_ADD: Final = "SELECT, INSERT"
_KEEP: Final = "SELECT, INSERT, UPDATE"
_ALL: Final = "SELECT, INSERT, UPDATE, DELETE"

TABLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "alembic_version": _READ,
        "accounts": _KEEP,
        "keys": _KEEP,
        "users": _KEEP,
        "audit_events": _ADD,
        "changes": "SELECT, DELETE",
        "change_log": "SELECT, UPDATE",
        "key_requests": _ALL,
        "signing_keys": _ALL,
        "sessions": _ALL,
        "refresh_tokens": _ALL,
        "login_failures": _ALL,
        "login_networks": _ALL,
        "key_usage": _KEEP,
        "account_usage": _KEEP,
        "key_sources": _ALL,
        "usage_writers": _KEEP,
    }
)
"""Each table with the privileges of servers on it. Of its partitions they need none."""

FUNCTIONS: Final[Sequence[str]] = (
    "append_audit_event",
    "begin_change",
    "maintain_audit",
    "make_usage_months",
    "remove_past_usage",
    "uuid_v7",
)
"""The functions that servers call."""

_FIND_ROLE: Final = """
SELECT rolsuper OR pg_has_role(r.oid, n.nspowner, 'MEMBER') AS owns
  FROM pg_roles r, pg_namespace n WHERE rolname = $1 AND nspname = 'authsvc'
"""
# No migration can then add a table in between.
_LOCK: Final = f"SELECT pg_advisory_xact_lock({MIGRATIONS_LOCK})"
_TAKE_BACK: Final = tuple(
    f"REVOKE ALL ON {what} authsvc FROM PUBLIC, {{role}}"
    for what in (
        "SCHEMA",
        "ALL TABLES IN SCHEMA",
        "ALL SEQUENCES IN SCHEMA",
        "ALL FUNCTIONS IN SCHEMA",
    )
)
_GIVE: Final = (
    "GRANT USAGE ON SCHEMA authsvc TO {role}",
    *(f"GRANT {privileges} ON authsvc.{table} TO {{role}}" for table, privileges in TABLES.items()),
    *(f"GRANT EXECUTE ON FUNCTION authsvc.{function} TO {{role}}" for function in FUNCTIONS),
    # Other roles of servers had the functions by way of PUBLIC.
    *(
        f"SELECT authsvc.grant_to_servers('EXECUTE', 'FUNCTION authsvc.{function}')"
        for function in FUNCTIONS
    ),
)
# What a role may do elsewhere is the operator's to say, and to know.
_FIND_MORE: Final = """
SELECT format('CREATE on database %I', current_database())
 WHERE has_database_privilege($1, current_database(), 'CREATE')
UNION ALL
SELECT format('%s on schema %I', privilege, nspname)
  FROM pg_namespace, unnest(ARRAY['USAGE', 'CREATE']) AS privilege
 WHERE nspname NOT IN ('authsvc', 'pg_catalog', 'information_schema')
   AND nspname NOT LIKE 'pg\\_t%' AND has_schema_privilege($1, oid, privilege)
 ORDER BY 1
"""


class RoleUnusable(AuthsvcError):
    """A role cannot be that of servers."""


async def grant(url: str, role: str) -> list[str]:
    """Give a role what servers need in the newest schema, and take back what is more.

    Nobody else loses anything but what PUBLIC had in the schema, which no role of servers needs.

    Args:
        url: The database, as the owner of the schema.
        role: An existing role, that does not own the schema.

    Returns:
        What the role may do in this database outside of the schema, in words.

    Raises:
        RoleUnusable: There is no such role; or it may do anything anyway, or more than servers may
            by way of another role; or who asks may not grant; or the schema is not the one whose
            needs are known here. Then nothing is granted or taken back.
        DatabaseUnavailable: The database cannot be reached.
    """
    found, newest = await current_revision(url), newest_revision()
    if found != newest:
        raise RoleUnusable(
            f"the schema is at revision {found}, and what servers need is known for {newest}: "
            "migrate to it with the version of authsvc that the servers will have"
        )
    connection = await connect(url)
    try:
        async with connection.transaction():
            await connection.execute(_LOCK)
            await _check(connection, role)
            quoted = await connection.fetchval("SELECT quote_ident($1)", role)
            for statement in (*_TAKE_BACK, *_GIVE):
                await connection.execute(statement.format(role=quoted))
            await _check_surplus(connection, role)
            return [str(row[0]) for row in await connection.fetch(_FIND_MORE, role)]
    except asyncpg.InsufficientPrivilegeError as error:
        raise RoleUnusable(
            "only the owner of schema authsvc can grant: run this as the role that migrates"
        ) from error
    except Exception as error:
        raise translate(error) from error
    finally:
        await connection.close()


async def _check(connection: Connection, role: str) -> None:
    owns = await connection.fetchval(_FIND_ROLE, role)
    if owns is None:
        raise RoleUnusable(
            f"there is no database role {role!r}: make it with CREATE ROLE … LOGIN, then repeat"
        )
    if owns:
        raise RoleUnusable(
            f"the database role {role!r} is a superuser or the schema's owner, and may do "
            "anything: give servers a role of their own"
        )


async def _check_surplus(connection: Connection, role: str) -> None:
    surplus = await find_surplus(connection, role, TABLES, FUNCTIONS)
    if surplus:
        raise RoleUnusable(
            f"the database role {role!r} may do more in schema authsvc than servers need, and this "
            f"command cannot take it back: {' and '.join(surplus)}. Nothing was granted: REVOKE it "
            "there, or give servers a role that is no member of others, then repeat"
        )
