"""Log-ins and refreshes in Postgres.

A refresh locks the session and then its token, so that of many at once the first rotates and the
others find its answer. It sets no column that is logged or audited.
"""

from __future__ import annotations

from typing import Final

from authsvc.domain.clock import Deadline
from authsvc.domain.login_limits import CountedAttempt
from authsvc.domain.origin import Origin
from authsvc.domain.refresh_tokens import (
    Decide,
    GrantedSession,
    Rotation,
    SessionHolder,
    StoredRefreshToken,
)
from authsvc.domain.sessions import Session
from authsvc.domain.users import User, UserRole
from authsvc.postgres.database import Connection, Database
from authsvc.postgres.login_counts import keep_network, take_back
from authsvc.postgres.sessions import COLUMNS, session_of

# These wait for a change that is under way, of the account's state or of the user, and then find
# nothing: else a session could begin that the change did not end.
_LOCK_ACCOUNT: Final = """
SELECT true FROM authsvc.accounts WHERE account_id = $1 AND state = 'ACTIVE' FOR SHARE
"""
_LOG_IN: Final = """
UPDATE authsvc.users SET last_login_time = $3
 WHERE user_id = $1 AND password_change_time = $2 AND NOT disabled
RETURNING true
"""
_INSERT_SESSION: Final = """
INSERT INTO authsvc.sessions (session_id, user_id, account_id, user_agent, address,
                              last_seen_address, create_time, last_seen_time, idle_expire_time,
                              expire_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_INSERT_FRESH: Final = """
INSERT INTO authsvc.refresh_tokens (digest, session_id, issue_time) VALUES ($1, $2, $3)
"""
_IS_KNOWN: Final = "SELECT EXISTS (SELECT FROM authsvc.refresh_tokens WHERE digest = $1) AS known"
_LOCK_SESSION: Final = f"""
SELECT {COLUMNS} FROM authsvc.sessions
 WHERE session_id = (SELECT session_id FROM authsvc.refresh_tokens WHERE digest = $1)
   FOR NO KEY UPDATE
"""
# Read when the session is locked, and so as the refresh before this one has left it.
_FIND_USE: Final = """
SELECT t.use_time, t.sealed_answer, t.answer_delete_time,
       u.role, u.disabled OR a.state <> 'ACTIVE' AS disabled
  FROM authsvc.refresh_tokens t
  JOIN authsvc.sessions s USING (session_id)
  JOIN authsvc.users u ON u.user_id = s.user_id
  JOIN authsvc.accounts a ON a.account_id = u.account_id
 WHERE t.digest = $1
"""
# Only the last token that was used is answered again: when its successor is used, the answer was
# not lost.
_DROP_ANSWERS: Final = """
UPDATE authsvc.refresh_tokens SET sealed_answer = NULL, answer_delete_time = NULL
 WHERE session_id = $1 AND sealed_answer IS NOT NULL
"""
_USE: Final = """
UPDATE authsvc.refresh_tokens SET use_time = $2, sealed_answer = $3, answer_delete_time = $4
 WHERE digest = $1
"""
_SEE: Final = """
UPDATE authsvc.sessions SET last_seen_time = $2, last_seen_address = $3, idle_expire_time = $4
 WHERE session_id = $1
"""


class PostgresSessionTokens:
    """Begins sessions, and refreshes them."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def insert_session(
        self,
        session: Session,
        refresh_digest: bytes,
        *,
        user: User,
        counted: CountedAttempt,
        origin: Origin,
        deadline: Deadline,
    ) -> bool:
        """Keep a new session, and take back the attempt that was counted as a failure.

        Returns:
            False when the user got another password since, or it or its account was disabled.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        login_time = session.create_time

        async def insert(connection: Connection) -> bool:
            if not await connection.fetchval(_LOCK_ACCOUNT, session.account_id):
                return False
            values = (user.user_id, user.password_change_time, login_time)
            if not await connection.fetchval(_LOG_IN, *values):
                return False
            await connection.execute(
                _INSERT_SESSION,
                session.session_id,
                session.user_id,
                session.account_id,
                session.user_agent,
                session.address,
                session.last_seen_address,
                login_time,
                session.last_seen_time,
                session.idle_expire_time,
                session.expire_time,
            )
            await connection.execute(_INSERT_FRESH, refresh_digest, session.session_id, login_time)
            await keep_network(connection, user.user_id, counted.attempt.network, login_time)
            await take_back(connection, counted, succeeded=True)
            return True

        return await self._database.add_audited(origin, insert, deadline)

    async def is_known(self, digest: bytes, deadline: Deadline) -> bool:
        """Tell whether there is a refresh token with this digest, used or not.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        row = await self._database.fetch_row(deadline, _IS_KNOWN, digest)
        return row is not None and row["known"]

    async def refresh(
        self, digest: bytes, decide: Decide, deadline: Deadline
    ) -> GrantedSession | None:
        """Use a token, one use of a session after the other.

        Args:
            digest: The digest of the token.
            decide: Says what becomes of it. What it raises leaves everything as it was.
            deadline: How long it may take.

        Returns:
            What was granted, now or before; None when the token is not known.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def use(connection: Connection) -> GrantedSession | None:
            locked = await connection.fetchrow(_LOCK_SESSION, digest)
            row = None if locked is None else await connection.fetchrow(_FIND_USE, digest)
            if locked is None or row is None:
                return None
            decided = decide(
                StoredRefreshToken(
                    session_of(locked),
                    row["use_time"],
                    row["sealed_answer"],
                    row["answer_delete_time"],
                ),
                SessionHolder(UserRole(row["role"]), row["disabled"]),
            )
            if isinstance(decided, GrantedSession):
                return decided
            await _rotate(connection, digest, decided)
            return decided.granted

        return await self._database.run_in_transaction(use, deadline)


async def _rotate(connection: Connection, digest: bytes, rotation: Rotation) -> None:
    session, tokens = rotation.granted.session, rotation.granted.tokens
    await connection.execute(_DROP_ANSWERS, session.session_id)
    await connection.execute(
        _USE,
        digest,
        rotation.use_time,
        rotation.sealed_answer,
        rotation.answer_delete_time,
    )
    await connection.execute(
        _INSERT_FRESH, tokens.refresh_token.digest(), session.session_id, rotation.use_time
    )
    await connection.execute(
        _SEE,
        session.session_id,
        session.last_seen_time,
        session.last_seen_address,
        session.idle_expire_time,
    )
