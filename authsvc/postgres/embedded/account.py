"""As whom PostgreSQL runs, and where its files may therefore be.

PostgreSQL refuses to run as root, and initdb refuses a user without a name. So, in this order:

1. An ordinary user with a name runs it as itself.
2. Root, and a user without a name, run it in a user namespace in which they bear an ordinary
   user's name. On disk the files stay theirs; no mode is changed and no user is made.
3. Where namespaces are refused (Docker's default profile does), root runs it as an ordinary user
   that exists already: the owner of the data directory, else `postgres`, else `nobody`. The
   files are in the data directory when that user may go there, and otherwise below
   `/var/lib/authsvc-embedded`, with a symbolic link to them in the data directory.

What an earlier start chose is kept: the owner of existing files decides.
Depends on the standard library only.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from authsvc.postgres.embedded.files import LOCK_NAME, LOG_NAME, DataDirectoryUnusable
from authsvc.postgres.embedded.process import (
    SEARCH_PATH,
    CommandFailed,
    EmbeddedPostgresError,
    run_program,
)

CLUSTER_NAME = "postgres"
"""The name of PostgreSQL's own data directory, PGDATA."""

ELSEWHERE = Path("/var/lib/authsvc-embedded")
"""Holds the files of data directories that the chosen user may not enter."""

_PROBE_SECONDS = 20.0
_RUN = 'exec "$1" --version'
_ENTER = 'cd "$1"'
_WRITE = 'cd "$1" && test -w .'


class NoUsableAccount(EmbeddedPostgresError):
    """There is no user as whom PostgreSQL could run here."""

    def __init__(self, attempts: list[str]) -> None:
        """Say what was tried and what would help."""
        tried = "; ".join(attempts) or "there was nothing to try"
        super().__init__(
            "PostgreSQL does not run as root or as a user without a name, and no other way was "
            f"found ({tried}). Run authsvc as an ordinary user that may read the installed "
            "package and write the data directory."
        )


@dataclass(frozen=True, slots=True)
class Account:
    """The user as whom the programs run, and the command that makes them run so."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()


async def choose_account(programs: Path, data_dir: Path) -> Account:
    """Choose as whom PostgreSQL runs, by trying to run it.

    Args:
        programs: the directory of the PostgreSQL programs.
        data_dir: the data directory; it exists.

    Returns:
        The first account in the order above that can run the programs.

    Raises:
        NoUsableAccount: none can.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0 and _name_of(uid) is not None:
        return Account(uid, gid)
    attempts: list[str] = []
    keeper = _owner_of_existing_files(data_dir)
    if keeper in (None, uid):
        namespaced = _namespaced_account(uid, gid)
        if (
            namespaced
            and await _can(namespaced, _RUN, programs / "postgres", attempts)
            and await _can(namespaced, _WRITE, data_dir, attempts)
        ):
            return namespaced
    if keeper == 0:
        attempts.append(f"what is in {data_dir} belongs to root and needs a user namespace")
    if uid == 0:
        for candidate in _ordinary_accounts(data_dir, keeper):
            if await _can(candidate, _RUN, programs / "postgres", attempts):
                return candidate
    raise NoUsableAccount(attempts)


async def place_files(account: Account, data_dir: Path) -> Path:
    """Decide where the files of a data directory are, and make that place.

    Args:
        account: as whom PostgreSQL runs.
        data_dir: the data directory; it exists and is locked by this process.

    Returns:
        The directory of the cluster, its log and its socket: nearly always `data_dir` itself.

    Raises:
        DataDirectoryUnusable: it refers to a place that is gone.
    """
    cluster = data_dir / CLUSTER_NAME
    if cluster.is_symlink():
        home = cluster.readlink().parent
        if not home.is_dir():
            raise DataDirectoryUnusable(
                f"The files of {data_dir} were kept in {home}, which is gone. "
                f"Remove {cluster} to begin with an empty database."
            )
        return home
    if cluster.exists() or await _can(account, _WRITE, data_dir, []):
        return data_dir
    # Only a directory that holds nothing yet is handed over; what is somebody's stays theirs.
    reachable = await _can(account, _ENTER, data_dir.parent, [])
    if reachable and _holds_nothing(data_dir):
        os.chown(data_dir, account.uid, account.gid)
        return data_dir
    return _make_place_elsewhere(account, data_dir)


def _make_place_elsewhere(account: Account, data_dir: Path) -> Path:
    """Make a directory that the account may enter, and record it by a symbolic link."""
    ELSEWHERE.mkdir(mode=0o711, parents=True, exist_ok=True)
    home = ELSEWHERE / secrets.token_hex(8)
    home.mkdir(mode=0o700)
    os.chown(home, account.uid, account.gid)
    (data_dir / LOG_NAME).unlink(missing_ok=True)
    (data_dir / LOG_NAME).symlink_to(home / LOG_NAME)
    (data_dir / CLUSTER_NAME).symlink_to(home / CLUSTER_NAME)
    return home


def _holds_nothing(data_dir: Path) -> bool:
    return {entry.name for entry in data_dir.iterdir()} <= {LOCK_NAME}


def _owner_of_existing_files(data_dir: Path) -> int | None:
    """Return who owns the cluster that is there, or the place made for it; None for neither."""
    cluster = data_dir / CLUSTER_NAME
    for path in (cluster, cluster.readlink().parent) if cluster.is_symlink() else (cluster,):
        if path.exists():
            return path.stat().st_uid
    return None


def _namespaced_account(uid: int, gid: int) -> Account | None:
    """Return this user under another name in a user namespace; None without `unshare`."""
    unshare = shutil.which("unshare", path=SEARCH_PATH)
    # initdb looks its user up by number, and images without a user 1000 are common.
    named = next((entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0), None)
    if unshare is None or named is None:
        return None
    return Account(
        uid, gid, (unshare, "--user", f"--map-user={named}", f"--map-group={named}", "--")
    )


def _ordinary_accounts(data_dir: Path, keeper: int | None) -> list[Account]:
    """Return the existing users as whom root may run PostgreSQL, best first."""
    setpriv = shutil.which("setpriv", path=SEARCH_PATH)
    if setpriv is None:
        return []
    wanted: tuple[int | str, ...] = (data_dir.stat().st_uid, "postgres", "nobody")
    if keeper is not None:
        wanted = (keeper,)
    accounts = []
    for who in wanted:
        try:
            entry = pwd.getpwuid(who) if isinstance(who, int) else pwd.getpwnam(who)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            user = (f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups")
            accounts.append(Account(entry.pw_uid, entry.pw_gid, (setpriv, *user, "--")))
    return accounts


async def _can(account: Account, script: str, path: Path, attempts: list[str]) -> bool:
    """Return whether the account can do what a script does to a path; note why it cannot."""
    command = (*account.prefix, "/bin/sh", "-c", script, "sh", str(path))
    try:
        await run_program(
            command, directory=Path("/"), timeout_seconds=_PROBE_SECONDS, name="the trial"
        )
    except (CommandFailed, OSError) as error:
        attempts.append(f"{' '.join(account.prefix)}: {error}")
        return False
    return True


def _name_of(uid: int) -> str | None:
    """Return the name of a user, None if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
