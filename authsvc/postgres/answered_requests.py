"""Kept answers in Postgres.

An answer is reserved before its key is kept, in the same transaction: of two repeats at once, the
second waits for the first and then finds its answer.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from authsvc.domain.answers import KeptAnswer
from authsvc.domain.clock import Deadline
from authsvc.domain.keys import Key
from authsvc.domain.origin import Origin
from authsvc.postgres.database import Connection, Database
from authsvc.postgres.keys import insert_key

# What is past its window makes room, whether pruned yet or not.
_RESERVE: Final = """
INSERT INTO authsvc.key_requests AS r (digest, fingerprint, key_id, sealed_secret, delete_time)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (digest) DO UPDATE
   SET fingerprint = excluded.fingerprint, key_id = excluded.key_id, revision = 0,
       sealed_secret = excluded.sealed_secret, delete_time = excluded.delete_time
 WHERE r.delete_time <= $6
RETURNING true
"""
_COMPLETE: Final = "UPDATE authsvc.key_requests SET revision = $2 WHERE digest = $1"
_FIND: Final = """
SELECT digest, fingerprint, key_id, sealed_secret, delete_time, revision
  FROM authsvc.key_requests WHERE digest = $1
"""
_PRUNE: Final = """
DELETE FROM authsvc.key_requests WHERE digest IN (
    SELECT digest FROM authsvc.key_requests WHERE delete_time <= $1
     ORDER BY delete_time LIMIT $2 FOR UPDATE SKIP LOCKED)
"""


async def reserve(connection: Connection, answer: KeptAnswer, now: datetime) -> bool:
    """Keep an answer, in a transaction; False when there is one of the same request."""
    values = (answer.digest, answer.fingerprint, answer.key_id, answer.sealed_secret)
    return bool(await connection.fetchval(_RESERVE, *values, answer.delete_time, now))


async def complete(connection: Connection, answer: KeptAnswer, revision: int) -> None:
    """Give a reserved answer its revision, in the same transaction."""
    await connection.execute(_COMPLETE, answer.digest, revision)


async def prune_answers(connection: Connection, now: datetime, limit: int) -> bool:
    """Delete answers past their window, at most `limit`, and tell whether there were any."""
    return await connection.execute(_PRUNE, now, limit) != "DELETE 0"


class PostgresAnswers:
    """Reads answers, and keeps them with their keys."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def find_answer(self, digest: bytes, deadline: Deadline) -> KeptAnswer | None:
        """Return the answer under a digest, or None."""
        row = await self._database.fetch_row(deadline, _FIND, digest)
        return None if row is None else KeptAnswer(**row)

    async def insert_key_once(
        self,
        key: Key,
        digest: bytes,
        *,
        answer: KeptAnswer | None,
        origin: Origin,
        deadline: Deadline,
    ) -> Key | None:
        """Keep a new key, with the answer to its request if that may be repeated.

        Returns:
            The key with the revision of this change; None when the request has an answer.

        Raises:
            KeyNameTaken: Another key of the account has this name.
            CallerCredentialInvalid: The caller's own was ended since the call came.
            CallerNotPermitted: It was narrowed since.
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def insert(connection: Connection) -> Key | None:
            if answer is not None and not await reserve(connection, answer, key.create_time):
                return None
            kept = await insert_key(connection, key, digest)
            if answer is not None:
                await complete(connection, answer, kept.revision)
            return kept

        return await self._database.change(origin, insert, deadline)
