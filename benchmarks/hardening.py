"""`python -m benchmarks.hardening`: what hostile and broken clients do to everybody else.

Every attack is made twice: what the first time leaves in memory, and the second does not add to, is
what the allocator keeps for the next time.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from authsvc.postgres.embedded import EmbeddedPostgres
from benchmarks import machine
from benchmarks.command import between, run
from benchmarks.errors import BenchmarkFailed
from benchmarks.hostile import ATTACKS
from benchmarks.hostile_connections import Victim
from benchmarks.processes import ROOT, find_events
from benchmarks.results import (
    Target,
    at_most,
    circumstances,
    table_lines,
    target_lines,
    terminal_targets,
)
from benchmarks.service import Service, open_service, postgres_version
from benchmarks.siege import Round, Seen, Siege

PAGE: Final = ROOT / "docs" / "hardening.md"

_BEGIN: Final = "<!-- begin: written by python -m benchmarks.hardening -->"
_END: Final = "<!-- end -->"
_KEYS: Final = 100
_SOURCES: Final = tuple(f"127.0.0.{number}" for number in range(2, 10))
_GROWTH: Final = 1.05
"""What an allocator's pages may come and go by."""


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common()) or "none"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hardening",
        description="Attack one server, and see what it does to others.",
    )
    parser.add_argument(
        "--share",
        type=between(float, 0.001, 1),
        default=1.0,
        metavar="S",
        help="of the full size of each attack (default 1)",
    )
    parser.add_argument(
        "--workers", type=between(int, 1, 64), default=1, metavar="N", help="default 1"
    )
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="only attacks whose name has this in it"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=PAGE,
        metavar="FILE",
        help="the page that has the table (default docs/hardening.md)",
    )
    return parser


async def _run(arguments: argparse.Namespace, console: Console) -> None:
    amounts = {
        name: max(round(attack.amount * arguments.share), 1)
        for name, attack in ATTACKS.items()
        if arguments.only in name
    }
    if not amounts:
        raise BenchmarkFailed(f"no attack has {arguments.only!r} in its name")
    if arguments.only and arguments.output == PAGE:
        raise BenchmarkFailed("the page has all attacks: say --output for some of them")

    def show(name: str, seen: Seen, calm: float) -> None:
        cells = zip(_HEAD, _cells(seen, siege.bytes_before, calm), strict=True)
        told = "; ".join(f"{head}: {cell}" for head, cell in cells)
        console.print(f"[bold]{name}[/bold]  {told}", highlight=False, soft_wrap=True)

    console.print("Starting Postgres and authsvc, then attacking…")
    with tempfile.TemporaryDirectory(prefix="authsvc-bench-") as name:
        directory = Path(name)
        async with (
            EmbeddedPostgres(directory / "data") as postgres,
            open_service(
                directory,
                postgres.url(),
                _KEYS,
                workers=arguments.workers,
                http_address="127.0.0.1:0",
                # The bystander's own calls are not to be counted among the lines of log.
                log_sample=0,
            ) as service,
        ):
            about = machine.describe(await postgres_version(postgres.url()))
            siege = Siege(service, await _victim(service))
            rounds = [await siege.round(number, amounts, show) for number in (1, 2)]
            faults = _faults(service.server.log)
    targets, rows = _judged(rounds, faults), _rows(amounts, siege.bytes_before, rounds)
    console.print(terminal_targets(targets))
    lines = [
        *target_lines(targets),
        "",
        *table_lines(("Attack", "amount", *_HEAD, "times the first time"), rows),
        "",
        *circumstances({"Workers": f"{arguments.workers:g}"}, about, datetime.now(UTC)),
    ]
    _write(arguments.output, "\n".join(lines))
    console.print(f"Written to {arguments.output.name}.")


async def _victim(service: Service) -> Victim:
    served, *_ = find_events(service.server.log, "serving")
    return Victim(
        address=service.server.address,
        http_address=str(served["http_address"]),
        sources=_SOURCES,
        caller_key=service.caller_key,
        manager_key=service.manager_key,
        credential=service.good_key,
    )


def _faults(log: Path) -> int:
    """Count the lines of a log that tell of a fault of the service, or are no entries at all."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    entries = [json.loads(line) for line in lines]
    return sum(entry["level"] in {"error", "critical"} for entry in entries)


_HEAD: Final = (
    "the server",
    "failed calls of others",
    "their p99, times calm",
    "memory at most, times before",
    "memory after",
    "lines of log",
)


def _cells(seen: Seen, bytes_before: int, calm: float) -> Sequence[str]:
    return (
        _listed(seen.endings),
        _listed(seen.bystander.failures),
        f"{seen.bystander.p99 / calm:.1f}",
        f"{seen.most_bytes / bytes_before:.2f}",
        f"{seen.bytes_after / bytes_before:.2f}",
        f"{seen.log_lines:,}",
    )


def _judged(rounds: Sequence[Round], faults: int) -> list[Target]:
    first, second = rounds
    last = list(first.seen)[-1]
    return [
        _none("failed calls of others", sum(each.failures for each in rounds)),
        _none("lines of the log that tell of a fault", faults),
        # The first time, pools of connections to the database fill too.
        _none("calls, streams and descriptors left of the second time", second.left),
        at_most(
            "memory after everything the second time, times the first",
            second.seen[last].bytes_after / first.seen[last].bytes_after,
            _GROWTH,
        ),
    ]


def _rows(
    amounts: Mapping[str, int], bytes_before: int, rounds: Sequence[Round]
) -> list[Sequence[str]]:
    first, second = rounds
    return [
        (
            name,
            f"{amounts[name]:,} {ATTACKS[name].unit}",
            *_cells(seen, bytes_before, second.calm.p99),
            f"{seen.bytes_after / first.seen[name].bytes_after:.2f}",
        )
        for name, seen in second.seen.items()
    ]


def _none(measure: str, count: int) -> Target:
    return Target(measure, str(count), "none", count == 0)


def _write(page: Path, text: str) -> None:
    old = page.read_text(encoding="utf-8") if page.exists() else f"{_BEGIN}{_END}\n"
    before, _, rest = old.partition(_BEGIN)
    after = rest.partition(_END)[2]
    page.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(run(_parser(), _run))
