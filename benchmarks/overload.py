"""`python -m benchmarks.overload`: more calls than can be answered, and what becomes of them."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console

from authsvc.postgres.embedded import EmbeddedPostgres
from benchmarks import machine
from benchmarks.cases import VALIDATE, caller_metadata, framed
from benchmarks.command import add_output, between, run
from benchmarks.load import percentile
from benchmarks.open_load import Order, Outcome
from benchmarks.processes import cpu_seconds, output_of
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
from orchestrator.auth.v1.auth_service_pb2 import ValidateCredentialRequest

_KEYS: Final = 100
_GENERATORS: Final = 2
_CONNECTIONS: Final = 32
"""Of each generator."""
_SATURATING: Final = 32
"""How many calls of each generator keep the server busy without a pause."""
_GRACE_SECONDS: Final = 30.0
_GOODPUT: Final = 0.9

_INTRODUCTION: Final = (
    "Written by `make bench-overload`. First the server is kept busy by as many calls as it can "
    "take, each sent when another one has ended: that is its capacity. Then calls are sent at a "
    "multiple of it whether or not they are answered, by processes of their own and over "
    f"{_GENERATORS * _CONNECTIONS} connections. All ask for one good key that is in memory. "
    "Goodput is what was answered with a verdict, per second; the rest was refused. The same for "
    "the server's processor time counts the work of its other threads too, which refuse calls on "
    "processors that would be idle otherwise, and does not depend on what else the machine does."
)


@dataclass(frozen=True, slots=True)
class Phase:
    """What became of one load."""

    seconds: float
    served: Sequence[float]
    refused: Sequence[float]
    lost: int
    """Calls that were kept back or never answered."""
    cpu: float | None
    """Seconds of processor time of the server; None: not known."""

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], seconds: float, cpu: float | None) -> Phase:
        """Take together what all generators saw."""
        return cls(
            seconds,
            sorted(each for outcome in outcomes for each in outcome.served),
            sorted(each for outcome in outcomes for each in outcome.refused),
            sum(outcome.kept_back + outcome.unanswered for outcome in outcomes),
            cpu,
        )

    @property
    def goodput(self) -> float:
        """Verdicts a second."""
        return len(self.served) / self.seconds

    @property
    def yield_(self) -> float:
        """Verdicts for each second of the server's processor time."""
        return len(self.served) / (self.cpu or self.seconds)

    @property
    def shed(self) -> float:
        """The share of the calls that were refused."""
        return len(self.refused) / (len(self.served) + len(self.refused) + self.lost)


@dataclass(frozen=True, slots=True)
class Round:
    """A measurement of capacity, and what followed it."""

    capacity: Phase
    overload: Phase

    @property
    def ratio(self) -> float:
        """What is left of the capacity under overload."""
        return self.overload.goodput / self.capacity.goodput

    @property
    def yield_ratio(self) -> float:
        """The same for the server's processor time, whatever else the machine does meanwhile."""
        return self.overload.yield_ / self.capacity.yield_


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overload",
        description="Offer one server a multiple of what it can answer.",
    )
    parser.add_argument(
        "--times",
        type=between(float, 1, 10),
        default=3.0,
        metavar="N",
        help="the multiple of its capacity (default 3)",
    )
    parser.add_argument(
        "--rounds", type=between(int, 1, 100), default=3, metavar="N", help="default 3"
    )
    parser.add_argument(
        "--seconds",
        type=between(float, 1, 600),
        default=10.0,
        metavar="S",
        help="how long each load lasts (default 10)",
    )
    parser.add_argument(
        "--one-processor",
        action="store_true",
        help="keep the server with all its threads to one processor, and the load to another",
    )
    add_output(parser)
    return parser


class Load:
    """The generators, and the processors that they and the server run on."""

    def __init__(self, service: Service, *, one_processor: bool) -> None:
        """Take the service to load, and give the server a processor of its own if it is to be."""
        request = ValidateCredentialRequest(credential=f"Bearer {service.good_key}")
        self._address = service.server.address
        self._metadata = [list(pair) for pair in caller_metadata(service)]
        self._body = framed(request.SerializeToString()).hex()
        self._pid = service.server.pid
        self._processor = _part_from(self._pid) if one_processor else None

    async def saturate(self, seconds: float) -> Phase:
        """Keep the server busy."""
        return await self._run(seconds, in_flight=_SATURATING)

    async def offer(self, rate: float, seconds: float) -> Phase:
        """Send so many calls a second."""
        return await self._run(seconds, rate=rate / _GENERATORS)

    async def _run(self, seconds: float, *, rate: float = 0.0, in_flight: int = 0) -> Phase:
        order = Order(
            address=self._address,
            path=VALIDATE,
            metadata=self._metadata,
            body=self._body,
            connections=_CONNECTIONS,
            seconds=seconds,
            rate=rate,
            in_flight=in_flight,
            processor=self._processor,
        )
        before = cpu_seconds(self._pid)
        outcomes = await asyncio.gather(*(_generate(order) for _ in range(_GENERATORS)))
        after = cpu_seconds(self._pid)
        cpu = None if before is None or after is None else after - before
        return Phase.of(outcomes, seconds, cpu)


async def _generate(order: Order) -> Outcome:
    printed = await output_of(
        (sys.executable, "-m", "benchmarks.open_load"),
        os.environ,
        order.seconds + _GRACE_SECONDS,
        stdin=json.dumps(asdict(order)).encode(),
    )
    return Outcome(**json.loads(printed))


def _part_from(pid: int) -> int | None:
    """Give a process the first processor, and return another one, if there are two."""
    try:
        first, *others = sorted(os.sched_getaffinity(0))
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {first})
    except (AttributeError, OSError):  # macOS
        return None
    return others[0] if others else None


async def _run(arguments: argparse.Namespace, console: Console) -> None:
    console.print("Starting Postgres and authsvc, then loading…")
    rounds = []
    with tempfile.TemporaryDirectory(prefix="authsvc-bench-") as name:
        directory = Path(name)
        async with EmbeddedPostgres(directory / "data") as postgres:
            about = machine.describe(await postgres_version(postgres.url()))
            async with open_service(directory, postgres.url(), _KEYS) as service:
                load = Load(service, one_processor=arguments.one_processor)
                await load.saturate(1.0)
                for number in range(int(arguments.rounds)):
                    capacity = await load.saturate(arguments.seconds)
                    rate = capacity.goodput * arguments.times
                    one = Round(capacity, await load.offer(rate, arguments.seconds))
                    rounds.append(one)
                    console.print(
                        f"round {number + 1}: capacity {capacity.goodput:,.0f}/s, "
                        f"ratio {one.ratio:.2f}, for its processor time {one.yield_ratio:.2f}, "
                        f"refused {one.overload.shed:.0%}",
                        highlight=False,
                    )
        check_log(directory)
    _report(arguments, console, rounds, about)


def _report(
    arguments: argparse.Namespace,
    console: Console,
    rounds: Sequence[Round],
    about: dict[str, str],
) -> None:
    times = f"{arguments.times:g}"
    ratios = [each.ratio for each in rounds]
    served_p99 = median(percentile(each.overload.served, 99) for each in rounds)
    refused_p99 = median(
        percentile(each.overload.refused, 99) for each in rounds if each.overload.refused
    )
    targets: list[Target] = [
        at_least(
            f"goodput at {times} times the capacity, of the capacity, the worst of "
            f"{len(rounds)} rounds",
            min(ratios),
            _GOODPUT,
        ),
        Target(
            "milliseconds until a refused call knows, of a served one (p99)",
            f"{refused_p99:.0f} of {served_p99:.0f}",
            "not more",
            refused_p99 <= served_p99,
        ),
    ]
    console.print(terminal_targets(targets))
    rows = [
        (
            str(number),
            f"{each.capacity.goodput:,.0f}",
            f"{each.ratio:.2f}",
            f"{each.yield_ratio:.2f}",
            f"{each.overload.shed:.0%}",
            str(each.overload.lost),
            *(
                f"{percentile(durations, share):.0f}"
                for durations in (each.capacity.served, each.overload.served, each.overload.refused)
                for share in (50, 99)
            ),
        )
        for number, each in enumerate(rounds, 1)
    ]
    head = (
        *(
            "Round",
            "capacity, calls/s",
            "goodput, of it",
            "for processor time",
            "refused",
            "kept back or lost",
        ),
        *("p50 ms at capacity", "p99", "p50 ms served", "p99", "p50 ms refused", "p99"),
    )
    lines = section_lines(
        "Overload",
        _INTRODUCTION,
        targets,
        table_lines(head, rows),
        circumstances(
            {
                "Seconds of each load": f"{arguments.seconds:g}",
                "Processors of the server": "one" if arguments.one_processor else "any",
            },
            about,
            datetime.now(UTC),
        ),
    )
    write_section(arguments.output, "overload", lines)
    console.print(f"Written to {arguments.output.name}.")


if __name__ == "__main__":
    sys.exit(run(_parser(), _run))
