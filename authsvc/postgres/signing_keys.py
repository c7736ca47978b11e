"""The keyring in Postgres: signing keys with their private parts sealed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from authsvc.domain.audit import AuditRecord, Target, TargetKind
from authsvc.domain.clock import Deadline
from authsvc.domain.origin import Origin
from authsvc.domain.signing_keys import KeyringChange, SealedSigningKey, SigningAlgorithm
from authsvc.postgres.audit import append_record
from authsvc.postgres.database import Connection, Database, Row

_COLUMNS: Final = "kid, algorithm, public_key, sealed_private_key, create_time, activate_time"
_LIST: Final = (
    f"SELECT {_COLUMNS} FROM authsvc.signing_keys ORDER BY activate_time, create_time, kid"
)
# Several replicas find at once that a key is due: the second one waits here, then sees the key of
# the first. Readers do not wait.
_LOCK: Final = "LOCK TABLE authsvc.signing_keys IN SHARE ROW EXCLUSIVE MODE"
_INSERT: Final = f"INSERT INTO authsvc.signing_keys ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)"
_DELETE: Final = "DELETE FROM authsvc.signing_keys WHERE kid = ANY($1)"
_RESEAL: Final = """
UPDATE authsvc.signing_keys SET sealed_private_key = $3 WHERE kid = $1 AND sealed_private_key = $2
RETURNING true
"""


class PostgresSigningKeys:
    """Reads and writes signing keys."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def list_signing_keys(self, deadline: Deadline) -> list[SealedSigningKey]:
        """Return all signing keys, in the order in which they begin to sign."""
        return await self._database.run(_list, deadline)

    async def change_signing_keys(
        self,
        decide: Callable[[Sequence[SealedSigningKey]], KeyringChange],
        origin: Origin,
        deadline: Deadline,
    ) -> KeyringChange:
        """Change the keyring by what is in it, whole or not at all, one change after the other.

        Args:
            decide: Says what to change; it sees what no other change can alter any more.
            origin: What the audit log is told.
            deadline: How long it may take.

        Returns:
            What was changed.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def change(connection: Connection) -> KeyringChange:
            await connection.execute(_LOCK)
            decided = decide(await _list(connection))
            if decided.removed:
                await connection.execute(_DELETE, [key.kid for key in decided.removed])
            if (added := decided.added) is not None:
                await connection.execute(
                    _INSERT,
                    added.kid,
                    added.algorithm.value,
                    added.public_key,
                    added.sealed_private_key,
                    added.create_time,
                    added.activate_time,
                )
            if (waiting := decided.waiting) is not None:
                target = Target(TargetKind.SIGNING_KEY, waiting.kid)
                # The keyring is nobody's but the caller's own affair, as its changes are.
                await append_record(connection, AuditRecord(origin, target, account_id=""))
            return decided

        return await self._database.change(origin, change, deadline)

    async def reseal_signing_key(
        self, key: SealedSigningKey, sealed_private_key: bytes, origin: Origin, deadline: Deadline
    ) -> bool:
        """Put another seal on a key; False when the key has changed or is gone.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """

        async def reseal(connection: Connection) -> bool:
            values = (key.kid, key.sealed_private_key, sealed_private_key)
            return await connection.fetchval(_RESEAL, *values) is not None

        return await self._database.change(origin, reseal, deadline)


async def _list(connection: Connection) -> list[SealedSigningKey]:
    return [_signing_key(row) for row in await connection.fetch(_LIST)]


def _signing_key(row: Row) -> SealedSigningKey:
    columns = dict(row)
    columns["algorithm"] = SigningAlgorithm(row["algorithm"])
    return SealedSigningKey(**columns)
