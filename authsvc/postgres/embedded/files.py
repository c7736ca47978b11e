"""The files of an embedded server: the lock, the socket directory, the log, the server's records.

    <data_dir>/lock          held with flock by the process that uses the directory
    <data_dir>/postgres/     PGDATA
    <data_dir>/postgres.log  the server's log, and one older generation, postgres.log.1
    <data_dir>/run           the socket's directory, or a symbolic link to it when it is elsewhere

Depends on the standard library only.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from authsvc.postgres.embedded.process import EmbeddedPostgresError

LOCK_NAME = "lock"
LOG_NAME = "postgres.log"
PORT = 5432
"""Only a part of the socket's name: the server listens on no TCP port."""

_RUN_NAME = "run"
_RUN_PREFIX = "authsvc-postgres-"
# The smallest limit of the supported systems: sun_path holds 104 bytes on macOS, 108 on Linux.
_MAX_SOCKET_PATH_BYTES = 103
_MAX_LOG_BYTES = 4 * 1024 * 1024
_LOG_TAIL_LINES = 20


class DataDirectoryInUse(EmbeddedPostgresError):
    """Another running process, or this one, uses the data directory."""

    def __init__(self, data_dir: Path, pid: int | None) -> None:
        """Keep the directory and the process id of its user, None if it is not known."""
        user = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            f"{data_dir} is in use by {user}. Stop that process, or choose another data directory."
        )
        self.data_dir = data_dir
        self.pid = pid


class DataDirectoryNotPrivate(EmbeddedPostgresError):
    """Every user of this machine may write in the data directory."""

    def __init__(self, data_dir: Path) -> None:
        """Name the directory."""
        super().__init__(
            f"Every user may write in {data_dir}. Choose a directory below it, which is then "
            "created for this user alone."
        )


class DataDirectoryUnusable(EmbeddedPostgresError):
    """The data directory holds something that PostgreSQL cannot be started on."""


class DataDirectoryVersionMismatch(EmbeddedPostgresError):
    """The data directory was made by another major version of PostgreSQL."""

    def __init__(self, cluster: Path, found: str, installed: str) -> None:
        """Keep the directory and both major versions."""
        super().__init__(
            f"{cluster} was made by PostgreSQL {found}, and the installed programs are "
            f"PostgreSQL {installed}. Name programs of PostgreSQL {found} with --postgres-bin, "
            "and move the data with pg_dump and pg_restore; or move the directory away to begin "
            "with an empty database."
        )
        self.found = found
        self.installed = installed


class DirectoryLock:
    """Exclusive use of a data directory, which ends with this process however it ends."""

    def __init__(self, data_dir: Path) -> None:
        """Prepare the lock of one directory without taking it."""
        self._data_dir = data_dir
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Create the directory, for this user alone, when it is missing, and lock it.

        Raises:
            DataDirectoryInUse: the lock is held, by another process or by this one.
            DataDirectoryNotPrivate: every user may write in the directory.
            OSError: the directory cannot be made or written.
        """
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._data_dir.stat().st_mode & stat.S_IWOTH:
            raise DataDirectoryNotPrivate(self._data_dir)
        # Python's descriptors are close-on-exec, so the server, which outlives a killed process,
        # does not keep the lock.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(self._data_dir / LOCK_NAME, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).strip()
            os.close(descriptor)
            pid = int(holder) if holder.isdigit() else None
            raise DataDirectoryInUse(self._data_dir, pid) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of the directory; without effect when the lock is not held."""
        # The file stays: another process may already wait on it, and would lock a removed file.
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A running server, as its own postmaster.pid describes it."""

    pid: int
    socket_directory: Path
    status: str
    """`starting`, `ready`, `stopping`, …; empty in the first moments."""


def find_postmaster(cluster: Path) -> Postmaster | None:
    """Return the server that runs on a cluster, None when there is none.

    A postmaster.pid that a killed server left behind is recognised even when its process id has
    since been given to another process, as happens soon in a restarted container.
    """
    try:
        lines = (cluster / "postmaster.pid").read_text().split("\n")
    except FileNotFoundError:
        return None
    lines += [""] * (8 - len(lines))
    if not lines[0].strip().isdigit() or not _works_in(int(lines[0]), cluster):
        return None
    return Postmaster(int(lines[0]), Path(lines[4]), lines[7].strip())


def disown_dead_postmaster(cluster: Path) -> None:
    """Let the next server start although the dead one's process id is another process's now.

    To be called only when `find_postmaster` found none, under the directory's lock.
    """
    path = cluster / "postmaster.pid"
    try:
        _, *rest = path.read_text().split("\n")
    except FileNotFoundError:
        return
    # PostgreSQL takes a file that names its parent or grandparent process for a leftover. Removing
    # the file would also remove the shared memory's key, by which the next server notices
    # backends of the dead one that still run.
    replacement = path.with_suffix(".pid.new")
    replacement.write_text("\n".join([str(os.getpid()), *rest]))
    replacement.chmod(0o600)
    owner = path.stat()
    os.chown(replacement, owner.st_uid, owner.st_gid)
    replacement.replace(path)


def make_socket_directory(home: Path, uid: int, gid: int) -> Path:
    """Make an empty directory for the socket, for one user alone, in place of an older one.

    It is `<home>/run`, unless that path is too long for a socket or has characters that a
    connection URL or PostgreSQL would take for separators; then it is a new temporary directory,
    recorded by a symbolic link of that name.
    """
    remove_socket_directory(home, uid)
    run = home / _RUN_NAME
    if _fits(run):
        run.mkdir(mode=0o700)
        directory = run
    else:
        parent = Path(tempfile.gettempdir())
        parent = parent if _fits(parent / f"{_RUN_PREFIX}12345678") else Path("/tmp")  # noqa: S108
        # mkdtemp chooses a name nobody can have prepared and makes it with mode 0700.
        directory = Path(tempfile.mkdtemp(prefix=_RUN_PREFIX, dir=parent))
        run.symlink_to(directory)
    os.chown(directory, uid, gid)
    return directory


def remove_socket_directory(home: Path, uid: int) -> None:
    """Remove the socket's directory, which no server uses any more."""
    run = home / _RUN_NAME
    if not run.is_symlink():
        shutil.rmtree(run, ignore_errors=True)
        return
    directory = run.readlink()
    # After a reboot the name may be somebody else's.
    try:
        status = directory.lstat()
    except FileNotFoundError:
        status = None
    if (
        status is not None
        and stat.S_ISDIR(status.st_mode)
        and status.st_uid == uid
        and directory.name.startswith(_RUN_PREFIX)
    ):
        shutil.rmtree(directory, ignore_errors=True)
    run.unlink()


def rotate_log(log: Path) -> int:
    """Set a log of more than 4 MiB aside, in place of the one set aside before.

    Returns:
        The length in bytes of the log that the next server will append to.
    """
    try:
        length = log.stat().st_size
    except FileNotFoundError:
        return 0
    if length <= _MAX_LOG_BYTES:
        return length
    log.replace(log.with_name(f"{log.name}.1"))
    return 0


def read_log_tail(log: Path, start: int) -> str:
    """Return the last lines of the log, none of them older than the byte position `start`."""
    try:
        with log.open("rb") as file:
            file.seek(start)
            lines = file.read(_MAX_LOG_BYTES).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-_LOG_TAIL_LINES:])


def rename_durably(source: Path, target: Path) -> None:
    """Rename within one directory so that the new name survives a loss of power."""
    source.rename(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _works_in(pid: int, cluster: Path) -> bool:
    """Return whether a process runs, and in the cluster's directory as every server does."""
    process = Path("/proc") / str(pid)
    try:
        os.kill(pid, 0)
        return (process / "cwd").samefile(cluster)
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self/cwd").exists()  # Without /proc, running has to be enough.
    except PermissionError:
        # In a container, root may not look into another user's process; its name it may see.
        try:
            name = (process / "comm").read_text().strip()
            return name == "postgres" and process.stat().st_uid == cluster.stat().st_uid
        except FileNotFoundError:
            return False


def _fits(directory: Path) -> bool:
    path = os.fsencode(directory / f".s.PGSQL.{PORT}")
    return len(path) <= _MAX_SOCKET_PATH_BYTES and bool(re.fullmatch(rb"[\w./+@-]+", path))
