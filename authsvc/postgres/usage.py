"""Usage of keys in Postgres: counts by hour and outcome, sources, and the time of last use."""

from __future__ import annotations

from typing import Final

import asyncpg

from authsvc.domain.clock import Deadline
from authsvc.domain.usage_batches import MAX_SOURCES, UsageBatch
from authsvc.postgres.database import Connection, Database, Row

# The claim comes first and all the rest depends on it. A repeat waits for an earlier attempt that
# is still under way, for both lock the writer's row, and then finds nothing to claim.
#
# Rows are sorted in every table, so that two processes lock them in the same order. A time of last
# use is written at most once a minute a key, for each write makes a new version of the key's row,
# and not at all to a row that somebody else has locked: neither waits for the other.
_ADD: Final = """
WITH claimed AS (
    INSERT INTO authsvc.usage_writers AS w (writer_id, sequence, write_time)
    VALUES ($1, $2, now())
        ON CONFLICT (writer_id) DO UPDATE
       SET sequence = excluded.sequence, write_time = excluded.write_time
     WHERE w.sequence < excluded.sequence
    RETURNING w.writer_id
), counted AS MATERIALIZED (
    SELECT c.key_id, c.outcome, c.count
      FROM claimed, unnest($5::text[], $6::text[], $7::bigint[]) AS c (key_id, outcome, count)
), added AS (
    INSERT INTO authsvc.key_usage AS u (key_id, hour, outcome, count)
    SELECT key_id, $3::timestamptz, outcome, count FROM counted ORDER BY key_id, outcome
        ON CONFLICT (key_id, hour, outcome) DO UPDATE SET count = u.count + excluded.count
), added_to_accounts AS (
    INSERT INTO authsvc.account_usage AS u (account_id, hour, outcome, count)
    SELECT k.account_id, $3::timestamptz, c.outcome, sum(c.count)
      FROM counted AS c JOIN authsvc.keys AS k USING (key_id)
     GROUP BY k.account_id, c.outcome ORDER BY k.account_id, c.outcome
        ON CONFLICT (account_id, hour, outcome) DO UPDATE SET count = u.count + excluded.count
), seen AS (
    INSERT INTO authsvc.key_sources AS s
           (key_id, kind, source, first_seen_time, last_seen_time, count)
    SELECT c.key_id, c.kind, c.source, $4::timestamptz, $4::timestamptz, c.count
      FROM claimed, unnest($8::text[], $9::text[], $10::text[], $11::bigint[])
           AS c (key_id, kind, source, count)
     ORDER BY c.key_id, c.kind, c.source
        ON CONFLICT (key_id, kind, source) DO UPDATE
       SET first_seen_time = least(s.first_seen_time, excluded.first_seen_time),
           last_seen_time = greatest(s.last_seen_time, excluded.last_seen_time),
           count = s.count + excluded.count
    RETURNING s.key_id, s.xmax = 0 AS is_new
), used AS (
    UPDATE authsvc.keys SET last_use_time = $4
     WHERE key_id IN (
           SELECT key_id FROM authsvc.keys
            WHERE key_id IN (SELECT key_id FROM counted WHERE outcome = 'OK')
              AND (last_use_time IS NULL OR last_use_time < $4::timestamptz - interval '1 minute')
            ORDER BY key_id FOR NO KEY UPDATE SKIP LOCKED)
)
SELECT DISTINCT key_id FROM seen WHERE is_new
"""
# On its own, since a statement does not see what it has just inserted; only for keys with a source
# that was not known, which is rare. A row that is in use goes another time.
_FORGET: Final = f"""
DELETE FROM authsvc.key_sources
 WHERE (key_id, kind, source) IN (
       SELECT key_id, kind, source FROM authsvc.key_sources
        WHERE (key_id, kind, source) IN (
              SELECT key_id, kind, source
                FROM (SELECT key_id, kind, source,
                             row_number() OVER (PARTITION BY key_id, kind
                                                ORDER BY last_seen_time DESC, source) AS place
                        FROM authsvc.key_sources WHERE key_id = ANY($1::text[])) AS placed
               WHERE place > {MAX_SOURCES})
          FOR UPDATE SKIP LOCKED)
"""
_ATTEMPTS: Final = 3


class PostgresUsage:
    """Writes usage."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def add_usage(self, batch: UsageBatch, deadline: Deadline) -> None:
        """Add a batch, unless it was added before, and forget the oldest sources beyond bounds."""

        async def add(connection: Connection) -> None:
            rows = await _repeat_after_rollback(connection, batch)
            if rows:
                await connection.execute(_FORGET, [row["key_id"] for row in rows])

        await self._database.run(add, deadline)


async def _repeat_after_rollback(connection: Connection, batch: UsageBatch) -> list[Row]:
    """Send a batch again when Postgres gave it up in favour of another transaction."""
    values = (
        batch.writer_id,
        batch.sequence,
        batch.hour,
        batch.seen_time,
        [key_id for key_id, _ in batch.counts],
        [outcome for _, outcome in batch.counts],
        list(batch.counts.values()),
        [key_id for key_id, _, _ in batch.sources],
        [kind.value for _, kind, _ in batch.sources],
        [source for _, _, source in batch.sources],
        list(batch.sources.values()),
    )
    for _ in range(_ATTEMPTS - 1):
        try:
            return await connection.fetch(_ADD, *values)
        except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
            continue
    return await connection.fetch(_ADD, *values)
