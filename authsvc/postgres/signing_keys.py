"""The keyring in Postgres: signing keys with their private parts sealed."""

from __future__ import annotations

from typing import Final

from authsvc.domain.clock import Deadline
from authsvc.domain.origin import Origin
from authsvc.domain.signing_keys import SealedSigningKey, SigningAlgorithm
from authsvc.postgres.database import Connection, Database, Row

_COLUMNS: Final = "kid, algorithm, public_key, sealed_private_key, create_time"
_LIST: Final = f"SELECT {_COLUMNS} FROM authsvc.signing_keys ORDER BY create_time, kid"
# Two first starts at once: the second one waits here, then finds the key of the first.
_LOCK: Final = "LOCK TABLE authsvc.signing_keys IN SHARE ROW EXCLUSIVE MODE"
_INSERT_FIRST: Final = f"""
INSERT INTO authsvc.signing_keys ({_COLUMNS})
SELECT $1, $2, $3, $4, $5
 WHERE NOT EXISTS (SELECT FROM authsvc.signing_keys WHERE algorithm = $2)
"""


class PostgresSigningKeys:
    """Reads and writes signing keys."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def list_signing_keys(self, deadline: Deadline) -> list[SealedSigningKey]:
        """Return all signing keys, oldest first."""

        async def fetch(connection: Connection) -> list[Row]:
            return await connection.fetch(_LIST)

        return [_signing_key(row) for row in await self._database.run(fetch, deadline)]

    async def insert_first_signing_key(
        self, key: SealedSigningKey, origin: Origin, deadline: Deadline
    ) -> None:
        """Keep a signing key, unless there is one of its algorithm already."""

        async def insert(connection: Connection) -> None:
            await connection.execute(_LOCK)
            await connection.execute(
                _INSERT_FIRST,
                key.kid,
                key.algorithm.value,
                key.public_key,
                key.sealed_private_key,
                key.create_time,
            )

        await self._database.change(origin, insert, deadline)


def _signing_key(row: Row) -> SealedSigningKey:
    columns = dict(row)
    columns["algorithm"] = SigningAlgorithm(row["algorithm"])
    return SealedSigningKey(**columns)
