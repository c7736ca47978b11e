"""Usage of keys in Postgres: counts by hour and outcome, and the time of last use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from authsvc.domain.clock import Deadline
from authsvc.postgres.database import Connection, Database

# Rows are sorted, so that two processes lock them in the same order. A time of last use is written
# at most once a minute a key, for each write makes a new version of the key's row, and not at all
# to a row that somebody else has locked: neither waits for the other.
_ADD: Final = """
WITH counted AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) AS c (key_id, outcome, count)
     ORDER BY key_id, outcome
), added AS (
    INSERT INTO authsvc.key_usage AS u (key_id, hour, outcome, count)
    SELECT key_id, $4::timestamptz, outcome, count FROM counted
        ON CONFLICT (key_id, hour, outcome) DO UPDATE SET count = u.count + excluded.count
)
UPDATE authsvc.keys SET last_use_time = $5
 WHERE key_id IN (
       SELECT key_id FROM authsvc.keys
        WHERE key_id IN (SELECT key_id FROM counted WHERE outcome = 'OK')
          AND (last_use_time IS NULL OR last_use_time < $5::timestamptz - interval '1 minute')
        ORDER BY key_id FOR NO KEY UPDATE SKIP LOCKED)
"""


class PostgresUsage:
    """Writes usage."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def add_usage(
        self,
        hour: datetime,
        now: datetime,
        counts: Mapping[tuple[str, str], int],
        deadline: Deadline,
    ) -> None:
        """Add to the counts of an hour, and note when the keys were last used."""
        key_ids = [key_id for key_id, _ in counts]
        outcomes = [outcome for _, outcome in counts]

        async def add(connection: Connection) -> None:
            await connection.execute(_ADD, key_ids, outcomes, list(counts.values()), hour, now)

        await self._database.run(add, deadline)
