"""Start, adopt and stop one PostgreSQL server on a data directory.

Depends on the standard library, structlog and the modules beside it.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import structlog

from authsvc.postgres.embedded.account import CLUSTER_NAME, choose_account, place_files
from authsvc.postgres.embedded.cluster import Cluster, ServerDidNotStart
from authsvc.postgres.embedded.files import (
    PORT,
    DirectoryLock,
    Postmaster,
    disown_dead_postmaster,
    find_postmaster,
    make_socket_directory,
    read_log_tail,
    remove_socket_directory,
)
from authsvc.postgres.embedded.process import EmbeddedPostgresError, find_programs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

_log = structlog.get_logger()

_START_SECONDS = 60.0
_POLL_SECONDS = 0.1
_OWN_SETTINGS = frozenset({"data_directory", "listen_addresses", "port", "unix_socket_directories"})


class PostgresNotRunning(EmbeddedPostgresError):
    """Something was asked that only a started server has."""


class EmbeddedPostgres:
    """One PostgreSQL server, reached through a Unix socket by this user alone.

    Use it with `async with`, or call `start` and `stop`. Between the two this process has
    exclusive use of the data directory. If the process is killed the server goes on running, and
    the next start on the directory adopts it.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        settings: Mapping[str, str] | None = None,
        programs: Path | None = None,
    ) -> None:
        """Prepare a server without touching the disk.

        Args:
            data_dir: where everything is kept; it is created, for this user alone, when missing.
            settings: PostgreSQL settings beside the defaults, such as `{"shared_buffers": "1GB"}`.
            programs: the `bin` directory of another PostgreSQL than that of the extra `embedded`.

        Raises:
            ValueError: a setting is one of those that keep the server private and findable, or is
                no setting's name.
        """
        self._data_dir = data_dir.absolute()
        self._settings = dict(settings or {})
        self._programs = programs
        for name in self._settings:
            if name in _OWN_SETTINGS or not re.fullmatch(r"[A-Za-z_][\w.]*", name):
                raise ValueError(f"The setting {name!r} cannot be given to the embedded server.")
        self._lock = DirectoryLock(self._data_dir)
        self._cluster: Cluster | None = None
        self._postmaster: Postmaster | None = None

    async def __aenter__(self) -> Self:
        """Start the server; see `start`."""
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the server; see `stop`."""
        await self.stop()

    @property
    def postmaster_pid(self) -> int:
        """The process id of the server's main process.

        Raises:
            PostgresNotRunning: the server is not started.
        """
        return self._running().pid

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database, for asyncpg, SQLAlchemy, psql and all of libpq.

        Args:
            database: the database's name; that it exists is not checked.

        Returns:
            A `postgresql://` URL without a password: the socket's directory is the protection.

        Raises:
            PostgresNotRunning: the server is not started.
        """
        directory = quote(str(self._running().socket_directory))
        # The port is given so that a PGPORT in the environment has no say.
        return f"postgresql://postgres@/{quote(database, safe='')}?host={directory}&port={PORT}"

    async def start(self) -> None:
        """Make the database when the directory is new, start the server and wait until it is ready.

        A server that a killed process left running is adopted; when its settings or its program
        differ from what is wanted now, it is restarted.

        Raises:
            DataDirectoryInUse: another process, or another object of this one, uses the directory.
            DataDirectoryNotPrivate: every user may write in the directory.
            DataDirectoryUnusable: the directory holds something that is not a database.
            DataDirectoryVersionMismatch: another major version of PostgreSQL made the database.
            EmbeddedPackageMissing: no programs are named, nor is the extra `embedded` installed.
            ProgramsMissing: the programs are not where they were said to be.
            NoUsableAccount: this user is root and no other way to run PostgreSQL was found.
            CommandFailed: the database could not be made.
            ServerDidNotStart: the server could not be started.
            OSError: the directory cannot be made or written.
        """
        self._lock.acquire()
        try:
            programs = find_programs(self._programs)
            account = await choose_account(programs, self._data_dir)
            home = await place_files(account, self._data_dir)
            self._cluster = Cluster(programs, account, home)
            await self._cluster.make()
            self._postmaster = await self._adopt_or_start(self._cluster)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the server and let go of the directory; without effect when it is not started.

        Clients are disconnected and their transactions rolled back. A server that takes more than
        30 seconds is stopped without a checkpoint, which the next start makes up for.

        Raises:
            ServerDidNotStop: the server still runs.
        """
        if not self._lock.held:
            return
        try:
            if self._cluster is not None:
                await self._cluster.stop()
                remove_socket_directory(self._cluster.home, self._cluster.account.uid)
        finally:
            self._cluster = None
            self._postmaster = None
            self._lock.release()

    def _running(self) -> Postmaster:
        if self._postmaster is None:
            raise PostgresNotRunning("The embedded PostgreSQL is not started.")
        return self._postmaster

    async def _adopt_or_start(self, cluster: Cluster) -> Postmaster:
        clock = asyncio.get_running_loop().time
        deadline = clock() + _START_SECONDS
        while (found := find_postmaster(cluster.path)) is not None:
            if found.status == "ready":
                if self._serves_as_wanted(found, cluster):
                    _log.info("embedded postgres adopted", pid=found.pid)
                    return found
                await cluster.stop()
            elif clock() > deadline:
                reason = f"PostgreSQL, process {found.pid}, is neither ready nor ended."
                raise ServerDidNotStart(reason, cluster.log, read_log_tail(cluster.log, 0))
            else:
                await asyncio.sleep(_POLL_SECONDS)
        disown_dead_postmaster(cluster.path)
        directory = make_socket_directory(cluster.home, cluster.account.uid, cluster.account.gid)
        return await cluster.start(self._server_options(directory), _START_SECONDS)

    def _server_options(self, socket_directory: Path) -> list[str]:
        settings = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(socket_directory),
            "unix_socket_permissions": "0700",
            "fsync": "on",
            "log_destination": "stderr",
            "logging_collector": "off",
            **self._settings,
        }
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _serves_as_wanted(self, running: Postmaster, cluster: Cluster) -> bool:
        """Return whether a server that was found can be reached and was started as now."""
        if not (running.socket_directory / f".s.PGSQL.{PORT}").is_socket():
            return False
        arguments = ["-D", CLUSTER_NAME, *self._server_options(running.socket_directory)]
        expected = str(cluster.programs / "postgres") + "".join(f' "{each}"' for each in arguments)
        return (cluster.path / "postmaster.opts").read_text().strip() == expected
