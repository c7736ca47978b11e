"""`python -m benchmarks.failover`: what callers see of a failover under load.

A primary is killed while a commit waits for its synchronous standby, which then takes over. Both
are in the service's URL. The end-to-end test runs the same once.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks import machine
from benchmarks.command import add_output, between, run
from benchmarks.database import connected
from benchmarks.failover_load import Load, Seen
from benchmarks.results import (
    Target,
    circumstances,
    section_lines,
    table_lines,
    terminal_targets,
    write_section,
)
from benchmarks.service import open_service, postgres_version
from benchmarks.standby_pair import standby_pair

_OUTAGE_SECONDS: Final = 2.0
_MAX_STALENESS_SECONDS: Final = 1.0
_WRITES: Final = 20
"""How many are acknowledged before the primary is killed, and again after."""

_INTRODUCTION: Final = (
    "Written by `python -m benchmarks.failover`. The service has a primary and its synchronous "
    "standby in its URL, and `serve-stale`. One caller validates a cached key every few "
    "milliseconds, one reads a key from the database, one makes keys with the Python client and "
    "repeats what failed with the same `request_id`. Replay is paused at the standby, so that the "
    "commit of a key waits though it is on the disk of both; then every process of the primary is "
    f"killed, and the standby is promoted {_OUTAGE_SECONDS:g} s later, which takes up to "
    "a second while replay is paused. Times count from the kill to the first answer."
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What callers saw, and what the database has in the end."""

    seen: Seen
    killed: float
    """When, by the stop-watch."""
    killed_time: datetime
    promoted: float
    """When the standby had become the primary."""
    stored: Counter[str]
    """How many keys the database has of each name."""
    stored_ids: frozenset[str]
    postgres: str
    """The version of the database."""

    @property
    def reads_resumed(self) -> float:
        """Seconds from the kill to the first answer to a read that began after it."""
        told = min(read.told for read in self.seen.reads if read.began > self.killed)
        return told - self.killed

    @property
    def writes_resumed(self) -> float:
        """Seconds from the kill to the first answer to CreateKey."""
        told = min(made.told for made in self.seen.made if made.told > self.killed)
        return told - self.killed

    @property
    def lost(self) -> int:
        """How many acknowledged keys the database does not have."""
        return sum(made.key.key.key_id not in self.stored_ids for made in self.seen.made)

    @property
    def duplicates(self) -> int:
        """How many keys were made once too often."""
        return sum(count - 1 for count in self.stored.values())

    @property
    def health_returned(self) -> bool:
        """Whether overall health told of the outage and of its end."""
        return "NOT_SERVING" in self.seen.health and self.seen.health[-1] == "SERVING"

    @property
    def found_again(self) -> int:
        """How many keys were made before the kill and told after it: to a repeat of the call."""
        return sum(
            made.told > self.killed and made.key.key.create_time < self.killed_time
            for made in self.seen.made
        )


async def observe_failover(home: Path) -> Outcome:
    """Kill the primary under load, promote the standby, and tell what callers saw.

    Args:
        home: An empty directory for both databases and the logs.

    Raises:
        BenchmarkFailed: A part did not start, or calls were not answered again.
    """
    async with (
        standby_pair(home) as pair,
        open_service(
            home, pair.url, 1, outage_policy="serve-stale", max_staleness=_MAX_STALENESS_SECONDS
        ) as service,
    ):
        load = Load(service)
        async with load.running():
            await load.until(lambda seen: len(seen.made) >= _WRITES and bool(seen.reads))
            await pair.hold_a_commit()
            pair.kill_primary()
            killed, killed_time = time.monotonic(), datetime.now(UTC)
            await asyncio.sleep(_OUTAGE_SECONDS)
            await pair.promote()
            promoted = time.monotonic()
            before = len(load.seen.made)
            await load.until(
                lambda seen: (
                    len(seen.made) >= before + _WRITES
                    and seen.reads[-1].began > promoted
                    and seen.health[-1] == "SERVING"
                )
            )
        postgres = await postgres_version(pair.standby.url())
        async with connected(pair.standby.url()) as connection:
            rows = await connection.fetch(
                "SELECT key_id, name FROM authsvc.keys WHERE account_id = $1", service.account_id
            )
    return Outcome(
        load.seen,
        killed,
        killed_time,
        promoted,
        stored=Counter(row["name"] for row in rows),
        stored_ids=frozenset(row["key_id"] for row in rows),
        postgres=postgres,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.failover", description="Fail a database over under load."
    )
    parser.add_argument(
        "--runs", type=between(int, 1, 100), default=3, metavar="N", help="how many (default 3)"
    )
    add_output(parser)
    return parser


async def _run(arguments: argparse.Namespace, console: Console) -> None:
    with tempfile.TemporaryDirectory() as name:
        outcomes = []
        for number in range(1, arguments.runs + 1):
            console.print(f"Run {number}…")
            home = Path(name) / str(number)
            home.mkdir()
            outcomes.append(await observe_failover(home))
    _report(arguments, console, outcomes)


def _report(arguments: argparse.Namespace, console: Console, outcomes: Sequence[Outcome]) -> None:
    targets = [
        _none("failed validations of a cached key", (_failed(one) for one in outcomes)),
        _none("acknowledged keys lost", (one.lost for one in outcomes)),
        _none("keys made twice", (one.duplicates for one in outcomes)),
    ]
    head = ("Run", *(str(number) for number in range(1, len(outcomes) + 1)))
    rows = [(title, *(show(one) for one in outcomes)) for title, show in _ROWS]
    console.print(terminal_targets(targets))
    console.print()
    for row in (head, *rows):
        print(f"{row[0]:50}" + "".join(f"{cell:>18}" for cell in row[1:]))
    parameters = {
        "AUTHSVC_OUTAGE_POLICY": "serve-stale",
        "AUTHSVC_MAX_STALENESS": f"{_MAX_STALENESS_SECONDS:g} s",
        "Replication": "synchronous, to one standby",
        "Seconds without a primary": f"{_OUTAGE_SECONDS:g}, and the promotion",
    }
    lines = section_lines(
        "A database failover",
        _INTRODUCTION,
        targets,
        table_lines(head, rows),
        circumstances(parameters, machine.describe(outcomes[0].postgres), datetime.now(UTC)),
    )
    write_section(arguments.output, "failover", lines)
    console.print(f"\nWritten to {arguments.output.name}.")


def _failed(outcome: Outcome) -> int:
    return outcome.seen.failed_validations.total()


def _none(measure: str, counts: Iterable[int]) -> Target:
    total = sum(counts)
    return Target(measure, str(total), "none", total == 0)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"


def _yes(answer: bool) -> str:  # noqa: FBT001 - its only argument
    return "yes" if answer else "no"


_ROWS: Final[tuple[tuple[str, Callable[[Outcome], str]], ...]] = (
    ("good validations", lambda one: f"{one.seen.validations.total():,}"),
    ("of these, marked STALE", lambda one: f"{one.seen.validations['STALE']:,}"),
    ("failed validations", lambda one: _listed(one.seen.failed_validations)),
    ("longest time between two good ones, ms", lambda one: f"{one.seen.longest_gap * 1000:,.0f}"),
    ("the standby is the primary after, s", lambda one: f"{one.promoted - one.killed:.2f}"),
    ("reads are answered again after, s", lambda one: f"{one.reads_resumed:.2f}"),
    ("keys are made again after, s", lambda one: f"{one.writes_resumed:.2f}"),
    ("failed reads", lambda one: _listed(one.seen.failed_reads)),
    ("failed calls of CreateKey", lambda one: _listed(one.seen.failed_writes)),
    ("acknowledged keys", lambda one: f"{len(one.seen.made):,}"),
    ("of these, made before the kill and told after it", lambda one: str(one.found_again)),
    ("acknowledged keys lost", lambda one: str(one.lost)),
    ("keys made twice", lambda one: str(one.duplicates)),
    ("overall health turned NOT_SERVING and back", lambda one: _yes(one.health_returned)),
)


if __name__ == "__main__":
    sys.exit(run(_parser(), _run))
