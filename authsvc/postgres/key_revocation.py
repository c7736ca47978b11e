"""The end of many keys at once in Postgres, a chunk in each transaction."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from authsvc.domain.clock import Deadline
from authsvc.domain.key_revocation import Revocation, RevokedChunk
from authsvc.postgres.database import Connection, Database, Row

_FIND_IDS: Final = """
SELECT key_id FROM authsvc.keys WHERE account_id = $1 AND key_id = ANY($2::text[])
"""
# By the index that has the keys of an account in order, so that no chunk looks again at what those
# before it have ended.
_REVOKE: Final = """
WITH live AS (
    SELECT key_id FROM authsvc.keys
     WHERE (account_id, key_id) > ($1, $2) AND account_id <= $1
       AND revoke_time IS NULL AND key_id <> ALL($3::text[])
     ORDER BY account_id, key_id LIMIT $4
), revoked AS (
    UPDATE authsvc.keys k
       SET revoke_time = $5, revoke_reason = $6, revoke_note = $7
      FROM live WHERE k.key_id = live.key_id AND k.revoke_time IS NULL
    RETURNING k.key_id, k.revision
)
SELECT count(*) AS count, coalesce(max(key_id), '') AS last_key_id,
       coalesce(max(revision), 0) AS revision
  FROM revoked
"""


class PostgresKeyRevocation:
    """Ends the keys of an account."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def find_key_ids(
        self, account_id: str, key_ids: Collection[str], deadline: Deadline
    ) -> frozenset[str]:
        """Return those of the ids that are keys of the account."""
        rows = await self._database.fetch_rows(deadline, _FIND_IDS, account_id, key_ids)
        return frozenset(row["key_id"] for row in rows)

    async def revoke_keys(
        self, revocation: Revocation, *, after_key_id: str, limit: int, deadline: Deadline
    ) -> RevokedChunk:
        """End up to `limit` live keys whose ids sort after `after_key_id`, all or none.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def revoke(connection: Connection) -> Row | None:
            return await connection.fetchrow(
                _REVOKE,
                revocation.account_id,
                after_key_id,
                list(revocation.except_key_ids),
                limit,
                revocation.revoke_time,
                revocation.reason.value,
                revocation.note,
            )

        row = await self._database.change(revocation.origin, revoke, deadline)
        assert row is not None  # noqa: S101 - an aggregate has one row
        return RevokedChunk(**row)
