"""What the benchmarks' command lines have in common. Depends on grpc, rich, structlog."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import grpc
import structlog
from rich.console import Console

from authsvc.postgres.embedded import EmbeddedPostgresError
from benchmarks.errors import BenchmarkFailed

RESULTS: Final = Path(__file__).resolve().parent / "RESULTS.md"

Run = Callable[[argparse.Namespace, Console], Coroutine[Any, Any, None]]


class between:  # noqa: N801 - read as a word where it is used
    """Reads a number within bounds from the command line."""

    def __init__(self, kind: type[int | float], least: float, most: float) -> None:
        """Take the kind of number and its bounds."""
        self._kind, self._least, self._most = kind, least, most

    def __call__(self, text: str) -> float:
        """Read a number.

        Raises:
            ArgumentTypeError: It is none, or out of bounds.
        """
        with suppress(ValueError):
            value = self._kind(text)
            if self._least <= value <= self._most:
                return value
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number from {self._least} to {self._most}"
        )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Let the command line say where the figures go."""
    parser.add_argument(
        "--output",
        type=Path,
        default=RESULTS,
        metavar="FILE",
        help="where the figures are written (default benchmarks/RESULTS.md)",
    )


def run(parser: argparse.ArgumentParser, benchmark: Run) -> int:
    """Run a benchmark as the command line asks, and return the exit code."""
    arguments = parser.parse_args()
    # What the embedded Postgres tells of its start and its end is of no interest here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        asyncio.run(_run(benchmark, arguments))
    except (BenchmarkFailed, EmbeddedPostgresError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print(
            f"{parser.prog}: interrupted; everything is stopped, nothing is written",
            file=sys.stderr,
        )
        return 130
    return 0


async def _run(benchmark: Run, arguments: argparse.Namespace) -> None:
    task = asyncio.current_task()
    # SIGTERM and SIGHUP as asyncio takes SIGINT: unwind, and so stop everything.
    if task is not None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    if not arguments.output.parent.is_dir():
        raise BenchmarkFailed(f"there is no directory {arguments.output.parent} to write to")
    try:
        await benchmark(arguments, Console())
    except BaseExceptionGroup as group:
        # Several things run at once, and the first failure ends them all: it is the one to tell.
        raise _first_of(group) from group
    except grpc.aio.AioRpcError as error:
        raise _failed_call(error) from error


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    if isinstance(error, BaseExceptionGroup):
        return _first_of(error)
    return _failed_call(error) if isinstance(error, grpc.aio.AioRpcError) else error


def _failed_call(error: grpc.aio.AioRpcError) -> BenchmarkFailed:
    return BenchmarkFailed(f"a call ended as {error.code().name}: {error.details()}")
