"""The import of keys in Postgres: one transaction of a few statements, however many keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from authsvc.domain.audit import AuditRecord, Target, TargetKind
from authsvc.domain.clock import Deadline
from authsvc.domain.key_import import Candidate, Existing, Imported, Outcome
from authsvc.domain.origin import Origin
from authsvc.postgres.audit import append_record
from authsvc.postgres.database import Connection, Database
from authsvc.postgres.keys import COLUMNS, key_of, rate_limit_columns

_FIND_DIGESTS: Final = f"SELECT digest, {COLUMNS} FROM authsvc.keys WHERE digest = ANY($1::bytea[])"
_FIND_NAMES: Final = """
SELECT name FROM authsvc.keys
 WHERE account_id = $1 AND name = ANY($2::text[])
   AND revoke_time IS NULL AND superseded_by IS NULL
"""
# One document and not an array for each column: arrays of arrays, as for scopes, must be oblong.
_INSERT: Final = """
INSERT INTO authsvc.keys (key_id, account_id, name, digest, scopes, hint, metadata, create_time,
                          expire_time, disabled, last_use_time, allowed_addresses,
                          rate_limit_requests, rate_limit_seconds)
SELECT key_id, $1, name, decode(digest, 'hex'), scopes, hint, metadata, create_time,
       expire_time, disabled, last_use_time, allowed_addresses, rate_limit_requests,
       rate_limit_seconds
  FROM jsonb_to_recordset($2::jsonb) AS imported (
       key_id text, name text, digest text, scopes text[], hint text, metadata jsonb,
       create_time timestamptz, expire_time timestamptz, disabled boolean,
       last_use_time timestamptz, allowed_addresses text[], rate_limit_requests integer,
       rate_limit_seconds integer)
RETURNING key_id, revision
"""


class PostgresKeyImport:
    """Imports API keys."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def import_keys(
        self,
        account_id: str,
        candidates: Sequence[Candidate],
        settle: Callable[[Existing], list[Outcome]],
        *,
        origin: Origin,
        deadline: Deadline,
    ) -> list[Outcome]:
        """Keep keys, all that are to be kept or none.

        Args:
            account_id: Whose they are.
            candidates: Those that may have to be kept.
            settle: Decides by what is there, while nothing of it can change.
            origin: What the audit log is told.
            deadline: How long it may take.

        Returns:
            What was decided; keys that were kept have the revision of this change.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def import_(connection: Connection) -> list[Outcome]:
            # Nobody else can take a digest or a name meanwhile.
            outcomes = settle(await _find_existing(connection, account_id, candidates))
            imported = [one for one in outcomes if isinstance(one, Imported)]
            if not imported:
                target = Target(TargetKind.ACCOUNT, account_id)
                await append_record(connection, AuditRecord(origin, target, account_id))
                return outcomes
            rows = await connection.fetch(_INSERT, account_id, json.dumps([*map(_row, imported)]))
            revisions: dict[str, int] = {row["key_id"]: row["revision"] for row in rows}
            return [_with_revision(one, revisions) for one in outcomes]

        return await self._database.change(origin, import_, deadline)


async def _find_existing(
    connection: Connection, account_id: str, candidates: Sequence[Candidate]
) -> Existing:
    digests = [candidate.digest for candidate in candidates]
    names = [candidate.key.name for candidate in candidates]
    rows = [dict(row) for row in await connection.fetch(_FIND_DIGESTS, digests)]
    taken = await connection.fetch(_FIND_NAMES, account_id, names)
    return Existing(
        {row.pop("digest"): key_of(row) for row in rows},
        frozenset(row["name"] for row in taken),
    )


def _row(imported: Imported) -> dict[str, object]:
    key = imported.key
    requests, seconds = rate_limit_columns(key.rate_limit)
    return {
        "key_id": key.key_id,
        "name": key.name,
        "digest": imported.digest.hex(),
        "scopes": key.scopes,
        "hint": key.hint,
        "metadata": dict(key.metadata),
        "create_time": key.create_time.isoformat(),
        "expire_time": key.expire_time and key.expire_time.isoformat(),
        "disabled": key.disabled,
        "last_use_time": key.last_use_time and key.last_use_time.isoformat(),
        "allowed_addresses": key.allowed_addresses,
        "rate_limit_requests": requests,
        "rate_limit_seconds": seconds,
    }


def _with_revision(outcome: Outcome, revisions: dict[str, int]) -> Outcome:
    if not isinstance(outcome, Imported):
        return outcome
    key = outcome.key
    return replace(outcome, key=replace(key, revision=revisions[key.key_id]))
