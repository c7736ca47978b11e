"""One database cluster: making it, and starting and stopping the server on it.

Depends on the standard library, structlog and the modules beside it.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from authsvc.postgres.embedded.account import CLUSTER_NAME, Account
from authsvc.postgres.embedded.files import (
    LOG_NAME,
    DataDirectoryUnusable,
    DataDirectoryVersionMismatch,
    Postmaster,
    find_postmaster,
    read_log_tail,
    rename_durably,
    rotate_log,
)
from authsvc.postgres.embedded.process import CommandFailed, EmbeddedPostgresError, run_program

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = structlog.get_logger()

_INITDB_SECONDS = 120.0
_VERSION_SECONDS = 20.0
_STOPS = (("fast", 30), ("immediate", 10))
_MARGIN_SECONDS = 5.0
_RETRY_SECONDS = 0.1
_PARTIAL_PREFIX = "postgres.partial-"
# Both compare byte by byte and know every letter.
_LOCALE = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
_LOCALE_OF_THE_SYSTEM = ("--locale=C", "--lc-ctype=C.UTF-8")
_BUILTIN_LOCALES_SINCE = 17


class ServerDidNotStart(EmbeddedPostgresError):
    """PostgreSQL ended while it started, or did not become ready in time."""

    def __init__(self, reason: str, log: Path, log_tail: str) -> None:
        """Keep the reason, and show the last lines of the server's log."""
        super().__init__(f"{reason}\nThe last lines of {log}:\n{log_tail or '(nothing)'}")


class ServerDidNotStop(EmbeddedPostgresError):
    """PostgreSQL still runs after a fast and an immediate shutdown."""

    def __init__(self, pid: int) -> None:
        """Keep the process id of the server."""
        super().__init__(f"PostgreSQL, process {pid}, did not stop when it was told to.")
        self.pid = pid


@dataclass(frozen=True, slots=True)
class Cluster:
    """A database cluster in `<home>/postgres`, and what it takes to run a server on it."""

    programs: Path
    account: Account
    home: Path

    @property
    def path(self) -> Path:
        """The cluster's directory, PGDATA."""
        return self.home / CLUSTER_NAME

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.home / LOG_NAME

    async def make(self) -> None:
        """Make the cluster if there is none, and check the version of one that is there.

        initdb works under another name, so that an interrupted one leaves nothing in the way.

        Raises:
            CommandFailed: initdb failed.
            DataDirectoryUnusable: what is there is no cluster.
            DataDirectoryVersionMismatch: another major version made the cluster.
        """
        installed = await self._installed_version()
        if self.path.exists():
            self._check_version(str(installed))
            return
        partial = self._make_partial_directory()
        try:
            await self._run(
                "initdb",
                f"--pgdata={partial.name}",
                "--username=postgres",
                "--auth-local=trust",
                "--auth-host=reject",
                "--encoding=UTF8",
                *(_LOCALE if installed >= _BUILTIN_LOCALES_SINCE else _LOCALE_OF_THE_SYSTEM),
                "--no-instructions",
                timeout_seconds=_INITDB_SECONDS,
            )
            rename_durably(partial, self.path)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    async def start(self, options: Sequence[str], timeout_seconds: float) -> Postmaster:
        """Start the server and wait until it accepts connections.

        Args:
            options: command-line options of `postgres`.
            timeout_seconds: how long the start may take, recovery after a crash included.

        Returns:
            The running server.

        Raises:
            ServerDidNotStart: it did not become ready in time.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_seconds
        while True:
            log_start = rotate_log(self.log)
            seconds = max(1, round(deadline - clock()))
            try:
                await self._run(
                    "pg_ctl",
                    *("start", "--silent", "--wait", f"--timeout={seconds}"),
                    # pg_ctl pastes these paths into a shell command, so they are relative, plain.
                    *("--pgdata", CLUSTER_NAME, "--log", LOG_NAME),
                    *("--options", shlex.join(options)),
                    timeout_seconds=seconds + _MARGIN_SECONDS,
                )
            except CommandFailed as error:
                tail = read_log_tail(self.log, log_start)
                # Backends of a killed server end by themselves, but not at once.
                if "pre-existing shared memory block" not in tail or clock() >= deadline:
                    raise ServerDidNotStart(str(error), self.log, tail) from error
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if (running := find_postmaster(self.path)) is not None:
                _log.info("embedded postgres started", pid=running.pid, directory=str(self.home))
                return running
            tail = read_log_tail(self.log, log_start)
            raise ServerDidNotStart("PostgreSQL ended after its start.", self.log, tail)

    async def stop(self) -> None:
        """Stop the server; without effect when none runs.

        Raises:
            ServerDidNotStop: it still runs after a fast and an immediate shutdown.
        """
        for mode, seconds in _STOPS:
            if (running := find_postmaster(self.path)) is None:
                return
            try:
                await self._run(
                    "pg_ctl",
                    *("stop", "--silent", "--wait", f"--timeout={seconds}", "--mode", mode),
                    *("--pgdata", CLUSTER_NAME),
                    timeout_seconds=seconds + _MARGIN_SECONDS,
                )
            except CommandFailed as error:
                _log.warning("embedded postgres did not stop", mode=mode, error=str(error))
            else:
                _log.info("embedded postgres stopped", pid=running.pid, directory=str(self.home))
        if (running := find_postmaster(self.path)) is not None:
            raise ServerDidNotStop(running.pid)

    async def _installed_version(self) -> int:
        """Return 15 of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`."""
        printed = await self._run("postgres", "--version", timeout_seconds=_VERSION_SECONDS)
        if (version := re.search(r"\(PostgreSQL\) (\d+)", printed)) is None:
            raise CommandFailed("postgres", "told no version", printed)
        return int(version[1])

    async def _run(self, program: str, *arguments: str, timeout_seconds: float) -> str:
        command = (*self.account.prefix, str(self.programs / program), *arguments)
        return await run_program(
            command, directory=self.home, timeout_seconds=timeout_seconds, name=program
        )

    def _make_partial_directory(self) -> Path:
        """Make an empty directory for initdb, and remove those of interrupted ones."""
        for leftover in self.home.glob(f"{_PARTIAL_PREFIX}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix=_PARTIAL_PREFIX, dir=self.home))
        os.chown(partial, self.account.uid, self.account.gid)
        return partial

    def _check_version(self, installed: str) -> None:
        try:
            found = (self.path / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise DataDirectoryUnusable(
                f"{self.path} is not a database directory of PostgreSQL. Move it away, or choose "
                "another data directory."
            ) from None
        if found != installed:
            raise DataDirectoryVersionMismatch(self.path, found, installed)
