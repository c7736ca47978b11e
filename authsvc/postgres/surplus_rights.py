"""What a role may do in the schema beyond what is meant, and by way of which role.

Taking back what a role was granted takes nothing from the roles that it is a member of: a group, or
a predefined role such as `pg_write_all_data`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

from authsvc.postgres.database import Connection

_TOLD: Final = 3
"""How many objects of each role are named; the others are counted."""

# Membership counts whether it inherits or not: SET ROLE takes what is not inherited. Of several
# roles that have the same right from each other, the one is told that it begins with.
_FIND: Final = """
WITH ways AS (
    SELECT oid, rolname FROM pg_roles WHERE pg_has_role($1, oid, 'MEMBER')
), rights AS (
    SELECT ways.oid AS way, privilege, relname::text AS object
      FROM ways, pg_class AS c, unnest(
           CASE WHEN relkind = 'S' THEN ARRAY['USAGE', 'SELECT', 'UPDATE']
                ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES',
                           'TRIGGER']
                     || CASE WHEN current_setting('server_version_num')::integer >= 170000
                             THEN ARRAY['MAINTAIN'] ELSE '{}' END
           END) AS privilege
     WHERE relnamespace = 'authsvc'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
       AND relname || ' ' || privilege <> ALL ($2::text[])
       AND CASE WHEN relkind = 'S' THEN has_sequence_privilege(ways.oid, c.oid, privilege)
                WHEN privilege IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
                THEN has_any_column_privilege(ways.oid, c.oid, privilege)
                ELSE has_table_privilege(ways.oid, c.oid, privilege) END
    UNION
    SELECT ways.oid, 'EXECUTE', 'function ' || proname
      FROM ways, pg_proc AS p
     WHERE pronamespace = 'authsvc'::regnamespace AND proname <> ALL ($3::text[])
       AND has_function_privilege(ways.oid, p.oid, 'EXECUTE')
    UNION
    SELECT oid, 'CREATE', 'the schema'
      FROM ways WHERE has_schema_privilege(oid, 'authsvc', 'CREATE')
)
SELECT rolname::text AS way,
       string_agg(privilege, ', ' ORDER BY privilege) || ' on ' || object AS surplus
  FROM rights AS r JOIN ways ON ways.oid = r.way
 WHERE NOT EXISTS (
       SELECT FROM rights AS former
        WHERE (former.privilege, former.object) = (r.privilege, r.object)
          AND former.way <> r.way AND pg_has_role(r.way, former.way, 'MEMBER'))
 GROUP BY rolname, object
 ORDER BY rolname, object
"""


async def find_surplus(
    connection: Connection, role: str, tables: Mapping[str, str], functions: Sequence[str]
) -> list[str]:
    """Return what a role may do in the schema beyond what is meant, in words; one for each way.

    Args:
        connection: To the database, as any role.
        role: An existing role.
        tables: What is meant: each table with the privileges on it, joined by commas.
        functions: What is meant: the functions that it may call.
    """
    meant = [
        f"{table} {privilege}"
        for table, privileges in tables.items()
        for privilege in privileges.split(", ")
    ]
    rows = await connection.fetch(_FIND, role, meant, functions)
    return [
        _told(role, way, [row["surplus"] for row in group])
        for way, group in groupby(rows, key=lambda row: str(row["way"]))
    ]


def _told(role: str, way: str, surplus: Sequence[str]) -> str:
    told = "; ".join(surplus[:_TOLD])
    if len(surplus) > _TOLD:
        told += f"; and rights on {len(surplus) - _TOLD} more"
    if way == role:
        return f"{told} (granted to it by another role than the schema's owner)"
    return f"{told} (by way of {way})"
