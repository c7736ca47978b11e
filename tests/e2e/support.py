"""Processes of the real command, driven from outside: started, watched, ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from orchestrator.auth import AuthClient
from tests.e2e.wiretap import ISSUED, WIRETAP

T = TypeVar("T")

BIN: Final = Path(sys.executable).parent
AUTHSVC: Final = str(BIN / "authsvc")
SECRET: Final = ISSUED
DATA_DIR: Final = ".authsvc"

_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.02


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment with these settings and no others of the product."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AUTHSVC_", "ORCHESTRATOR_", "GRPC_"))
    }
    # Several servers at once: each takes free ports, unless a test says which.
    ports = {"AUTHSVC_LISTEN_ADDRESS": "127.0.0.1:0", "AUTHSVC_HTTP_ADDRESS": "127.0.0.1:0"}
    return {**inherited, "COLUMNS": "80", **ports, **(settings or {})}


def until(found: Callable[[], T | None], what: str, seconds: float = _START_SECONDS) -> T:
    """Poll for a true value, and return it."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(_POLL_SECONDS)
    return value


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Command:
    """A command of the console script, and what it is given."""

    arguments: Sequence[str]
    stdin: str = ""
    settings: Mapping[str, str] | None = None
    cwd: Path | None = None


def run_all(commands: Sequence[Command]) -> list[Ended]:
    """Run commands to their end, several at a time: what they take is mostly their start."""
    with ThreadPoolExecutor(max_workers=(os.cpu_count() or 1) + 1) as pool:
        return list(pool.map(_run, commands))


def _run(command: Command) -> Ended:
    done = subprocess.run(
        [AUTHSVC, *command.arguments],
        input=command.stdin,
        capture_output=True,
        text=True,
        env=environment(command.settings),
        cwd=command.cwd,
        timeout=_END_SECONDS,
        check=False,
    )
    WIRETAP.issue_from(done.stdout)
    WIRETAP.issue(*command.stdin.splitlines())
    WIRETAP.tell("errors of commands", done.stderr)
    # Whatever else a command does: secrets belong on standard output only.
    assert SECRET.search(done.stderr) is None
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def run(
    *arguments: str,
    stdin: str = "",
    settings: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Ended:
    """Run one command to its end."""
    return _run(Command(arguments, stdin, settings, cwd))


class Process:
    """A long-running command in a process group of its own, like a shell's foreground job."""

    def __init__(
        self,
        arguments: Sequence[str],
        settings: Mapping[str, str],
        cwd: Path,
        command: Sequence[str] = (AUTHSVC,),
    ) -> None:
        number = len(list(cwd.glob("*.out")))
        self._out, self._err = cwd / f"{number}.out", cwd / f"{number}.err"
        WIRETAP.tell_file("logs of servers", self._err)
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment({**WIRETAP.settings, **settings}),
                cwd=cwd,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def output(self) -> str:
        return self._out.read_text()

    def errors(self) -> str:
        return self._err.read_text()

    def wait_for(self, pattern: str, text: Callable[[], str]) -> re.Match[str]:
        """Wait until what the process printed has a pattern."""

        def found() -> re.Match[str] | None:
            match = re.search(pattern, text())
            assert match or self._process.poll() is None, f"it ended: {self.errors()}"
            return match

        return until(found, pattern)

    def wait(self) -> int:
        """Wait for the end, and return the exit code."""
        return self._process.wait(_END_SECONDS)

    def signal(self, number: int) -> None:
        """Send a signal, and wait for nothing."""
        self._process.send_signal(number)

    def terminate(self) -> int:
        """Stop it as a supervisor does."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def interrupt(self) -> int:
        """Stop it as Ctrl-C in a terminal does: the signal goes to the whole group."""
        os.killpg(self.pid, signal.SIGINT)
        return self.wait()

    def kill(self) -> None:
        """Let it die without a chance to do anything."""
        self._process.kill()
        self.wait()

    def end(self) -> None:
        """Stop it if it still runs."""
        if self._process.poll() is None:
            # Not when a test stops it itself: what a server tells then is not its subject.
            for address in set(re.findall(r'"http_address": "(\S+?)"', self.errors())):
                WIRETAP.tell_metrics(address)
            try:
                self.terminate()
            finally:
                self._process.kill()


class Dev(Process):
    """`authsvc dev` on the default data directory below a directory."""

    def __init__(self, cwd: Path, settings: Mapping[str, str] | None = None) -> None:
        """Start it, and wait until it has printed its guide."""
        super().__init__(["dev", "--address", "127.0.0.1:0"], settings or {}, cwd)
        self.cwd = cwd
        self.data_dir = cwd / DATA_DIR
        try:
            self.wait_for(r"The database itself: .*\n", self.output)
        except BaseException:
            self.end()
            raise
        self.address = self._printed(r"authsvc serves on (\S+)\.")
        WIRETAP.issue(self.admin_key, (self.data_dir / "encryption.key").read_text().strip())
        self.account_id = self._printed(r'"account_id": "(\w+)"')
        self.postgres_pids = find_postgres(self.data_dir)

    @property
    def admin_key(self) -> str:
        return (self.data_dir / "admin.key").read_text().strip()

    @property
    def caller(self) -> dict[str, str]:
        """The settings with which the command line reaches it."""
        return {
            "AUTHSVC_ADDRESS": self.address,
            "AUTHSVC_API_KEY": self.admin_key,
            "AUTHSVC_PLAINTEXT": "true",
        }

    @contextmanager
    def client(self) -> Iterator[AuthClient]:
        with AuthClient(
            self.address, api_key=self.admin_key, plaintext=True, timeout=10.0
        ) as client:
            yield client

    def create_key(self, name: str) -> str:
        """Make a key of the default account, and return its secret."""
        with self.client() as client:
            return client.create_key(name, account_id=self.account_id).secret.reveal()

    def accepts(self, credential: str) -> bool:
        with self.client() as client:
            return bool(client.check(credential))

    def left(self) -> set[int]:
        """The processes of its Postgres that still run."""
        return {pid for pid in self.postgres_pids if is_running(pid)} | find_postgres(self.data_dir)

    def _printed(self, pattern: str) -> str:
        match = re.search(pattern, self.output())
        assert match, pattern
        return match[1]


@contextmanager
def dev(cwd: Path, settings: Mapping[str, str] | None = None) -> Iterator[Dev]:
    """`authsvc dev`, stopped at the end if it still runs."""
    started = Dev(cwd, settings)
    try:
        yield started
    finally:
        started.end()


@contextmanager
def serve(
    cwd: Path, settings: Mapping[str, str], command: Sequence[str] = (AUTHSVC,)
) -> Iterator[tuple[Process, str]]:
    """`authsvc serve`, and the address at which it answers."""
    started = Process(["serve"], settings, cwd, command)
    try:
        yield started, started.wait_for(r'"address": "(\S+)"', started.errors)[1]
    finally:
        started.end()


def postmaster_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split("\n")[0])


def find_postgres(data_dir: Path) -> set[int]:
    """Return the processes that work in the directory of a database."""
    cluster = (data_dir / "postgres").resolve()
    found = set()
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == cluster:
                found.add(int(process.name))
        except OSError:  # it has ended, or is not ours
            continue
    return found


def is_running(pid: int) -> bool:
    """Tell whether there is such a process that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
