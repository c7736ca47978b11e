"""`python -m benchmarks`: start everything, load it in turn, write the figures, stop everything."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console

from authsvc.postgres.embedded import EmbeddedPostgres
from benchmarks import machine, memory, report
from benchmarks.bare_server import DATABASE_VARIABLE
from benchmarks.cases import Case, Concurrency, make_cases
from benchmarks.client import RawClient
from benchmarks.command import add_output, between, run
from benchmarks.errors import BenchmarkFailed
from benchmarks.load import H2load, Sample, percentile
from benchmarks.processes import serving
from benchmarks.results import (
    Target,
    at_least,
    at_most,
    circumstances,
    section_lines,
    terminal_targets,
    write_section,
)
from benchmarks.service import (
    Service,
    check_log,
    create_database,
    open_service,
    postgres_version,
)

_WARM_UP_SECONDS: Final = 1.0
_MOST_MINUTES: Final = 30
_TOKEN_TTL: Final = timedelta(minutes=2 * _MOST_MINUTES)
_CASES: Final = 12
_FEW_KEYS: Final = 1_000
_MANY_KEYS: Final = 1_000_000
# Over so many connections that the kernel gives each of two workers about half of them.
_SPREAD: Final = Concurrency(connections=16, streams=2)

_INTRODUCTION: Final = (
    "Written by `make bench`, which loads a bare grpc.aio server without interceptors (a, g) and "
    "the real service in turn. Every call of the service authenticates its caller, by an API key, "
    "before it judges a credential, and counts its usage. (h) asks for `freshness.authoritative`, "
    "so that the record of the credential is read from the database for the call, while the "
    "caller's own is cached as ever; (g) reads a row by its primary key on a pool like the "
    "service's. (e) and (f) judge distinct keys. (i) and (j) share "
    f"{_SPREAD.connections} connections of {_SPREAD.streams} calls each."
)
_TABLE_SIZES: Final = (
    "How the size of the table tells is measured by an ordinary client, one call at a time, each "
    "on a key drawn at random and read for the call."
)

_DESCRIPTION = """\
Load the service over loopback and compare it with a bare grpc.aio server.

Each round loads every case in turn. Figures are medians over the rounds;
ratios are taken within a round, and only they are worth comparing between
machines. The cases and what they are compared with are in RESULTS.md.
"""
_EPILOG = """\
It needs h2load: apt-get install nghttp2-client. Keep the machine otherwise
idle. h2load takes the caller's key as an argument, where other users of the
machine can read it: a throwaway key of a throwaway database.
"""


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that is loaded."""

    cases: list[Case]
    small: Service
    large: Service
    postgres_version: str


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    number = between(int, 1, 1000)
    parser.add_argument(
        "--rounds", type=number, default=5, metavar="N", help="how many rounds (default 5)"
    )
    parser.add_argument(
        "--seconds",
        type=between(float, 0.2, 300),
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
        "--keys",
        type=between(int, 2 * _FEW_KEYS, 100 * _MANY_KEYS),
        default=_MANY_KEYS,
        metavar="N",
        help=f"keys in the large table (default {_MANY_KEYS})",
    )
    add_output(parser)
    return parser


async def _run(arguments: argparse.Namespace, console: Console) -> None:
    rounds, seconds = arguments.rounds, arguments.seconds
    loading = timedelta(seconds=_CASES * (_WARM_UP_SECONDS + rounds * seconds))
    if loading > timedelta(minutes=_MOST_MINUTES):
        raise BenchmarkFailed(f"this would take more than {_MOST_MINUTES} minutes; ask for less")
    concurrency = Concurrency(arguments.connections, arguments.streams)
    program = H2load.find()
    console.print(f"Starting Postgres with {arguments.keys:,} keys, authsvc and the bare server…")
    with tempfile.TemporaryDirectory(prefix="authsvc-bench-") as name:
        directory = Path(name)
        h2load = H2load(program, directory, concurrency, _SPREAD)
        async with _open_site(directory, arguments.keys) as site:
            about = machine.describe(site.postgres_version, await h2load.version())
            console.print(f"Loading for {loading.total_seconds():.0f} s…")
            measured = await _measure(site, h2load, rounds, seconds, console)
            console.print("Weighing records…")
            record_bytes = await memory.bytes_per_record(site.large)
            check_log(directory)
    figures = report.summarise(site.cases, measured.samples)
    targets = _targets(measured, arguments.keys, record_bytes)
    console.print()
    for row in figures:
        console.print(f"({row.letter}) {row.title}", highlight=False)
    console.print(report.terminal_table(figures))
    console.print()
    console.print(terminal_targets(targets))
    console.print()
    console.print(report.NOTE, style="dim")
    parameters = {
        "Rounds": str(rounds),
        "Seconds of each case in a round": f"{seconds:g}",
        "Connections": str(concurrency.connections),
        "Calls in flight on each": str(concurrency.streams),
        "Keys in the large table": f"{arguments.keys:,}",
    }
    lines = section_lines(
        "Cost of a validation",
        _INTRODUCTION,
        targets,
        report.figure_lines(figures),
        [report.NOTE],
        [_TABLE_SIZES],
        circumstances(parameters, about, datetime.now(UTC)),
    )
    write_section(arguments.output, "comparison", lines)
    console.print(f"Written to {arguments.output.name}.")


@asynccontextmanager
async def _open_site(directory: Path, keys: int) -> AsyncIterator[Site]:
    async with EmbeddedPostgres(directory / "data") as postgres:
        small_url = await create_database(postgres, "small")
        large_url = await create_database(postgres, "large")
        bare_environment = {**os.environ, DATABASE_VARIABLE: small_url}
        bare_command = (sys.executable, "-m", "benchmarks.bare_server")
        async with (
            open_service(directory, small_url, _FEW_KEYS) as small,
            open_service(directory, large_url, keys) as large,
            small.serving("workers", instances=2, workers=2) as two_workers,
            serving(bare_command, directory / "bare.log", bare_environment) as bare,
        ):
            token = await small.mint_token(_TOKEN_TTL)
            cases = make_cases(bare, small, two_workers, token)
            yield Site(cases, small, large, await postgres_version(postgres.url()))


@dataclass(frozen=True, slots=True)
class Measured:
    """What the rounds came to."""

    samples: list[dict[str, Sample]]
    small_p50: list[float]
    """Milliseconds of a read among few keys, one for each round."""
    large_p50: list[float]


async def _measure(
    site: Site, h2load: H2load, rounds: int, seconds: float, console: Console
) -> Measured:
    """Load the cases in turn, between two looks at their answers."""
    measured = Measured([], [], [])
    sizes = {case.letter: await case.verify() for case in site.cases}
    async with (
        RawClient.open(site.small, site.small.server) as small,
        RawClient.open(site.large, site.large.server) as large,
    ):
        for case in site.cases:
            await h2load.run(case, sizes[case.letter], _WARM_UP_SECONDS)
        for client in (small, large):
            await client.read_random(_WARM_UP_SECONDS)
        for number in range(1, rounds + 1):
            samples = {
                case.letter: await h2load.run(case, sizes[case.letter], seconds)
                for case in site.cases
            }
            measured.samples.append(samples)
            measured.small_p50.append(percentile(await small.read_random(seconds), 50))
            measured.large_p50.append(percentile(await large.read_random(seconds), 50))
            console.print(_progress(number, rounds, samples), highlight=False)
    for case in site.cases:
        await case.verify()
    return measured


def _progress(number: int, rounds: int, samples: dict[str, Sample]) -> str:
    rates = "  ".join(f"{letter} {sample.rate:,.0f}" for letter, sample in samples.items())
    return f"round {number} of {rounds}, calls/s: {rates}"


def _targets(measured: Measured, keys: int, record_bytes: float) -> Sequence[Target]:
    def of(letter: str, yardstick: str) -> float:
        return report.rate_ratio(measured.samples, letter, yardstick)

    growth = median(
        large / small for large, small in zip(measured.large_p50, measured.small_p50, strict=True)
    )
    p50 = f"{median(measured.large_p50):.2f} ms and {median(measured.small_p50):.2f} ms"
    return [
        at_least("cached validation ÷ empty handler (b ÷ a)", of("b", "a"), 0.8),
        at_least("uncached validation ÷ bare primary-key fetch (h ÷ g)", of("h", "g"), 0.8),
        at_least("credentials/s, batch of 100 ÷ single (e ÷ b)", of("e", "b"), 30),
        at_least("credentials/s, batch of 1,000 ÷ single (f ÷ b)", of("f", "b"), 60),
        at_most(f"uncached p50, {keys:,} keys ÷ {_FEW_KEYS:,} ({p50})", growth, 1.3),
        at_least("two workers ÷ one (j ÷ i), load included", of("j", "i"), 1.3),
        at_most("memory of a cached record", record_bytes, 1024, " bytes"),
    ]


if __name__ == "__main__":
    sys.exit(run(_parser(), _run))
