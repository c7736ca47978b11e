"""What callers see of a failover: a primary killed under load, its standby promoted.

By hand: `python -m benchmarks.failover [runs]`. The end-to-end test runs the same once.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg

from authsvc.postgres.embedded import EmbeddedPostgres
from authsvc.postgres.embedded.account import choose_account, place_files
from authsvc.postgres.embedded.process import find_programs, run_program
from orchestrator.auth import AuthClient, AuthServiceError

_AUTHSVC: Final = (sys.executable, "-m", "authsvc")
_LONG_SECONDS: Final = 60.0
_OUTAGE_SECONDS: Final = 2.0
_WRITE_SECONDS: Final = 4.0
_AFTER_WRITES: Final = 20


class StandbyPair:
    """A primary and its synchronous standby, each in a directory of its own."""

    def __init__(self, home: Path) -> None:
        """Prepare them without touching the disk."""
        self.primary = EmbeddedPostgres(home / "a")
        self.standby = EmbeddedPostgres(home / "b")
        self._standby_home = home / "b"

    async def start(self) -> None:
        """Start both, and have every commit wait for the standby."""
        await self.primary.start()
        self._standby_home.mkdir(mode=0o700)
        programs = find_programs()
        account = await choose_account(programs, self._standby_home)
        files = await place_files(account, self._standby_home)
        directory, port = self._socket(self.primary)
        await run_program(
            [
                *account.prefix,
                str(programs / "pg_basebackup"),
                *("--host", directory, "--port", port, "--username", "postgres"),
                *("--pgdata", str(files / "postgres"), "--checkpoint", "fast"),
                "--write-recovery-conf",
            ],
            directory=files,
            timeout_seconds=_LONG_SECONDS,
        )
        await self.standby.start()
        connection = await asyncpg.connect(self.primary.url())
        try:
            await connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            await connection.execute("SELECT pg_reload_conf()")
        finally:
            await connection.close()

    @property
    def url(self) -> str:
        """The URL that names both."""
        (first, port), (second, _) = self._socket(self.primary), self._socket(self.standby)
        return f"postgresql://postgres@/postgres?host={quote(first)},{quote(second)}&port={port}"

    def kill_primary(self) -> None:
        """Kill the primary with all of its processes, without a word to anybody."""
        postmaster = self.primary.postmaster_pid
        for pid in [postmaster, *_children_of(postmaster)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def promote(self) -> None:
        """Make the standby the primary."""
        connection = await asyncpg.connect(self.standby.url())
        try:
            await connection.fetchval("SELECT pg_promote()")
        finally:
            await connection.close()

    async def stop(self) -> None:
        """Stop what runs."""
        await self.standby.stop()
        await self.primary.stop()

    @staticmethod
    def _socket(server: EmbeddedPostgres) -> tuple[str, str]:
        query = parse_qs(urlsplit(server.url()).query)
        return query["host"][0], query["port"][0]


def _children_of(pid: int) -> list[int]:
    # Backends lead sessions and groups of their own.
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in children.read_text().split()] if children.exists() else []


@dataclass
class Seen:
    """What callers saw."""

    validations: int = 0
    failed_validations: Counter[str] = field(default_factory=Counter)
    longest_gap: float = 0.0
    failed_writes: Counter[str] = field(default_factory=Counter)
    failed_reads: Counter[str] = field(default_factory=Counter)
    writes_resumed: float = 0.0
    """Seconds from the kill to the first write that began after it and succeeded."""
    reads_resumed: float = 0.0
    """The same of a key's record, read from the database."""
    acknowledged: dict[str, str] = field(default_factory=dict)
    """The ids of acknowledged keys by name."""
    repeated: int = 0
    """How many of them took more than one call."""
    lost: int = 0
    duplicates: int = 0


class _Load:
    """Threads that call without pause."""

    def __init__(self, connect: Callable[[], AuthClient], account_id: str, secret: str) -> None:
        self.seen = Seen()
        self.killed_at: float | None = None
        self._connect, self._account_id, self._secret = connect, account_id, secret
        self._stop = threading.Event()
        self.after = 0

    @contextmanager
    def running(self, cached: str, key_id: str) -> Iterator[None]:
        threads = [
            threading.Thread(target=self._validate, args=(cached,)),
            threading.Thread(target=self._write),
            threading.Thread(target=self._read, args=(key_id,)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _validate(self, cached: str) -> None:
        with self._connect() as client:
            last = time.monotonic()
            while not self._stop.is_set():
                try:
                    outcome = "" if client.check(cached) else "denied"
                except AuthServiceError as error:
                    outcome = type(error).__name__
                if outcome:
                    self.seen.failed_validations[outcome] += 1
                else:
                    now = time.monotonic()
                    self.seen.longest_gap = max(self.seen.longest_gap, now - last)
                    last = now
                self.seen.validations += 1
                time.sleep(0.002)

    def _write(self) -> None:
        with self._connect() as client:
            number = 0
            while not self._stop.is_set():
                number += 1
                name, request_id, calls = f"k{number}", str(uuid.uuid4()), 0
                while not self._stop.is_set():
                    began, calls = time.monotonic(), calls + 1
                    try:
                        made = client.create_key(
                            name,
                            account_id=self._account_id,
                            request_id=request_id,
                            timeout=_WRITE_SECONDS,
                        )
                    except AuthServiceError as error:
                        self.seen.failed_writes[type(error).__name__] += 1
                        time.sleep(0.02)
                        continue
                    self.seen.acknowledged[name] = made.key.key_id
                    self.seen.repeated += calls > 1
                    self._note_write(began)
                    break

    def _note_write(self, began: float) -> None:
        if self.killed_at is not None and began > self.killed_at:
            if not self.after:
                self.seen.writes_resumed = time.monotonic() - self.killed_at
            self.after += 1

    def _read(self, key_id: str) -> None:
        with self._connect() as client:
            while not self._stop.is_set():
                began = time.monotonic()
                try:
                    client.get_key(key_id, timeout=_WRITE_SECONDS)
                except AuthServiceError as error:
                    self.seen.failed_reads[type(error).__name__] += 1
                else:
                    if self.killed_at and began > self.killed_at and not self.seen.reads_resumed:
                        self.seen.reads_resumed = time.monotonic() - self.killed_at
                time.sleep(0.01)


async def observe_failover(home: Path) -> Seen:
    """Kill the primary under load, promote the standby, and tell what callers saw."""
    pair = StandbyPair(home)
    try:
        await pair.start()
        settings = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("AUTHSVC_", "GRPC_"))},
            "AUTHSVC_DATABASE_URL": pair.url,
            "AUTHSVC_ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "AUTHSVC_LISTEN_ADDRESS": "127.0.0.1:0",
            "AUTHSVC_HTTP_ADDRESS": "off",
            "AUTHSVC_OUTAGE_POLICY": "serve-stale",
        }
        await asyncio.to_thread(_command, settings, "migrate")
        made = json.loads(await asyncio.to_thread(_command, settings, "bootstrap", "--json"))
        with _served(settings, home) as address:
            return await _observe(pair, address, made)
    finally:
        await pair.stop()


async def _observe(pair: StandbyPair, address: str, made: dict[str, str]) -> Seen:
    def connect() -> AuthClient:
        return AuthClient(address, api_key=made["secret"], plaintext=True, timeout=5.0)

    with connect() as client:
        account_id = client.create_account("Load").account_id
        cached = client.create_key("cached", account_id=account_id)
        secret = cached.secret.reveal()
        client.check(secret)  # From here on it is cached.
    load = _Load(connect, account_id, secret)
    with load.running(secret, cached.key.key_id):
        await _until(lambda: len(load.seen.acknowledged) >= _AFTER_WRITES)
        load.killed_at = time.monotonic()
        pair.kill_primary()
        await asyncio.sleep(_OUTAGE_SECONDS)
        await pair.promote()
        await _until(lambda: load.after >= _AFTER_WRITES and load.seen.reads_resumed > 0)
    connection = await asyncpg.connect(pair.standby.url())
    try:
        rows = await connection.fetch(
            "SELECT key_id, name FROM authsvc.keys WHERE account_id = $1", account_id
        )
    finally:
        await connection.close()
    stored = {row["key_id"] for row in rows}
    load.seen.lost = len(set(load.seen.acknowledged.values()) - stored)
    load.seen.duplicates = len(rows) - len({row["name"] for row in rows})
    return load.seen


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(_LONG_SECONDS):
        while not reached():  # noqa: ASYNC110 - other threads reach it
            await asyncio.sleep(0.02)


def _command(settings: dict[str, str], *arguments: str) -> str:
    return subprocess.run(
        [*_AUTHSVC, *arguments], env=settings, check=True, capture_output=True, text=True
    ).stdout


@contextmanager
def _served(settings: dict[str, str], home: Path) -> Iterator[str]:
    log = home / "service.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*_AUTHSVC, "serve"], env={**settings, "AUTHSVC_LOG_FORMAT": "json"}, stderr=out
        )
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        process.wait(_LONG_SECONDS)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _LONG_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if '"address"' in line:
                return str(json.loads(line)["address"])
        time.sleep(0.05)
    raise RuntimeError(f"the service did not start: {log.read_text()}")


def main() -> None:
    """Print one line for each run."""
    print(
        "run | validations | failed | longest gap s | reads resumed s | writes resumed s "
        "| failed reads | failed writes | acknowledged | repeated | lost | duplicates"
    )
    for run in range(1, int(sys.argv[1]) + 1 if len(sys.argv) > 1 else 4):
        with tempfile.TemporaryDirectory() as home:
            seen = asyncio.run(observe_failover(Path(home)))
        cells = (
            run,
            seen.validations,
            dict(seen.failed_validations),
            f"{seen.longest_gap:.2f}",
            f"{seen.reads_resumed:.2f}",
            f"{seen.writes_resumed:.2f}",
            dict(seen.failed_reads),
            dict(seen.failed_writes),
            len(seen.acknowledged),
            seen.repeated,
            seen.lost,
            seen.duplicates,
        )
        print(" | ".join(str(cell) for cell in cells), flush=True)


if __name__ == "__main__":
    main()
