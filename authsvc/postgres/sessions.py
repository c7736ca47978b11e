"""Sessions in Postgres.

Whoever ends a session first takes the lock of all changes, by a trigger on `end_time`, then rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from authsvc.domain.audit import AuditRecord, Target, TargetKind
from authsvc.domain.clock import Deadline
from authsvc.domain.origin import Origin
from authsvc.domain.sessions import EndedSessions, Session, SessionEndReason, SessionRecord
from authsvc.domain.users import User
from authsvc.postgres.audit import append_record
from authsvc.postgres.database import Connection, Database, Row

COLUMNS: Final = """
session_id, user_id, account_id, user_agent, address, last_seen_address, create_time,
last_seen_time, idle_expire_time, expire_time, end_time, end_reason, revision
"""
_SELECT: Final = f"SELECT {COLUMNS} FROM authsvc.sessions WHERE session_id = $1"
_FIND_RECORDS: Final = """
SELECT session_id, user_id, end_time IS NOT NULL AS ended
  FROM authsvc.sessions WHERE session_id = ANY($1::text[])
"""
# A range and no equality, as for keys: only the index on (user_id, session_id) gives the order.
_LIST: Final = f"""
SELECT {COLUMNS} FROM authsvc.sessions
 WHERE (user_id, session_id) > ($1, $2) AND user_id <= $1
   AND end_time IS NULL AND idle_expire_time > $3
 ORDER BY user_id, session_id LIMIT $4
"""
_END: Final = """
UPDATE authsvc.sessions SET end_time = $2, end_reason = $3
 WHERE session_id = $1 AND end_time IS NULL
RETURNING true
"""
# Those that have idled too long are ended with the others: a refresh that is not committed yet may
# just have prolonged one. Nothing prolongs `expire_time`.
_END_ALL: Final = """
WITH ended AS (
    UPDATE authsvc.sessions SET end_time = $2, end_reason = $3
     WHERE user_id = $1 AND session_id <> $4 AND end_time IS NULL AND expire_time > $2
    RETURNING revision, idle_expire_time > $2 AS was_active
)
SELECT count(*) FILTER (WHERE was_active) AS count, coalesce(max(revision), 0) AS revision
  FROM ended
"""
STEP: Final = 200
"""How many sessions of a disabled account are ended in one transaction.

Every other change waits meanwhile: for some 25 ms.
"""
# Only while it is disabled: no session can begin then.
_END_OF_DISABLED: Final = """
WITH live AS (
    SELECT session_id FROM authsvc.sessions
     WHERE account_id = $1 AND end_time IS NULL AND expire_time > $2
       AND EXISTS (SELECT FROM authsvc.accounts WHERE account_id = $1 AND state = 'DISABLED')
     LIMIT $3
), ended AS (
    UPDATE authsvc.sessions s SET end_time = $2, end_reason = 'ACCOUNT_DISABLED'
      FROM live WHERE s.session_id = live.session_id AND s.end_time IS NULL
    RETURNING true
)
SELECT count(*) FROM ended
"""


async def end_sessions_of(
    connection: Connection,
    user_id: str,
    reason: SessionEndReason,
    now: datetime,
    except_session_id: str,
) -> EndedSessions:
    """End the active sessions of a user but for one, in a transaction."""
    row = await connection.fetchrow(_END_ALL, user_id, now, reason.value, except_session_id)
    return EndedSessions(0, 0) if row is None else EndedSessions(**row)


async def end_sessions_of_disabled(connection: Connection, account_id: str, now: datetime) -> bool:
    """End sessions of the users of an account if it is disabled, a step of them.

    Returns:
        True when there may be more.
    """
    ended: int = await connection.fetchval(_END_OF_DISABLED, account_id, now, STEP)
    return ended == STEP


def session_of(row: Row) -> Session:
    """Return the session that a row with `COLUMNS` holds."""
    columns = dict(row)
    if row["end_reason"] is not None:
        columns["end_reason"] = SessionEndReason(row["end_reason"])
    return Session(**columns)


class PostgresSessions:
    """Finds sessions, and ends them."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def find_session(self, session_id: str, deadline: Deadline) -> Session | None:
        """Return the session, or None when there is no such session."""
        row = await self._database.fetch_row(deadline, _SELECT, session_id)
        return None if row is None else session_of(row)

    async def find_session_records(
        self, session_ids: Sequence[str], deadline: Deadline
    ) -> Mapping[str, SessionRecord]:
        """Return the records of those sessions that exist."""
        rows = await self._database.fetch_rows(deadline, _FIND_RECORDS, session_ids)
        return {row["session_id"]: SessionRecord(**row) for row in rows}

    async def list_sessions(
        self,
        user_id: str,
        *,
        now: datetime,
        after_session_id: str,
        limit: int,
        deadline: Deadline,
    ) -> list[Session]:
        """Return up to `limit` active sessions with ids after `after_session_id`, in order."""
        rows = await self._database.fetch_rows(
            deadline, _LIST, user_id, after_session_id, now, limit
        )
        return [session_of(row) for row in rows]

    async def end_session(
        self,
        session_id: str,
        reason: SessionEndReason,
        now: datetime,
        *,
        origin: Origin,
        deadline: Deadline,
    ) -> Session | None:
        """End a session, unless it was ended, and return it as it is then; None if it is gone.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def end(connection: Connection) -> Row | None:
            ended = await connection.fetchval(_END, session_id, now, reason.value)
            row = await connection.fetchrow(_SELECT, session_id)
            if row is not None and not ended:
                target = Target(TargetKind.SESSION, session_id)
                await append_record(connection, AuditRecord(origin, target, row["account_id"]))
            return row

        row = await self._database.change(origin, end, deadline)
        return None if row is None else session_of(row)

    async def end_sessions_of(
        self,
        user: User,
        reason: SessionEndReason,
        now: datetime,
        *,
        except_session_id: str,
        origin: Origin,
        deadline: Deadline,
    ) -> EndedSessions:
        """End the active sessions of a user but for one.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def end(connection: Connection) -> EndedSessions:
            ended = await end_sessions_of(connection, user.user_id, reason, now, except_session_id)
            if not ended.count:
                target = Target(TargetKind.USER, user.user_id)
                await append_record(connection, AuditRecord(origin, target, user.account_id))
            return ended

        return await self._database.change(origin, end, deadline)
