"""Keys as their owners see them, read from Postgres."""

from __future__ import annotations

from typing import Final

from authsvc.domain.accounts import Account, AccountState
from authsvc.domain.clock import Deadline
from authsvc.domain.keys import Key, KeyFilter, OwnedKey
from authsvc.postgres.database import Connection, Database, Row
from authsvc.postgres.keys import COLUMNS, key_of

_FIND: Final = f"SELECT {COLUMNS} FROM authsvc.keys WHERE key_id = $1"
_FIND_ACCOUNT: Final = """
SELECT account_id, display_name, state, create_time, is_system
  FROM authsvc.accounts WHERE account_id = $1
"""
# The states as `Key.state_at` tells them. The account is a range and not an equality, so that only
# the index on (account_id, key_id) gives the order: else the planner may take the primary key and
# walk through the keys of all accounts.
LIST_KEYS: Final = f"""
SELECT {COLUMNS} FROM authsvc.keys
 WHERE (account_id, key_id) > ($1, $2) AND account_id <= $1
   AND (cardinality($3::text[]) = 0 OR
        CASE WHEN revoke_time IS NOT NULL THEN 'REVOKED'
             WHEN disabled THEN 'DISABLED'
             WHEN expire_time <= $4 THEN 'EXPIRED'
             ELSE 'ACTIVE' END = ANY($3))
   AND starts_with(name, $5)
   AND ($6::timestamptz IS NULL OR coalesce(last_use_time, create_time) < $6)
   AND ($7::timestamptz IS NULL OR expire_time < $7)
 ORDER BY account_id, key_id LIMIT $8
"""


class PostgresKeyQueries:
    """Reads keys for those who manage them."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def find_key(self, key_id: str, deadline: Deadline) -> OwnedKey | None:
        """Return the key and whose it is, or None."""

        async def fetch(connection: Connection) -> tuple[Row, Row] | None:
            key = await connection.fetchrow(_FIND, key_id)
            if key is None:
                return None
            account = await connection.fetchrow(_FIND_ACCOUNT, key["account_id"])
            return None if account is None else (key, account)

        rows = await self._database.run(fetch, deadline)
        if rows is None:
            return None
        columns = dict(rows[1])
        columns["state"] = AccountState(columns["state"])
        return OwnedKey(key_of(rows[0]), Account(**columns))

    async def list_keys(
        self, wanted: KeyFilter, *, after_key_id: str, limit: int, deadline: Deadline
    ) -> list[Key]:
        """Return up to `limit` keys whose ids sort after `after_key_id`, in order."""

        async def fetch(connection: Connection) -> list[Row]:
            return await connection.fetch(
                LIST_KEYS,
                wanted.account_id,
                after_key_id,
                [state.value for state in wanted.states],
                wanted.as_of,
                wanted.name_prefix,
                wanted.last_used_before,
                wanted.expiring_before,
                limit,
            )

        return [key_of(row) for row in await self._database.run(fetch, deadline)]
