"""The numbers of all workers, whichever of them is asked.

Each worker listens on a socket in a directory that the supervisor made for them, and tells there
what it has counted. Who is scraped asks all others at that moment. So nothing is written to a disk,
nothing is told that is old, and nothing is left behind by a worker that died: the one that takes
its place counts from 0, with the same label, as Prometheus expects of a process.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import structlog

from authsvc.metrics.catalog import WORKER_UP
from authsvc.metrics.place import Place
from authsvc.metrics.samples import Sample, decode, encode

_PATIENCE_SECONDS: Final = 1.0

log = structlog.get_logger()


class Workers:
    """Tells the other workers the numbers of this one, and asks them for theirs."""

    def __init__(self, place: Place, own_samples: Callable[[], Iterable[Sample]]) -> None:
        """Take which worker this is, and what it has to tell."""
        self._place = place
        self._own_samples = own_samples
        self._silent: set[int] = set()

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answer the other workers until the end of the block."""
        place = self._place
        async with AsyncExitStack() as held:
            if place.directory is not None:
                held.callback(_remove_if_orphaned, place.directory, os.getppid())
                path = _socket(place.directory, place.number)
                # That of the worker that was here before, which may have had no time to remove it.
                path.unlink(missing_ok=True)
                server = await asyncio.start_unix_server(self._answer, path)
                held.callback(path.unlink, missing_ok=True)
                held.callback(server.close)
            yield

    async def samples(self) -> dict[int, list[Sample]]:
        """Return the samples of all workers that tell them in time, by their numbers."""
        place, directory = self._place, self._place.directory
        gathered = {place.number: list(self._own_samples())}
        if directory is not None:
            others = [number for number in range(place.workers) if number != place.number]
            answers = await asyncio.gather(*(_ask(directory, number) for number in others))
            for number, answer in zip(others, answers, strict=True):
                self._tell_change(number, answer)
                gathered[number] = [] if isinstance(answer, Exception) else answer
        return {
            number: [Sample(WORKER_UP, bool(samples)), *samples]
            for number, samples in gathered.items()
        }

    def _tell_change(self, number: int, answer: list[Sample] | Exception) -> None:
        """Log when the silence of a worker begins and ends, however often it is scraped."""
        if isinstance(answer, Exception):
            if number not in self._silent:
                log.warning("worker does not tell its numbers", worker=number, cause=repr(answer))
            self._silent.add(number)
        elif number in self._silent:
            self._silent.remove(number)
            log.info("worker tells its numbers again", worker=number)

    async def _answer(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(encode(self._own_samples()))
            # Who asked may be gone by now.
            with suppress(OSError):
                await writer.drain()
        finally:
            writer.close()


async def _ask(directory: Path, number: int) -> list[Sample] | Exception:
    """Return the samples of another worker, or why it does not tell them in time."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            reader, writer = await asyncio.open_unix_connection(_socket(directory, number))
            try:
                return decode(await reader.read())
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError) as error:
        return error


def _remove_if_orphaned(directory: Path, supervisor: int) -> None:
    """Remove the directory of a supervisor that was killed; the last worker finds it empty."""
    if os.getppid() != supervisor:
        with suppress(OSError):
            directory.rmdir()


def _socket(directory: Path, number: int) -> Path:
    return directory / f"worker-{number}"
