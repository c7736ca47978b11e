"""The change log: every change that a validation must reflect, in the order it became visible.

A reader that has seen revision N and asks for more must never meet a smaller one later. So each
writer takes one advisory lock before its number is drawn and holds it until its transaction
ends: numbers become visible in their order (design record: docs/adr/0005).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from authsvc.postgres.database import Connection

# Arbitrary, fixed for ever: all versions of this service must agree on it.
_WRITERS_LOCK: Final = 0x61757468_0001

_LOCK = "SELECT pg_advisory_xact_lock($1)"
_APPEND = """
INSERT INTO authsvc.changes (kind, account_id, key_id) VALUES ($1, $2, $3) RETURNING revision
"""


class ChangeKind(StrEnum):
    """What changed."""

    KEY_CREATED = "KEY_CREATED"
    KEY_REVOKED = "KEY_REVOKED"


async def append_change(
    connection: Connection, kind: ChangeKind, *, account_id: str, key_id: str
) -> int:
    """Log a change within the transaction that makes it.

    Call it as late in the transaction as possible: other writers wait until it ends.

    Args:
        connection: A connection in a transaction.
        kind: What changed.
        account_id: Whose it is.
        key_id: Which key.

    Returns:
        The change's revision.
    """
    await connection.execute(_LOCK, _WRITERS_LOCK)
    revision: int = await connection.fetchval(_APPEND, kind.value, account_id, key_id)
    return revision
