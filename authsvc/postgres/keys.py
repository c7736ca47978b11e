"""API keys in Postgres."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from authsvc.domain.accounts import AccountState
from authsvc.domain.clock import Deadline
from authsvc.domain.errors import KeyNotFound
from authsvc.domain.keys import Key, KeyOwner, KeyRecord, RevocationReason
from authsvc.postgres.changes import ChangeKind, append_change
from authsvc.postgres.database import Connection, Database, Row

_FIND_RECORD: Final = """
SELECT k.key_id, k.name, k.account_id, a.state AS account_state, a.is_system, k.scopes,
       k.metadata, k.expire_time, k.disabled, k.revoke_time IS NOT NULL AS revoked
  FROM authsvc.keys k JOIN authsvc.accounts a USING (account_id)
 WHERE k.digest = $1
"""
_FIND_OWNER: Final = """
SELECT k.key_id, k.account_id, a.is_system
  FROM authsvc.keys k JOIN authsvc.accounts a USING (account_id)
 WHERE k.key_id = $1
"""
_FIND_OWNER_BY_DIGEST: Final = """
SELECT k.key_id, k.account_id, a.is_system
  FROM authsvc.keys k JOIN authsvc.accounts a USING (account_id)
 WHERE k.digest = $1
"""
_INSERT: Final = """
INSERT INTO authsvc.keys (key_id, account_id, name, digest, scopes, hint, metadata, create_time,
                          expire_time, revision)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9, $10)
"""
_SELECT: Final = """
SELECT key_id, account_id, name, scopes, hint, metadata, create_time, expire_time, disabled,
       revoke_time, revoke_reason, revoke_note, last_use_time, revision
  FROM authsvc.keys
 WHERE key_id = $1
   FOR UPDATE
"""
_REVOKE: Final = """
UPDATE authsvc.keys
   SET revoke_time = $2, revoke_reason = $3, revoke_note = $4, revision = $5
 WHERE key_id = $1
"""


class PostgresKeys:
    """Reads and writes API keys."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def find_key_record(self, digest: bytes, deadline: Deadline) -> KeyRecord | None:
        """Return the record of the key with this SHA-256 digest, or None."""
        row = await self._database.fetch_row(deadline, _FIND_RECORD, digest)
        return None if row is None else _record(row)

    async def find_key_owner(self, key_id: str, deadline: Deadline) -> KeyOwner | None:
        """Return whose key has this id, or None."""
        row = await self._database.fetch_row(deadline, _FIND_OWNER, key_id)
        return None if row is None else KeyOwner(**row)

    async def find_key_owner_by_digest(self, digest: bytes, deadline: Deadline) -> KeyOwner | None:
        """Return whose key has this SHA-256 digest, or None."""
        row = await self._database.fetch_row(deadline, _FIND_OWNER_BY_DIGEST, digest)
        return None if row is None else KeyOwner(**row)

    async def insert_key(self, key: Key, digest: bytes, deadline: Deadline) -> Key:
        """Keep a new key under the SHA-256 digest of its secret.

        Returns:
            The key with the revision of this change.

        Raises:
            KeyNameTaken: A key of the account that is not revoked has this name.
            AccountNotFound: There is no such account.
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def insert(connection: Connection) -> Key:
            revision = await append_change(
                connection, ChangeKind.KEY_CREATED, account_id=key.account_id, key_id=key.key_id
            )
            await connection.execute(
                _INSERT,
                key.key_id,
                key.account_id,
                key.name,
                digest,
                list(key.scopes),
                key.hint,
                json.dumps(dict(key.metadata)),
                key.create_time,
                key.expire_time,
                revision,
            )
            return replace(key, revision=revision)

        return await self._database.run_in_transaction(insert, deadline)

    async def revoke_key(
        self,
        key_id: str,
        *,
        revoke_time: datetime,
        reason: RevocationReason,
        note: str,
        deadline: Deadline,
    ) -> Key:
        """End a key; one that is revoked already stays as it is.

        Returns:
            The revoked key, with the revision of the change that revoked it.

        Raises:
            KeyNotFound: There is no such key.
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def revoke(connection: Connection) -> Key:
            row = await connection.fetchrow(_SELECT, key_id)
            if row is None:
                raise KeyNotFound
            key = _key(row)
            if key.revoke_time is not None:
                return key
            revision = await append_change(
                connection, ChangeKind.KEY_REVOKED, account_id=key.account_id, key_id=key_id
            )
            await connection.execute(_REVOKE, key_id, revoke_time, reason.value, note, revision)
            return replace(
                key,
                revoke_time=revoke_time,
                revoke_reason=reason,
                revoke_note=note,
                revision=revision,
            )

        return await self._database.run_in_transaction(revoke, deadline)


def _metadata(row: Row) -> Mapping[str, str]:
    metadata: dict[str, str] = json.loads(row["metadata"])
    return metadata


def _record(row: Row) -> KeyRecord:
    return KeyRecord(
        key_id=row["key_id"],
        name=row["name"],
        account_id=row["account_id"],
        account_state=AccountState(row["account_state"]),
        account_is_system=row["is_system"],
        scopes=tuple(row["scopes"]),
        metadata=_metadata(row),
        expire_time=row["expire_time"],
        disabled=row["disabled"],
        revoked=row["revoked"],
    )


def _key(row: Row) -> Key:
    columns = dict(row)
    columns["scopes"] = tuple(row["scopes"])
    columns["metadata"] = _metadata(row)
    columns["revoke_reason"] = RevocationReason(row["revoke_reason"])
    return Key(**columns)
