"""Failed log-ins, counted in Postgres, and from where users have logged in.

Rows are locked in the order of their digests, so that attempts wait for each other and never in a
circle.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import TooManyFailedLogins
from authsvc.domain.login_limits import (
    KNOWN_NETWORK_DAYS,
    CountedAttempt,
    LoginAttempt,
    LoginCount,
    LoginLimit,
)
from authsvc.postgres.database import Connection, Database

_IS_KNOWN: Final = """
SELECT EXISTS (
    SELECT FROM authsvc.login_networks n JOIN authsvc.users u USING (user_id)
     WHERE u.email_key = $1 AND n.network = $2 AND n.last_login_time > $3)
"""
# A count past its time begins anew, whether pruned yet or not.
_LOCK_COUNTS: Final = """
INSERT INTO authsvc.login_failures AS f (digest, failures, last_failure_time, delete_time)
SELECT digest, 0, $2, $2 FROM unnest($1::bytea[]) digest
ON CONFLICT (digest) DO UPDATE
   SET failures = CASE WHEN f.delete_time <= $2 THEN 0 ELSE f.failures END
RETURNING digest, failures, last_failure_time
"""
_COUNT: Final = """
UPDATE authsvc.login_failures f
   SET failures = f.failures + 1, last_failure_time = $3,
       delete_time = CASE WHEN f.failures = 0 THEN c.delete_time ELSE f.delete_time END
  FROM unnest($1::bytea[], $2::timestamptz[]) c (digest, delete_time)
 WHERE f.digest = c.digest
"""
_LOCK_COUNTED: Final = """
SELECT FROM authsvc.login_failures WHERE digest = ANY($1::bytea[]) ORDER BY digest FOR UPDATE
"""
_UNCOUNT: Final = """
UPDATE authsvc.login_failures SET failures = greatest(failures - 1, 0)
 WHERE digest = ANY($1::bytea[])
"""
_DELETE: Final = "DELETE FROM authsvc.login_failures WHERE digest = $1"
_KEEP_NETWORK: Final = """
INSERT INTO authsvc.login_networks AS n (user_id, network, last_login_time) VALUES ($1, $2, $3)
ON CONFLICT (user_id, network) DO UPDATE SET last_login_time = excluded.last_login_time
"""


async def take_back(connection: Connection, counted: CountedAttempt, *, succeeded: bool) -> None:
    """Take back, in a transaction, what was counted of an attempt.

    Args:
        connection: A connection in a transaction.
        counted: The attempt.
        succeeded: Whether it was a log-in, so that the same person's failures are forgotten. Those
            of its email address and of its network are others' too, and stay.
    """
    digests = counted.attempt.digests
    counted_digests = [digests[limit] for limit in counted.counted]
    await connection.execute(_LOCK_COUNTED, counted_digests)
    if succeeded:
        await connection.execute(_DELETE, digests[LoginLimit.PAIR])
    await connection.execute(_UNCOUNT, counted_digests)


async def keep_network(
    connection: Connection, user_id: str, network: str, login_time: datetime
) -> None:
    """Note that a user has logged in from a network."""
    if network:
        await connection.execute(_KEEP_NETWORK, user_id, network, login_time)


class PostgresLoginCounts:
    """Counts failed log-ins."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def count_attempt(
        self, attempt: LoginAttempt, now: datetime, deadline: Deadline
    ) -> CountedAttempt:
        """Count an attempt as a failure, unless it must wait.

        Raises:
            TooManyFailedLogins: It must wait; it is not counted.
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def count(connection: Connection) -> CountedAttempt:
            since = now - timedelta(days=KNOWN_NETWORK_DAYS)
            is_known = await connection.fetchval(
                _IS_KNOWN, attempt.email_key, attempt.network, since
            )
            limits = [LoginLimit.PAIR] if is_known else list(attempt.digests)
            by_digest = {attempt.digests[limit]: limit for limit in limits}
            digests = sorted(by_digest)
            rows = await connection.fetch(_LOCK_COUNTS, digests, now)
            wait = max(LoginCount(by_digest[row["digest"]], **row).wait_at(now) for row in rows)
            if wait > timedelta(0):
                # Which undoes the rows above: who must wait leaves no trace.
                raise TooManyFailedLogins(wait)
            delete_times = [now + by_digest[digest].memory for digest in digests]
            await connection.execute(_COUNT, digests, delete_times, now)
            return CountedAttempt(attempt, frozenset(limits))

        return await self._database.run_in_transaction(count, deadline)

    async def forget_attempt(self, counted: CountedAttempt, deadline: Deadline) -> None:
        """Take back what was counted.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def forget(connection: Connection) -> None:
            await take_back(connection, counted, succeeded=False)

        await self._database.run_in_transaction(forget, deadline)
