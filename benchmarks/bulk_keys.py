"""Many keys at once, whose secrets both this process and Postgres can tell from their numbers.

They are inserted by one statement with the triggers off: as if they had been there for long.
Depends on the schema.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Final

from benchmarks.database import connected

_FILL_SECONDS: Final = 120.0
_FILL: Final = """
INSERT INTO authsvc.keys (key_id, account_id, name, digest, scopes, hint, metadata, create_time,
                          revision)
SELECT 'key_' || lpad(number::text, 26, '0'), $1, 'bulk ' || number,
       sha256(convert_to(secret, 'UTF8')), '{*}', left(secret, 9) || '…' || right(secret, 4), '{}',
       now(), 1
  FROM (SELECT number, 'orch_' || left(
               encode(sha256(convert_to($2 || '/' || number, 'UTF8')), 'hex'), 40) AS secret
          FROM generate_series(0, $3::int - 1) AS number) AS numbered
"""


@dataclass(frozen=True, slots=True)
class BulkKeys:
    """Good keys with the numbers from 0 to `count` - 1."""

    count: int
    seed: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    def secret(self, number: int) -> str:
        """Return the secret of a key."""
        return f"orch_{hashlib.sha256(f'{self.seed}/{number}'.encode()).hexdigest()[:40]}"

    def key_id(self, number: int) -> str:
        """Return the id of a key."""
        return f"key_{number:026}"

    def name(self, number: int) -> str:
        """Return the name of a key."""
        return f"bulk {number}"

    async def insert(self, database_url: str, account_id: str) -> None:
        """Insert the keys into an account."""
        async with connected(database_url) as connection:
            # No trigger: a change for each would be a million changes that nobody made.
            await connection.execute("SET session_replication_role = replica")
            await connection.execute(
                _FILL, account_id, self.seed, self.count, timeout=_FILL_SECONDS
            )
            await connection.execute("VACUUM ANALYZE authsvc.keys", timeout=_FILL_SECONDS)
