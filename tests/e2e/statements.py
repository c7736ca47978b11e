"""Texts of statements that a database keeps: its log of all of them, and pg_stat_statements.

The embedded package has no pg_stat_statements. Where a Postgres is installed that has it, the
end-to-end tests run on that one; elsewhere they are content with the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncpg

from authsvc.postgres.embedded import EmbeddedPostgres
from tests.conftest import execute
from tests.e2e.support import DATA_DIR, Dev, dev
from tests.e2e.wiretap import STATEMENTS, WIRETAP, Wiretap
from tests.support_postgres import INSTALLED, STATISTICS

# As they came, without their parameters.
_LOG_STATEMENTS: Final = (
    "ALTER SYSTEM SET log_statement = 'all'",
    "ALTER SYSTEM SET log_parameter_max_length = 0",
    "ALTER SYSTEM SET log_parameter_max_length_on_error = 0",
    "SELECT pg_reload_conf()",
)
_KEEP_STATISTICS: Final = {
    "shared_preload_libraries": STATISTICS,
    # Each database of a test has rows of its own, and they outlive it.
    f"{STATISTICS}.max": "50000",
    f"{STATISTICS}.track": "all",
    f"{STATISTICS}.track_utility": "on",
}


SETTINGS: Final[Mapping[str, str]] = _KEEP_STATISTICS if INSTALLED else {}
"""What the end-to-end tests' server has set."""


@contextmanager
def listening_to_statements(url: str) -> Iterator[None]:
    """Listen, until the block ends, to what a server keeps of all statements."""
    asyncio.run(log_statements(url))
    yield
    if INSTALLED:
        asyncio.run(tell_statistics(url))


async def log_statements(url: str, wiretap: Wiretap = WIRETAP) -> None:
    """Have a server log the text of every statement, and listen to it."""
    connection = await asyncpg.connect(url)
    try:
        directory = Path(await connection.fetchval("SHOW data_directory"))
    finally:
        await connection.close()
    await execute(url, *_LOG_STATEMENTS)
    wiretap.tell_file(STATEMENTS, directory.parent / "postgres.log")


async def tell_statistics(url: str, wiretap: Wiretap = WIRETAP) -> None:
    """Take every text in a server's pg_stat_statements, those of all its databases."""
    await execute(url, f"CREATE EXTENSION IF NOT EXISTS {STATISTICS}")
    connection = await asyncpg.connect(url)
    try:
        forgotten = await connection.fetchval(f"SELECT dealloc FROM {STATISTICS}_info")
        rows = await connection.fetch(f"SELECT query FROM {STATISTICS}")
    finally:
        await connection.close()
    assert forgotten == 0, f"{STATISTICS}.max is too small for this many tests"
    wiretap.tell(STATISTICS, "\n".join(row["query"] for row in rows))


@contextmanager
def overheard_dev(cwd: Path, settings: Mapping[str, str]) -> Iterator[Dev]:
    """`authsvc dev` on a database that is listened to."""
    chosen = {}
    if INSTALLED:
        asyncio.run(_make_cluster(cwd / DATA_DIR, INSTALLED))
        chosen["AUTHSVC_POSTGRES_BIN"] = str(INSTALLED)
    with dev(cwd, {**settings, **chosen}) as started:
        url = (started.data_dir / "database.url").read_text().strip()
        with listening_to_statements(url):
            yield started


async def _make_cluster(data_dir: Path, programs: Path) -> None:
    """Make an empty database that keeps statistics whoever starts it."""
    async with EmbeddedPostgres(data_dir, programs=programs):
        pass
    with (data_dir / "postgres" / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in _KEEP_STATISTICS.items())
