"""Keys in Postgres as those who manage them see and change them."""

from __future__ import annotations

import json
from typing import Final

from authsvc.domain.clock import Deadline
from authsvc.domain.keys import Key, KeyFilter, OwnedKey
from authsvc.domain.origin import Origin
from authsvc.postgres.accounts import SELECT_ACCOUNT, account_of
from authsvc.postgres.database import Connection, Database, Row
from authsvc.postgres.keys import COLUMNS, SELECT_KEY, key_of, rate_limit_columns

_FIND_BY_DIGEST: Final = f"SELECT {COLUMNS} FROM authsvc.keys WHERE digest = $1"
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
_REPLACE: Final = f"""
UPDATE authsvc.keys
   SET name = $3, scopes = $4, metadata = $5::jsonb, expire_time = $6, disabled = $7,
       allowed_addresses = $8, rate_limit_requests = $9, rate_limit_seconds = $10
 WHERE key_id = $1 AND revision = $2 AND revoke_time IS NULL
RETURNING {COLUMNS}
"""


class PostgresManagedKeys:
    """Reads and changes keys for those who manage them."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def find_key(self, key_id: str, deadline: Deadline) -> OwnedKey | None:
        """Return the key and whose it is, or None."""
        return await self._find(SELECT_KEY, key_id, deadline)

    async def find_key_by_digest(self, digest: bytes, deadline: Deadline) -> OwnedKey | None:
        """Return the key with this SHA-256 digest, whatever its state, and whose it is; or None."""
        return await self._find(_FIND_BY_DIGEST, digest, deadline)

    async def list_keys(
        self, wanted: KeyFilter, *, after_key_id: str, limit: int, deadline: Deadline
    ) -> list[Key]:
        """Return up to `limit` keys whose ids sort after `after_key_id`, in order."""
        rows = await self._database.fetch_rows(
            deadline,
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
        return [key_of(row) for row in rows]

    async def replace_key(self, key: Key, origin: Origin, deadline: Deadline) -> Key | None:
        """Write what may change, if the key still has the revision of `key`.

        Returns:
            The key with its new revision; None when it has another one, or is gone.

        Raises:
            KeyNameTaken: Another live key of the account has this name.
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def replace(connection: Connection) -> Row | None:
            return await connection.fetchrow(
                _REPLACE,
                key.key_id,
                key.revision,
                key.name,
                list(key.scopes),
                json.dumps(dict(key.metadata)),
                key.expire_time,
                key.disabled,
                list(key.allowed_addresses),
                *rate_limit_columns(key.rate_limit),
            )

        row = await self._database.change(origin, replace, deadline)
        return None if row is None else key_of(row)

    async def _find(
        self, statement: str, value: str | bytes, deadline: Deadline
    ) -> OwnedKey | None:
        async def fetch(connection: Connection) -> OwnedKey | None:
            key = await connection.fetchrow(statement, value)
            if key is None:
                return None
            account = await connection.fetchrow(SELECT_ACCOUNT, key["account_id"])
            return None if account is None else OwnedKey(key_of(key), account_of(account))

        return await self._database.run(fetch, deadline)
