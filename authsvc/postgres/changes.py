"""The reader of the change log.

The log is written by triggers (migrations/versions/0001), in an order that lets a reader who has
seen revision N ask for what comes after it and miss nothing (docs/adr/0005).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from authsvc.domain.changes import Change, ChangeKind, ChangeLogPage
from authsvc.domain.clock import Deadline
from authsvc.postgres.database import Connection, Database, Row

PRUNE_LIMIT: Final = 5000
"""How many rows that are past are pruned at a time, so that it never takes long."""
CHANNEL: Final = "authsvc_changes"
"""NOTIFY says on it that there is something to read. It may be lost; reading is what counts."""

# The state of the log and the changes come from one snapshot.
_READ: Final = """
SELECT l.pruned_through,
       greatest(l.pruned_through, (SELECT max(revision) FROM authsvc.changes)) AS newest,
       c.revision, c.kind, c.account_id, c.key_id, c.user_id, c.session_id
  FROM authsvc.change_log l
  LEFT JOIN LATERAL (
       SELECT * FROM authsvc.changes WHERE revision > $1 ORDER BY revision LIMIT $2
  ) c ON true
"""
_NEWEST: Final = """
SELECT greatest(l.pruned_through, (SELECT max(revision) FROM authsvc.changes)) AS newest
  FROM authsvc.change_log l
"""
_PRUNE: Final = """
WITH pruned AS (
    DELETE FROM authsvc.changes
     WHERE revision IN (SELECT revision FROM authsvc.changes ORDER BY revision LIMIT $2)
       AND change_time < clock_timestamp() - $1::interval
    RETURNING revision
)
UPDATE authsvc.change_log
   SET pruned_through = greatest(pruned_through, (SELECT max(revision) FROM pruned))
 WHERE EXISTS (SELECT FROM pruned)
"""


async def read_changes(connection: Connection, after: int, limit: int) -> ChangeLogPage:
    """Read the oldest changes after a revision."""
    rows = await connection.fetch(_READ, after, limit)
    changes = [
        Change(
            row["revision"],
            _kind(row),
            row["account_id"],
            row["key_id"],
            row["user_id"],
            row["session_id"],
        )
        for row in rows
        if row["revision"] is not None
    ]
    return ChangeLogPage(changes, rows[0]["newest"], rows[0]["pruned_through"])


def _kind(row: Row) -> ChangeKind:
    """Return what changed; of a later version's kinds, that something did."""
    try:
        return ChangeKind(row["kind"])
    except ValueError:
        if row["user_id"]:
            return ChangeKind.USER_CHANGED
        return ChangeKind.KEY_CHANGED if row["key_id"] else ChangeKind.ACCOUNT_CHANGED


async def prune_changes(connection: Connection, retention: timedelta, limit: int) -> bool:
    """Cut off changes that are older than the retention, and tell whether there were any.

    Args:
        connection: A connection.
        retention: How old a change may become.
        limit: How many of the oldest to look at, so that it never takes long.
    """
    return await connection.execute(_PRUNE, retention, limit) != "UPDATE 0"


class PostgresChangeLog:
    """Reads past changes on behalf of calls."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def read_changes(self, after: int, limit: int, deadline: Deadline) -> ChangeLogPage:
        """Return the oldest changes after a revision."""
        return await self._database.run(
            lambda connection: read_changes(connection, after, limit), deadline
        )

    async def newest_revision(self, deadline: Deadline) -> int:
        """Return the newest revision; 0 when there is none."""
        row = await self._database.fetch_row(deadline, _NEWEST)
        return 0 if row is None else row["newest"]
