"""API keys in Postgres."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from authsvc.domain.accounts import AccountState
from authsvc.domain.audit import AuditRecord, Target, TargetKind
from authsvc.domain.clock import Deadline
from authsvc.domain.errors import KeyNotFound
from authsvc.domain.keys import Key, KeyOwner, KeyRecord, RevocationReason
from authsvc.domain.origin import Origin
from authsvc.domain.rate_limits import RateLimit
from authsvc.postgres.audit import append_record
from authsvc.postgres.database import Connection, Database, Row

_RECORD: Final = """
SELECT k.digest, k.key_id, k.name, k.account_id, a.state AS account_state, a.is_system, k.scopes,
       k.metadata, k.expire_time, k.disabled, k.revoke_time IS NOT NULL AS revoked, k.superseded_by,
       k.allowed_addresses, k.rate_limit_requests, k.rate_limit_seconds
  FROM authsvc.keys k JOIN authsvc.accounts a USING (account_id)
"""
_FIND_RECORDS: Final = f"{_RECORD} WHERE k.digest = ANY($1::bytea[])"
# Planned as one look-up in the index, which ANY is not.
_FIND_RECORD: Final = f"{_RECORD} WHERE k.digest = $1"
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
# The revision is given by a trigger, which logs the change.
_INSERT: Final = """
INSERT INTO authsvc.keys (key_id, account_id, name, digest, scopes, hint, metadata, create_time,
                          expire_time, supersedes, allowed_addresses, rate_limit_requests,
                          rate_limit_seconds)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9, $10, $11, $12, $13)
RETURNING revision
"""
COLUMNS: Final = """
key_id, account_id, name, scopes, hint, metadata, create_time, expire_time, disabled,
revoke_time, revoke_reason, revoke_note, last_use_time, revision, superseded_by, supersedes,
allowed_addresses, rate_limit_requests, rate_limit_seconds
"""
SELECT_KEY: Final = f"SELECT {COLUMNS} FROM authsvc.keys WHERE key_id = $1"
_REVOKE: Final = f"""
UPDATE authsvc.keys
   SET revoke_time = $2, revoke_reason = $3, revoke_note = $4
 WHERE key_id = $1 AND revoke_time IS NULL
RETURNING {COLUMNS}
"""


async def insert_key(connection: Connection, key: Key, digest: bytes) -> Key:
    """Keep a new key and return it with the revision of this change."""
    revision = await connection.fetchval(
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
        key.supersedes or None,
        list(key.allowed_addresses),
        *rate_limit_columns(key.rate_limit),
    )
    return replace(key, revision=revision)


class PostgresKeys:
    """Reads and writes API keys."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def find_key_records(
        self, digests: Sequence[bytes], deadline: Deadline
    ) -> Mapping[bytes, KeyRecord]:
        """Return the records of those SHA-256 digests that belong to a key."""
        if len(digests) == 1:
            row = await self._database.fetch_row(deadline, _FIND_RECORD, digests[0])
            return {} if row is None else {digests[0]: _record(row)}

        rows = await self._database.fetch_rows(deadline, _FIND_RECORDS, digests)
        return {row["digest"]: _record(row) for row in rows}

    async def find_key_owner(self, key_id: str, deadline: Deadline) -> KeyOwner | None:
        """Return whose key has this id, or None."""
        row = await self._database.fetch_row(deadline, _FIND_OWNER, key_id)
        return None if row is None else KeyOwner(**row)

    async def find_key_owner_by_digest(self, digest: bytes, deadline: Deadline) -> KeyOwner | None:
        """Return whose key has this SHA-256 digest, or None."""
        row = await self._database.fetch_row(deadline, _FIND_OWNER_BY_DIGEST, digest)
        return None if row is None else KeyOwner(**row)

    async def insert_key(self, key: Key, digest: bytes, origin: Origin, deadline: Deadline) -> Key:
        """Keep a new key under the SHA-256 digest of its secret.

        Returns:
            The key with the revision of this change.

        Raises:
            KeyNameTaken: Another live key of the account has this name.
            AccountNotFound: There is no such account.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        return await self._database.change(
            origin, lambda connection: insert_key(connection, key, digest), deadline
        )

    async def revoke_key(
        self,
        key_id: str,
        *,
        revoke_time: datetime,
        reason: RevocationReason,
        note: str,
        origin: Origin,
        deadline: Deadline,
    ) -> Key:
        """End a key; one that is revoked already stays as it is.

        Returns:
            The revoked key, with the revision of the change that revoked it.

        Raises:
            KeyNotFound: There is no such key.
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def revoke(connection: Connection) -> Row | None:
            row = await connection.fetchrow(_REVOKE, key_id, revoke_time, reason.value, note)
            if row is None and (row := await connection.fetchrow(SELECT_KEY, key_id)) is not None:
                # Nothing changes, so no trigger tells the audit log.
                target = Target(TargetKind.KEY, key_id)
                await append_record(connection, AuditRecord(origin, target, row["account_id"]))
            return row

        row = await self._database.change(origin, revoke, deadline)
        if row is None:
            raise KeyNotFound
        return key_of(row)


def _metadata(row: Row | Mapping[str, Any]) -> Mapping[str, str]:
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
        superseded_by=row["superseded_by"] or "",
        allowed_addresses=tuple(row["allowed_addresses"]),
        rate_limit=_rate_limit(row["rate_limit_requests"], row["rate_limit_seconds"]),
    )


def key_of(row: Row | Mapping[str, Any]) -> Key:
    """Read a row that has `COLUMNS`."""
    columns = dict(row)
    columns["scopes"] = tuple(row["scopes"])
    columns["metadata"] = _metadata(row)
    columns["revoke_reason"] = RevocationReason(row["revoke_reason"])
    columns["superseded_by"] = row["superseded_by"] or ""
    columns["supersedes"] = row["supersedes"] or ""
    columns["allowed_addresses"] = tuple(row["allowed_addresses"])
    columns["rate_limit"] = _rate_limit(
        columns.pop("rate_limit_requests"), columns.pop("rate_limit_seconds")
    )
    return Key(**columns)


def rate_limit_columns(limit: RateLimit | None) -> tuple[int | None, int | None]:
    """Return the values of the columns `rate_limit_requests` and `rate_limit_seconds`."""
    return (None, None) if limit is None else (limit.requests, int(limit.period.total_seconds()))


# Of records in memory there are many, and of limits that people think of, few.
@functools.lru_cache(maxsize=1024)
def _rate_limit(requests: int | None, seconds: int | None) -> RateLimit | None:
    if requests is None or seconds is None:
        return None
    return RateLimit(requests, timedelta(seconds=seconds))
