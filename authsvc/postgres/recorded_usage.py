"""Recorded usage in Postgres: read by key and by account, and kept up month by month."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from authsvc.domain.clock import Deadline
from authsvc.domain.usage import KeySource, UsagePeriod
from authsvc.domain.usage_batches import MAX_SOURCES, SourceKind
from authsvc.postgres.database import Connection, Database, Row

# The primary keys lead to the rows, in the months of the period only.
READ_COUNTS: Final = """
SELECT date_bin($4::interval, hour, timestamptz '1970-01-01 00:00:00+00') AS start_time,
       outcome, sum(count)::bigint AS count
  FROM authsvc.{table} WHERE {subject} = $1 AND hour >= $2 AND hour < $3
 GROUP BY 1, 2
"""
_READ_KEY_COUNTS: Final = READ_COUNTS.format(table="key_usage", subject="key_id")
_READ_ACCOUNT_COUNTS: Final = READ_COUNTS.format(table="account_usage", subject="account_id")
_READ_SOURCES: Final = """
SELECT s.kind, s.source, s.first_seen_time, s.last_seen_time, s.count,
       k.name, k.account_id, a.is_system
  FROM authsvc.key_sources AS s
  LEFT JOIN authsvc.keys AS k ON s.kind = 'CALLER' AND k.key_id = s.source
  LEFT JOIN authsvc.accounts AS a USING (account_id)
 WHERE s.key_id = $1
 ORDER BY s.last_seen_time DESC, s.source
"""
_MAKE_MONTHS: Final = "SELECT authsvc.make_usage_months()"
_REMOVE_PAST: Final = "SELECT authsvc.remove_past_usage($1, $2)"
# Nobody waits for it, so it may take longer than the statements of calls.
_LIMIT_STATEMENT: Final = "SELECT set_config('statement_timeout', $1, true)"
_MOST_ROWS: Final = 50_000
"""How many rows of each table are removed by one statement."""


class PostgresRecordedUsage:
    """Reads usage, and keeps it up."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def read_key_usage(
        self, key_id: str, period: UsagePeriod, deadline: Deadline
    ) -> tuple[dict[datetime, dict[str, int]], Sequence[KeySource]]:
        """Return the counts of a key in a period, and its sources, most recently seen first."""

        async def read(connection: Connection) -> tuple[list[Row], list[Row]]:
            counts = await connection.fetch(_READ_KEY_COUNTS, key_id, *_values(period))
            return counts, await connection.fetch(_READ_SOURCES, key_id)

        counts, sources = await self._database.run(read, deadline)
        return _outcomes(counts), [
            source
            for kind in SourceKind
            # There may be a few more, until they are forgotten.
            for source in [_source(row) for row in sources if row["kind"] == kind][:MAX_SOURCES]
        ]

    async def read_account_usage(
        self, account_id: str, period: UsagePeriod, deadline: Deadline
    ) -> dict[datetime, dict[str, int]]:
        """Return the counts of all keys of an account in a period."""
        return _outcomes(
            await self._database.fetch_rows(
                deadline, _READ_ACCOUNT_COUNTS, account_id, *_values(period)
            )
        )

    async def maintain(self, retention: timedelta, deadline: Deadline) -> None:
        """Make room for the months to come, and remove what is older than the retention.

        Months first, and each part of the removal for itself: what was done stays done, whatever
        comes of the rest. What there is no time for is left to the next time.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def make_months(connection: Connection) -> None:
            await connection.execute(_MAKE_MONTHS)

        async def remove_some(connection: Connection) -> bool:
            left = max(1, round(deadline.remaining() * 1000))
            await connection.execute(_LIMIT_STATEMENT, str(left))
            return bool(await connection.fetchval(_REMOVE_PAST, retention, _MOST_ROWS))

        await self._database.run_unit(make_months, deadline)
        is_more = True
        while is_more and deadline.remaining() > 0:
            is_more = await self._database.run_in_transaction(remove_some, deadline)


def _values(period: UsagePeriod) -> tuple[datetime, datetime, timedelta]:
    return period.start, period.end, period.granularity.step


def _outcomes(rows: Sequence[Row]) -> dict[datetime, dict[str, int]]:
    outcomes: dict[datetime, dict[str, int]] = {}
    for row in rows:
        outcomes.setdefault(row["start_time"], {})[row["outcome"]] = row["count"]
    return outcomes


def _source(row: Row) -> KeySource:
    return KeySource(
        kind=SourceKind(row["kind"]),
        source=row["source"],
        first_seen=row["first_seen_time"],
        last_seen=row["last_seen_time"],
        count=row["count"],
        name=row["name"] or "",
        account_id=row["account_id"] or "",
        is_system=bool(row["is_system"]),
    )
