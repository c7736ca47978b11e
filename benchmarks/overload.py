"""`python -m benchmarks.overload`: more calls than can be answered, and what becomes of them."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console

from authsvc.postgres.embedded import EmbeddedPostgres
from benchmarks import machine
from benchmarks.command import add_output, between, run
from benchmarks.load import percentile
from benchmarks.phases import GENERATORS, Load, Phase
from benchmarks.results import (
    Target,
    at_least,
    circumstances,
    section_lines,
    table_lines,
    terminal_targets,
    write_section,
)
from benchmarks.service import Service, check_log, open_service, postgres_version

_KEYS: Final = 100
_CONNECTIONS: Final = (16, 64)
_SATURATING: Final = 64
"""How many calls under way keep the server busy without a pause, and are not refused."""
_CLOSED: Final = 0.0
"""Stands for the load that keeps the server busy, whose goodput is the capacity."""
_MULTIPLES: Final = (_CLOSED, 1.0, 1.5, 2.0, 3.0)
_GOODPUT: Final = 0.9

_INTRODUCTION: Final = (
    "Written by `make bench-overload`. First the server is kept busy by as many calls as it can "
    "take, each sent when another one has ended: that is its capacity. Then calls are sent at "
    "multiples of it whether or not they are answered, by processes of their own. All ask for one "
    "good key that is in memory. Goodput is what was answered with a verdict, per second; the "
    "other calls were refused. The loads come in turn, round after round, and each figure is the "
    "median of the rounds. All threads of the server share one processor, which the load does not "
    "run on: refusing takes from answering, and the load from neither. With more connections "
    "fewer calls arrive together, and a refusal is a packet of its own."
)

Rounds = Mapping[float, list[Phase]]
"""The phases of each load, one for each round."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overload",
        description="Offer one server multiples of what it can answer.",
    )
    parser.add_argument(
        "--rounds", type=between(int, 1, 100), default=5, metavar="N", help="default 5"
    )
    parser.add_argument(
        "--seconds",
        type=between(float, 1, 600),
        default=4.0,
        metavar="S",
        help="how long each load lasts (default 4)",
    )
    parser.add_argument(
        "--any-processor",
        action="store_true",
        help="let server and load have any processor, and so disturb each other",
    )
    add_output(parser)
    return parser


async def _run(arguments: argparse.Namespace, console: Console) -> None:
    console.print("Starting Postgres and authsvc, then loading…")
    measured = {}
    with tempfile.TemporaryDirectory(prefix="authsvc-bench-") as name:
        directory = Path(name)
        async with EmbeddedPostgres(directory / "data") as postgres:
            about = machine.describe(await postgres_version(postgres.url()))
            async with open_service(directory, postgres.url(), _KEYS) as service:
                for connections in _CONNECTIONS:
                    measured[connections] = await _measure(service, connections, arguments, console)
        check_log(directory)
    _report(arguments, console, measured, about)


async def _measure(
    service: Service, connections: int, arguments: argparse.Namespace, console: Console
) -> Rounds:
    load = Load(service, connections, any_processor=arguments.any_processor)
    if not (arguments.any_processor or load.is_parted):
        console.print("There is no processor for the load alone: it disturbs the server.")
    await load.saturate(_SATURATING, 1.0)
    rounds: Rounds = {multiple: [] for multiple in _MULTIPLES}
    for number in range(int(arguments.rounds)):
        capacity = await load.saturate(_SATURATING, arguments.seconds)
        for multiple, phases in rounds.items():
            if multiple == _CLOSED:
                phases.append(capacity)
            else:
                phases.append(await load.offer(multiple * capacity.goodput, arguments.seconds))
        goodputs = ", ".join(f"{phases[-1].goodput:,.0f}" for phases in rounds.values())
        console.print(
            f"{connections} connections, round {number + 1}: verdicts a second {goodputs}",
            highlight=False,
        )
    return rounds


def _goodput(phases: Sequence[Phase]) -> float:
    return median(each.goodput for each in phases)


def _of_the_peak(rounds: Rounds, multiple: float) -> float:
    """Return the goodput at a load, of the highest at any."""
    return _goodput(rounds[multiple]) / max(map(_goodput, rounds.values()))


def _milliseconds(
    phases: Sequence[Phase], of: Callable[[Phase], Sequence[float]], share: int
) -> str:
    found = [percentile(of(each), share) for each in phases if of(each)]
    return f"{median(found):.0f}" if found else ""


_served: Final = attrgetter("served")
_refused: Final = attrgetter("refused")


def _targets(measured: Mapping[int, Rounds]) -> Iterator[Target]:
    most = _MULTIPLES[-1]
    for connections, rounds in measured.items():
        yield at_least(
            f"goodput at {most:g} times the capacity, of the highest goodput at any load, "
            f"{connections} connections",
            _of_the_peak(rounds, most),
            _GOODPUT,
        )
        refused = _milliseconds(rounds[most], _refused, 99)
        served = _milliseconds(rounds[most], _served, 50)
        yield Target(
            "milliseconds until a refused call knows (p99), of a served one (p50), "
            f"{connections} connections",
            f"{refused} of {served}",
            "not more",
            float(refused or 0) <= float(served),
        )


def _row(connections: int, multiple: float, rounds: Rounds) -> tuple[str, ...]:
    phases = rounds[multiple]
    goodputs = [each.goodput for each in phases]
    return (
        str(connections),
        f"{multiple:g} times" if multiple != _CLOSED else "capacity",
        f"{median(goodputs):,.0f}",
        f"{min(goodputs):,.0f} to {max(goodputs):,.0f}",
        f"{_of_the_peak(rounds, multiple):.2f}",
        f"{median(each.shed for each in phases):.0%}",
        str(sum(each.lost for each in phases)),
        *(_milliseconds(phases, of, share) for of in (_served, _refused) for share in (50, 99)),
    )


def _report(
    arguments: argparse.Namespace,
    console: Console,
    measured: Mapping[int, Rounds],
    about: dict[str, str],
) -> None:
    targets = list(_targets(measured))
    console.print(terminal_targets(targets))
    head = (
        *("Connections", "load", "verdicts/s", "least and most", "of the peak", "refused"),
        *("kept back or lost", "p50 ms served", "p99", "p50 ms refused", "p99"),
    )
    rows = [
        _row(connections, multiple, rounds)
        for connections, rounds in measured.items()
        for multiple in rounds
    ]
    lines = section_lines(
        "Overload",
        _INTRODUCTION,
        targets,
        table_lines(head, rows),
        circumstances(
            {
                "Rounds": str(arguments.rounds),
                "Seconds of each load": f"{arguments.seconds:g}",
                "Calls under way at capacity": str(_SATURATING),
                "Processes that make the load": str(GENERATORS),
                "Processors of the server": "any" if arguments.any_processor else "one",
            },
            about,
            datetime.now(UTC),
        ),
    )
    write_section(arguments.output, "overload", lines)
    console.print(f"Written to {arguments.output.name}.")


if __name__ == "__main__":
    sys.exit(run(_parser(), _run))
