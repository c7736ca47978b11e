"""A primary and its synchronous standby, to be failed over.

Depends on the embedded Postgres, whose package brings `pg_basebackup`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from authsvc.domain.database_hosts import hosts_of
from authsvc.postgres.embedded import EmbeddedPostgres
from authsvc.postgres.embedded.account import CLUSTER_NAME, choose_account, place_files
from authsvc.postgres.embedded.process import find_programs, run_program
from benchmarks.database import connected
from benchmarks.processes import family

_LONG_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.01
_SET: Final = "ALTER SYSTEM SET {} = '{}'"
# The commit of a key waits for the standby, which has it on its disk.
_IS_HELD: Final = """
SELECT EXISTS (SELECT FROM pg_stat_activity JOIN pg_locks USING (pid)
                WHERE wait_event = 'SyncRep' AND query = 'COMMIT'
                  AND relation = 'authsvc.keys'::regclass AND mode = 'RowExclusiveLock')
   AND (SELECT bool_and(flush_lsn >= pg_current_wal_flush_lsn()) FROM pg_stat_replication)
"""


class StandbyPair:
    """Two servers of one database; a commit is acknowledged when both have it."""

    def __init__(self, primary: EmbeddedPostgres, standby: EmbeddedPostgres) -> None:
        """Use `standby_pair`."""
        self.primary, self.standby = primary, standby

    @property
    def url(self) -> str:
        """The URL that names both, the first primary first."""
        (first, port), (second, _) = _socket(self.primary), _socket(self.standby)
        return f"postgresql://postgres@/postgres?host={quote(first)},{quote(second)}&port={port}"

    async def hold_a_commit(self) -> None:
        """Have commits wait, and wait until that of a key does, which the standby has on its disk.

        From here on the key is made, though nobody is told. Somebody must be making keys.
        """
        await _execute(
            self.primary.url(),
            _SET.format("synchronous_commit", "remote_apply"),
            "SELECT pg_reload_conf()",
        )
        await _execute(self.standby.url(), "SELECT pg_wal_replay_pause()")
        async with connected(self.primary.url()) as connection, asyncio.timeout(_LONG_SECONDS):
            while not await connection.fetchval(_IS_HELD):  # noqa: ASYNC110 - no event
                await asyncio.sleep(_POLL_SECONDS)

    def kill_primary(self) -> None:
        """Kill the primary with all of its processes, without a word to anybody."""
        for pid in family(self.primary.postmaster_pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def promote(self) -> None:
        """Make the standby the primary; it waits for no other one."""
        await _execute(self.standby.url(), "SELECT pg_promote()")


@asynccontextmanager
async def standby_pair(home: Path) -> AsyncIterator[StandbyPair]:
    """Start both in directories of their own, and stop what still runs at the end.

    Args:
        home: Where the directories go.
    """
    primary, standby = EmbeddedPostgres(home / "first"), EmbeddedPostgres(home / "second")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(primary)
        await _copy(primary, home / "second")
        await stack.enter_async_context(standby)
        await _execute(
            primary.url(),
            _SET.format("synchronous_standby_names", "*"),
            "SELECT pg_reload_conf()",
        )
        yield StandbyPair(primary, standby)


async def _copy(primary: EmbeddedPostgres, directory: Path) -> None:
    """Make a standby of a running server."""
    await asyncio.to_thread(directory.mkdir, mode=0o700)
    programs = find_programs()
    account = await choose_account(programs, directory)
    files = await place_files(account, directory)
    host, port = _socket(primary)
    await run_program(
        [
            *account.prefix,
            str(programs / "pg_basebackup"),
            *("--host", host, "--port", str(port), "--username", "postgres"),
            *("--pgdata", str(files / CLUSTER_NAME), "--checkpoint", "fast"),
            "--write-recovery-conf",
        ],
        directory=files,
        timeout_seconds=_LONG_SECONDS,
    )


async def _execute(url: str, *statements: str) -> None:
    async with connected(url) as connection:
        for statement in statements:
            await connection.execute(statement)


def _socket(server: EmbeddedPostgres) -> tuple[str, int]:
    (socket,) = hosts_of(server.url())
    return socket
