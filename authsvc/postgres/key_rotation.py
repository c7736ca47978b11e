"""The rotation of keys in Postgres: one transaction, under the writers' lock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from authsvc.domain.answers import KeptAnswer
from authsvc.domain.clock import Deadline
from authsvc.domain.errors import KeyNotFound
from authsvc.domain.keys import Key, RevocationReason
from authsvc.domain.origin import Origin
from authsvc.domain.rotation import Succession
from authsvc.postgres.answered_requests import complete, reserve
from authsvc.postgres.database import Connection, Database
from authsvc.postgres.keys import COLUMNS, SELECT_KEY, insert_key, key_of

_LOCK_KEY: Final = f"{SELECT_KEY} FOR UPDATE"
_RETIRE: Final = f"""
UPDATE authsvc.keys
   SET superseded_by = $2, expire_time = $3, revoke_time = $4, revoke_reason = $5
 WHERE key_id = $1
RETURNING {COLUMNS}
"""


class PostgresKeyRotation:
    """Rotates API keys."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def rotate_key(
        self,
        key_id: str,
        succeed: Callable[[Key], Succession],
        *,
        answer: KeptAnswer | None,
        now: datetime,
        origin: Origin,
        deadline: Deadline,
    ) -> tuple[Key, Key] | None:
        """Give a key a successor, whole or not at all.

        Args:
            key_id: The old key.
            succeed: Decides by the locked key; what it raises ends the rotation.
            answer: To keep with it, when the request may be repeated.
            now: The present; answers past their window by then make room.
            origin: What the audit log is told.
            deadline: How long it may take.

        Returns:
            The new key and the old one; None when the request has an answer already.

        Raises:
            KeyNotFound: There is no such key.
            KeyNameTaken: The name was given to another key.
            CallerCredentialInvalid: The caller's own was ended since the call came.
            CallerNotPermitted: It was narrowed since.
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def rotate(connection: Connection) -> tuple[Key, Key] | None:
            if answer is not None and not await reserve(connection, answer, now):
                return None
            row = await connection.fetchrow(_LOCK_KEY, key_id)
            if row is None:
                raise KeyNotFound
            succession = succeed(key_of(row))
            revoked = succession.old_revoke_time is not None
            reason = RevocationReason.SUPERSEDED if revoked else RevocationReason.UNSPECIFIED
            # The old key first: the name is free only then.
            retired = await connection.fetchrow(
                _RETIRE,
                key_id,
                succession.successor.key_id,
                succession.old_expire_time,
                succession.old_revoke_time,
                reason.value,
            )
            assert retired is not None  # noqa: S101 - the row is locked
            new = await insert_key(connection, succession.successor, succession.digest)
            if answer is not None:
                await complete(connection, answer, new.revision)
            return new, key_of(retired)

        return await self._database.change(origin, rotate, deadline)
