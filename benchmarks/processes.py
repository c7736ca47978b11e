"""Child processes: started in a session of their own, ended by their process id, come what may.

A session of their own keeps the terminal's Ctrl-C from them, so that this process ends them in
order. Depends on the standard library.
"""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.errors import BenchmarkFailed

ROOT: Final = Path(__file__).resolve().parent.parent

_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    address: str
    pid: int
    log: Path
    """What it has written so far."""


@asynccontextmanager
async def serving(
    command: Sequence[str], log: Path, environment: Mapping[str, str], instances: int = 1
) -> AsyncIterator[Server]:
    """Run a server until the block ends.

    Args:
        command: The program and its arguments. It writes a line of JSON with the event `serving`
            and its `address` as soon as it answers.
        log: Where its output goes.
        environment: Its whole environment.
        instances: How many processes of it write such a line.

    Raises:
        BenchmarkFailed: It ended, or did not answer in time.
    """
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env=environment,
            stdin=DEVNULL,
            stdout=output,
            stderr=STDOUT,
            start_new_session=True,
        )
    try:
        yield Server(await _address(process, log, instances), process.pid, log)
    finally:
        await _end(process)


async def output_of(
    command: Sequence[str],
    environment: Mapping[str, str],
    limit_seconds: float,
    *,
    stdin: bytes = b"",
) -> str:
    """Run a program to its end and return what it printed.

    Args:
        command: The program and its arguments.
        environment: Its whole environment.
        limit_seconds: How long it may take.
        stdin: What it reads from standard input, which ends then.

    Raises:
        BenchmarkFailed: It failed, or took longer than the limit. The text does not repeat the
            arguments, which may hold a key.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=environment,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
    )
    name = Path(command[0]).name
    try:
        async with asyncio.timeout(limit_seconds):
            out, err = await process.communicate(stdin)
    except TimeoutError:
        raise BenchmarkFailed(f"{name} took more than {limit_seconds:g} s") from None
    finally:
        await _end(process)
    if process.returncode != 0:
        raise BenchmarkFailed(f"{name} ended with status {process.returncode}: {err.decode()}")
    return out.decode()


def cpu_seconds(pid: int) -> float | None:
    """Return the processor time of a process and its children, or None where there is no /proc."""
    try:
        return sum(_own_cpu_seconds(one) for one in family(pid))
    except OSError:
        return None


def resident_bytes(pid: int) -> int:
    """Return how much memory a process and its children have in use.

    Raises:
        BenchmarkFailed: There is no /proc to tell.
    """
    try:
        pages = sum(
            int(Path(f"/proc/{one}/statm").read_text(encoding="ascii").split()[1])
            for one in family(pid)
        )
    except OSError:
        raise BenchmarkFailed("memory is read from /proc, which is not here") from None
    return pages * os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> list[int]:
    """Return a process and its children, as a supervisor and its workers.

    Raises:
        OSError: There is no /proc, or no such process.
    """
    children = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += (task / "children").read_text(encoding="ascii").split()
    return [pid, *map(int, children)]


def _own_cpu_seconds(pid: int) -> float:
    text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    # The name in parentheses may hold anything; user and system time are the 14th and 15th fields.
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def find_events(log: Path, event: str) -> list[dict[str, object]]:
    """Return the lines of a log that tell of an event."""
    entries = []
    for line in _text(log).splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("event") == event:
            entries.append(entry)
    return entries


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


async def _address(process: Process, log: Path, instances: int) -> str:
    try:
        async with asyncio.timeout(_START_SECONDS):
            while len(entries := find_events(log, "serving")) < instances:
                if process.returncode is not None:
                    raise BenchmarkFailed(f"a server ended at its start: {_text(log).strip()}")
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise BenchmarkFailed(f"a server did not answer within {_START_SECONDS:g} s") from None
    return str(entries[0]["address"])


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except BaseException as error:
        # A second Ctrl-C does not wait for the orderly end, but leaves nothing behind either.
        if process.returncode is None:
            process.kill()
        if not isinstance(error, TimeoutError):
            raise
        await process.wait()
