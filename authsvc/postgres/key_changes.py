"""Changes to keys that live on, in Postgres."""

from __future__ import annotations

import json
from typing import Final

from authsvc.domain.clock import Deadline
from authsvc.domain.keys import Key
from authsvc.postgres.key_queries import PostgresKeyQueries
from authsvc.postgres.keys import COLUMNS, key_of

# One statement, which the revision guards: a lock taken before it would be taken in another order
# than that of the other writers, who begin with the lock of the change log.
_REPLACE: Final = f"""
UPDATE authsvc.keys
   SET name = $3, scopes = $4, metadata = $5::jsonb, expire_time = $6, disabled = $7
 WHERE key_id = $1 AND revision = $2 AND revoke_time IS NULL
RETURNING {COLUMNS}
"""


class PostgresKeyChanges(PostgresKeyQueries):
    """Reads keys and changes them."""

    async def replace_key(self, key: Key, deadline: Deadline) -> Key | None:
        """Write what may change, if the key still has the revision of `key`.

        Returns:
            The key with its new revision; None when it has another one, or is gone.

        Raises:
            KeyNameTaken: Another live key of the account has this name.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        row = await self._database.fetch_row(
            deadline,
            _REPLACE,
            key.key_id,
            key.revision,
            key.name,
            list(key.scopes),
            json.dumps(dict(key.metadata)),
            key.expire_time,
            key.disabled,
        )
        return None if row is None else key_of(row)
