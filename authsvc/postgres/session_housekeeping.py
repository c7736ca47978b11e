"""What is past is deleted: answers to refresh tokens, sessions, failures to log in.

A bounded number of rows at a time, and none that somebody else works on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from authsvc.domain.clock import Deadline
from authsvc.domain.login_limits import KNOWN_NETWORK_DAYS
from authsvc.domain.origin import ActorKind, Origin
from authsvc.domain.sessions import RETENTION
from authsvc.postgres.actors import BEGIN_CHANGE, origin_value
from authsvc.postgres.database import Connection, Database
from authsvc.postgres.sessions import end_sessions_of_disabled

_LIMIT: Final = 1000
# A session has one for every refresh, which may be any number.
_TOKENS_LIMIT: Final = 20_000
# More than failures can come in meanwhile: each costs a hash.
_FAILURES_LIMIT: Final = 10_000
_DROP_ANSWERS: Final = """
UPDATE authsvc.refresh_tokens SET sealed_answer = NULL, answer_delete_time = NULL
 WHERE digest IN (
    SELECT digest FROM authsvc.refresh_tokens
     WHERE sealed_answer IS NOT NULL AND answer_delete_time <= $1
     LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
"""
_DELETE_TOKENS: Final = """
DELETE FROM authsvc.refresh_tokens WHERE digest IN (
    SELECT t.digest FROM authsvc.refresh_tokens t JOIN authsvc.sessions s USING (session_id)
     WHERE coalesce(s.end_time, s.idle_expire_time) <= $1
     LIMIT $2 FOR UPDATE OF t SKIP LOCKED)
"""
_DELETE_SESSIONS: Final = """
DELETE FROM authsvc.sessions WHERE session_id IN (
    SELECT session_id FROM authsvc.sessions s WHERE coalesce(end_time, idle_expire_time) <= $1
       AND NOT EXISTS (SELECT FROM authsvc.refresh_tokens t WHERE t.session_id = s.session_id)
     LIMIT $2 FOR UPDATE SKIP LOCKED)
"""
_DELETE_FAILURES: Final = """
DELETE FROM authsvc.login_failures WHERE digest IN (
    SELECT digest FROM authsvc.login_failures WHERE delete_time <= $1
     LIMIT $2 FOR UPDATE SKIP LOCKED)
"""
_DELETE_NETWORKS: Final = """
DELETE FROM authsvc.login_networks WHERE (user_id, network) IN (
    SELECT user_id, network FROM authsvc.login_networks WHERE last_login_time <= $1
     LIMIT $2 FOR UPDATE SKIP LOCKED)
"""

_FIND_DISABLED: Final = """
SELECT account_id FROM authsvc.accounts a
 WHERE state = 'DISABLED' AND EXISTS (
       SELECT FROM authsvc.sessions s
        WHERE s.account_id = a.account_id AND s.end_time IS NULL AND s.expire_time > $1)
 LIMIT 1
"""
# Changes have their turns in the order in which they ask for one. As one process at a time asks for
# steps, no change waits for more than one of them, however many processes there are.
_TURN: Final = 0x61757468_0008
_TAKE_TURN: Final = f"""
SELECT CASE WHEN $1 THEN pg_advisory_xact_lock({_TURN}) IS NOT NULL
            ELSE pg_try_advisory_xact_lock({_TURN}) END
"""
_ENDS: Final = Origin(ActorKind.SERVICE, "schedule/EndSessionsOfDisabledAccounts")


class PostgresSessionHousekeeping:
    """Deletes what is past, and ends what disabled accounts have left."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def drop_answers(self, now: datetime, deadline: Deadline) -> bool:
        """Delete answers to refresh tokens past their window; tell whether there were any."""
        return await self._execute(_DROP_ANSWERS, now, deadline)

    async def delete_past(self, now: datetime, deadline: Deadline) -> bool:
        """Delete sessions long over, failures to log in past their time, and old networks.

        Returns:
            Whether there were any.
        """
        # Not by the cascade: of one session with very many tokens it would never be done in time.
        tokens = await self._execute(_DELETE_TOKENS, now - RETENTION, deadline, _TOKENS_LIMIT)
        sessions = await self._execute(_DELETE_SESSIONS, now - RETENTION, deadline)
        failures = await self._execute(_DELETE_FAILURES, now, deadline, _FAILURES_LIMIT)
        known_since = now - timedelta(days=KNOWN_NETWORK_DAYS)
        networks = await self._execute(_DELETE_NETWORKS, known_since, deadline)
        return tokens or sessions or failures or networks

    async def end_sessions_of_disabled(
        self, now: datetime, deadline: Deadline, *, waits: bool
    ) -> bool:
        """End sessions that some disabled account has left, a step of them.

        Args:
            now: When they end.
            deadline: How long it may take.
            waits: Whether to wait while another process does so; if not, the rest is left to it.

        Returns:
            True when there may be more, unless it is left to another process.
        """
        row = await self._database.fetch_row(deadline, _FIND_DISABLED, now)
        if row is None:
            return False
        account_id: str = row["account_id"]

        async def end_if_alone(connection: Connection) -> bool:
            if not await connection.fetchval(_TAKE_TURN, waits):
                return False
            await connection.execute(BEGIN_CHANGE, origin_value(_ENDS))
            await end_sessions_of_disabled(connection, account_id, now)
            return True

        return await self._database.run_in_transaction(end_if_alone, deadline)

    async def _execute(
        self, statement: str, before: datetime, deadline: Deadline, limit: int = _LIMIT
    ) -> bool:
        async def execute(connection: Connection) -> bool:
            status = await connection.execute(statement, before, limit)
            return not status.endswith(" 0")

        return await self._database.run_unit(execute, deadline)
