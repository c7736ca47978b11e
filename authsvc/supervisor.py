"""Several workers on the same ports: the process that starts them, minds them and stops them.

Each worker is a process of its own with its own event loop, cache and follower; the kernel shares
connections out among them by SO_REUSEPORT. A worker is a new program and no fork of the
supervisor, which uses no gRPC itself: forks of what has started gRPC deadlock (grpc/grpc#22624).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from authsvc.config import Settings, variable_of
from authsvc.domain.errors import AuthsvcError
from authsvc.domain.last_steps import LONGEST_END
from authsvc.listening import reserve
from authsvc.metrics.place import ALONE, Place

WORKER_VARIABLE: Final = "_AUTHSVC_WORKER_NUMBER"
"""Set in the environment of a worker: its number, from 0. It is no setting."""
_WORKERS_VARIABLE: Final = "_AUTHSVC_WORKERS"
"""The same: how many there are."""
_RESTARTS_VARIABLE: Final = "_AUTHSVC_WORKER_RESTARTS"
"""The same: how often this one was started anew."""
_DIRECTORY_VARIABLE: Final = "_AUTHSVC_WORKERS_DIRECTORY"
"""The same: where the workers have their sockets, on which they tell each other their numbers."""

_FIRST_BACKOFF_SECONDS: Final = 0.2
_LAST_BACKOFF_SECONDS: Final = 10.0
# The path of a socket may have a hundred bytes or so, its name included.
_MAX_DIRECTORY_BYTES: Final = 88
# A worker that ran this long before it died was not dying of its start.
_STEADY_SECONDS: Final = 30.0

log = structlog.get_logger()


async def supervise(settings: Settings, stop: asyncio.Event) -> None:
    """Serve with several workers until told to stop.

    Raises:
        AddressInUse: An address cannot be listened on.
        NoTemporaryDirectory: There is no place for the sockets of the workers.
    """
    workers = settings.worker_count
    environment = {
        **os.environ,
        variable_of("database_pool_size"): str(max(1, settings.database_pool_size // workers)),
    }
    wanted = {
        "address": ("listen_address", settings.listen_address),
        "http_address": ("http_address", settings.http_address if settings.serves_http else None),
        "mtls_address": ("mtls_listen_address", settings.mtls_listen_address),
    }
    with ExitStack() as held:
        addresses: dict[str, str | None] = dict.fromkeys(wanted)
        for what, (setting, address) in wanted.items():
            if address is not None:
                name = variable_of(setting)
                reserved, actual = reserve(address, setting=name)
                held.enter_context(reserved)
                addresses[what] = environment[name] = actual
        if settings.serves_http:
            environment[_DIRECTORY_VARIABLE] = held.enter_context(_sockets_directory())
        log.info("supervising", **addresses, workers=workers)
        if not sys.platform.startswith("linux"):
            log.warning("this system gives all connections to one of the workers", workers=workers)
        supervisor = Supervisor(
            [sys.executable, "-m", "authsvc", "serve"],
            environment,
            workers,
            patience=timedelta(seconds=settings.shutdown_notice + settings.shutdown_grace)
            + LONGEST_END,
        )
        await supervisor.run(stop)
    log.info("supervision ended")


@contextmanager
def _sockets_directory() -> Iterator[str]:
    """Make a directory that only this user can look into, until the end of the block.

    Raises:
        NoTemporaryDirectory: There is no place for it.
    """
    try:
        directory = tempfile.TemporaryDirectory(prefix="authsvc-")
    except OSError as error:
        raise NoTemporaryDirectory from error
    with directory as path:
        if len(os.fsencode(path)) > _MAX_DIRECTORY_BYTES:
            raise NoTemporaryDirectory
        yield path


def place_of_worker() -> Place:
    """Return which worker this process is, as its supervisor has told it."""
    number = os.environ.get(WORKER_VARIABLE)
    if number is None:
        return ALONE
    directory = os.environ.get(_DIRECTORY_VARIABLE)
    return Place(
        number=int(number),
        workers=int(os.environ.get(_WORKERS_VARIABLE, "1")),
        restarts=int(os.environ.get(_RESTARTS_VARIABLE, "0")),
        directory=None if directory is None else Path(directory),
    )


def stop_with_supervisor(stop: asyncio.Event) -> None:
    """Stop a worker when its supervisor is gone, which holds the other end of its input.

    Does nothing where the input is no pipe: then no supervisor of ours started this process.
    """
    loop = asyncio.get_running_loop()

    def on_input() -> None:
        try:
            rest = os.read(0, 1024)
        except OSError:
            rest = b""
        if not rest:
            loop.remove_reader(0)
            stop.set()

    # A file or /dev/null cannot be waited for, nor can what is closed.
    with suppress(OSError):
        loop.add_reader(0, on_input)


class NoTemporaryDirectory(AuthsvcError):
    """There is no place for the sockets of the workers."""

    def __init__(self) -> None:
        """Say what is missing."""
        super().__init__(
            "several workers that serve HTTP need a directory for their sockets, and none can be "
            "made: name one in TMPDIR, with a short path, that this user may write to (a small "
            "tmpfs will do), or set AUTHSVC_WORKERS=1"
        )


class Supervisor:
    """Keeps a number of workers running until told to stop; none outlives it."""

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        workers: int,
        *,
        patience: timedelta,
    ) -> None:
        """Take what to run.

        Args:
            command: The command of a worker.
            environment: Its environment, to which its number is added.
            workers: How many; at least 1.
            patience: How long a worker that was told to stop may take before it is killed.
        """
        self._command = command
        self._environment = environment
        self._workers = workers
        self._patience = patience
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        # What a worker gets that is only just there when the others are told to end.
        self._last_signal = signal.SIGTERM

    async def run(self, stop: asyncio.Event) -> None:
        """Run the workers until told to stop; then stop them and wait for their end.

        Workers that take too long are killed, and so are all when this is cancelled.
        """
        minders = [asyncio.create_task(self._mind(number)) for number in range(self._workers)]
        try:
            await stop.wait()
            self._end_all(signal.SIGTERM)
            await asyncio.wait(minders, timeout=self._patience.total_seconds())
            for number in self._running:
                log.error("worker does not end and is killed", worker=number)
        finally:
            self._end_all(signal.SIGKILL)
            await asyncio.wait(minders)

    async def _mind(self, number: int) -> None:
        """Keep one worker running."""
        clock = asyncio.get_running_loop().time
        backoff = _FIRST_BACKOFF_SECONDS
        restarts = 0
        while not self._stopping.is_set():
            started_at = clock()
            code = failure = None
            try:
                code = await self._run_once(number, restarts=restarts)
            except OSError as error:  # no memory or no process to be had just now
                failure = str(error)
            if self._stopping.is_set():
                return
            restarts += code is not None
            if clock() - started_at > _STEADY_SECONDS:
                backoff = _FIRST_BACKOFF_SECONDS
            log.error(
                "worker died" if failure is None else "worker cannot be started",
                worker=number,
                exit_code=code,
                cause=failure,
                restart_in_seconds=backoff,
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), backoff)
            backoff = min(_LAST_BACKOFF_SECONDS, backoff * 2)

    async def _run_once(self, number: int, *, restarts: int) -> int:
        """Run a worker to its end, and return its exit code.

        Raises:
            OSError: It cannot be started.
        """
        process = await asyncio.create_subprocess_exec(
            *self._command,
            env={
                **self._environment,
                WORKER_VARIABLE: str(number),
                _WORKERS_VARIABLE: str(self._workers),
                _RESTARTS_VARIABLE: str(restarts),
            },
            # A Ctrl-C is for the supervisor, which passes it on.
            start_new_session=True,
            stdin=asyncio.subprocess.PIPE,
        )
        self._running[number] = process
        try:
            if self._stopping.is_set():
                _send(process, self._last_signal)
            return await process.wait()
        finally:
            del self._running[number]

    def _end_all(self, number: signal.Signals) -> None:
        self._last_signal = number
        self._stopping.set()
        for process in self._running.values():
            _send(process, number)


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    # It may have ended without our having heard of it yet.
    with suppress(ProcessLookupError):
        process.send_signal(number)
