"""`python -m benchmarks`: start everything, load it in turn, write the figures, stop everything."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from rich.console import Console

from authsvc.postgres.embedded import EmbeddedPostgresError
from benchmarks import machine, report
from benchmarks.cases import Case, make_cases
from benchmarks.errors import BenchmarkFailed, WrongAnswer
from benchmarks.load import Concurrency, H2load, Sample
from benchmarks.processes import find_event, serving
from benchmarks.service import open_service

_RESULTS: Final = Path(__file__).resolve().parent / "RESULTS.md"
_WARM_UP_SECONDS: Final = 1.0
_MOST_MINUTES: Final = 30
_TOKEN_TTL: Final = timedelta(minutes=2 * _MOST_MINUTES)
_CASES: Final = 4

_DESCRIPTION = """\
Load the service over loopback and compare it with a bare grpc.aio server.

  (a) a bare server with one empty handler, the yardstick
  (b) ValidateCredential of a good API key
  (c) ValidateCredential of an unknown API key
  (d) ValidateCredential of a good JWT

Each round loads a, b, c and d in turn. Figures are medians over the rounds;
ratios to (a) are taken within a round, and only they are worth comparing
between machines.
"""
_EPILOG = """\
It needs h2load: apt-get install nghttp2-client. Keep the machine otherwise
idle. h2load takes the caller's key as an argument, where other users of the
machine can read it: a throwaway key of a throwaway database.
"""


def main() -> int:
    """Run the command line and return the exit code."""
    arguments = _parser().parse_args()
    console = Console()
    # What the embedded Postgres tells of its start and its end is of no interest here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        asyncio.run(_run(arguments, console))
    except (BenchmarkFailed, EmbeddedPostgresError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("benchmarks: interrupted; everything is stopped, nothing is written", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    number = _between(int, 1, 1000)
    parser.add_argument(
        "--rounds", type=number, default=5, metavar="N", help="how many rounds (default 5)"
    )
    parser.add_argument(
        "--seconds",
        type=_between(float, 0.2, 300),
        default=3.0,
        metavar="S",
        help="how long each case is loaded in a round (default 3)",
    )
    parser.add_argument(
        "--connections", type=number, default=4, metavar="N", help="connections (default 4)"
    )
    parser.add_argument(
        "--streams",
        type=number,
        default=8,
        metavar="N",
        help="calls in flight on each connection (default 8)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=_RESULTS,
        metavar="FILE",
        help="where the figures are written (default benchmarks/RESULTS.md)",
    )
    return parser


class _between:  # noqa: N801 - read as a word where it is used
    """Reads a number within bounds from the command line."""

    def __init__(self, kind: type[int | float], least: float, most: float) -> None:
        self._kind, self._least, self._most = kind, least, most

    def __call__(self, text: str) -> float:
        with suppress(ValueError):
            value = self._kind(text)
            if self._least <= value <= self._most:
                return value
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number from {self._least} to {self._most}"
        )


async def _run(arguments: argparse.Namespace, console: Console) -> None:
    rounds, seconds = arguments.rounds, arguments.seconds
    loading = timedelta(seconds=_CASES * (_WARM_UP_SECONDS + rounds * seconds))
    if loading > timedelta(minutes=_MOST_MINUTES):
        raise BenchmarkFailed(f"this would take more than {_MOST_MINUTES} minutes; ask for less")
    if not arguments.output.parent.is_dir():
        raise BenchmarkFailed(f"there is no directory {arguments.output.parent} to write to")
    concurrency = Concurrency(arguments.connections, arguments.streams)
    program = H2load.find()
    _stop_on_signals()
    console.print("Starting Postgres, authsvc and the bare server…")
    with tempfile.TemporaryDirectory(prefix="authsvc-bench-") as name:
        directory = Path(name)
        h2load = H2load(program, directory, concurrency)
        bare_command = (sys.executable, "-m", "benchmarks.bare_server")
        async with (
            serving(bare_command, directory / "bare.log", os.environ) as bare,
            open_service(directory, _TOKEN_TTL) as service,
        ):
            about = machine.describe(service.postgres_version, await h2load.version())
            cases = make_cases(bare, service)
            console.print(f"Loading for {loading.total_seconds():.0f} s…")
            samples = await _measure(cases, h2load, rounds, seconds, console)
            _check_log(service.server.log)
    figures = report.summarise(cases, samples)
    console.print()
    console.print(report.terminal_table(figures))
    console.print()
    console.print(report.NOTE, style="dim")
    arguments.output.write_text(
        report.page(
            figures,
            machine=about,
            parameters={
                "Rounds": str(rounds),
                "Seconds of each case in a round": f"{seconds:g}",
                "Connections": str(concurrency.connections),
                "Calls in flight on each": str(concurrency.streams),
            },
            finished=datetime.now(UTC),
        ),
        encoding="utf-8",
    )
    console.print(f"Written to {arguments.output.name}.")


async def _measure(
    cases: list[Case], h2load: H2load, rounds: int, seconds: float, console: Console
) -> list[list[Sample]]:
    """Load the cases in turn, between two looks at their answers."""
    sizes = {case.letter: await case.verify() for case in cases}
    for case in cases:
        await h2load.run(case, sizes[case.letter], _WARM_UP_SECONDS)
    samples = []
    for number in range(1, rounds + 1):
        samples.append([await h2load.run(case, sizes[case.letter], seconds) for case in cases])
        rates = "  ".join(
            f"({case.letter}) {sample.rate:,.0f}/s"
            for case, sample in zip(cases, samples[-1], strict=True)
        )
        console.print(f"round {number} of {rounds}: {rates}", highlight=False)
    for case in cases:
        await case.verify()
    return samples


def _check_log(log: Path) -> None:
    """Check that no call of the service ended in an error status: it logs every one that does."""
    failed = find_event(log, "call failed")
    if failed is not None:
        raise WrongAnswer(f"calls failed under load, the first of them so: {failed}")


def _stop_on_signals() -> None:
    """Take SIGTERM and SIGHUP as asyncio takes SIGINT: unwind, and so stop everything."""
    task = asyncio.current_task()
    if task is None:
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


if __name__ == "__main__":
    sys.exit(main())
