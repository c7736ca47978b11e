"""The figures of a run: medians over rounds, and the table of them for terminal and page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Final

from rich import box
from rich.table import Table

from benchmarks.cases import Case
from benchmarks.load import Sample

COLUMNS: Final = (
    "req/s",
    "of (a)",
    "p50 ms",
    "of (a)",
    "p99 ms",
    "of (a)",
    "CPU µs",
    "of (a)",
)
SPREAD: Final = "req/s of (a), least to greatest"
NOTE: Final = (
    "The absolute figures are this machine's, and servers, database and load share it. Compare "
    "only the ratios to (a): each is taken within one round, and the table has their medians over "
    "the rounds. The load is closed: a fixed number of calls is always in flight, so that "
    "latencies are those of a server at its limit. CPU is the processor time that the server's "
    "process takes for a call; Postgres is not in it."
)


@dataclass(frozen=True, slots=True)
class Figures:
    """One case over all rounds, as text for each of the columns."""

    title: str
    cells: tuple[str, ...]
    spread: str


def summarise(cases: Sequence[Case], rounds: Sequence[Sequence[Sample]]) -> list[Figures]:
    """Return the figures of each case.

    Args:
        cases: The first is the yardstick.
        rounds: For each round, a sample for each case in their order.
    """
    return [
        Figures(
            f"({case.letter}) {case.title}",
            (
                *_cells(rounds, number, lambda sample: sample.rate, ",.0f"),
                *_cells(rounds, number, lambda sample: sample.p50, ".2f"),
                *_cells(rounds, number, lambda sample: sample.p99, ".2f"),
                *_cells(rounds, number, lambda sample: sample.cpu, ".0f"),
            ),
            _spread([samples[number].rate / samples[0].rate for samples in rounds]),
        )
        for number, case in enumerate(cases)
    ]


def terminal_table(figures: Sequence[Figures]) -> Table:
    """Return the table for the terminal."""
    table = Table("", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for row in figures:
        table.add_row(row.title, *row.cells)
    return table


def page(
    figures: Sequence[Figures],
    *,
    machine: Mapping[str, str],
    parameters: Mapping[str, str],
    finished: datetime,
) -> str:
    """Return the page for RESULTS.md."""
    return "\n".join(
        [
            "# Benchmark",
            "",
            "Written by `make bench`, which loads a bare grpc.aio server with one empty handler",
            "(a) and `ValidateCredential` of the real service (b, c, d) in turn. Every call of",
            "the service authenticates its caller, by an API key, before it judges a credential.",
            "",
            *_markdown_table(
                ("", *COLUMNS, SPREAD), [(row.title, *row.cells, row.spread) for row in figures]
            ),
            "",
            NOTE,
            "",
            f"Taken on {finished:%Y-%m-%d %H:%M} UTC.",
            "",
            *_markdown_table(("Parameter", ""), list(parameters.items())),
            "",
            *_markdown_table(("Machine", ""), list(machine.items())),
            "",
        ]
    )


def _cells(
    rounds: Sequence[Sequence[Sample]],
    number: int,
    value: Callable[[Sample], float | None],
    form: str,
) -> tuple[str, str]:
    pairs = [(value(samples[number]), value(samples[0])) for samples in rounds]
    values = [one for one, _ in pairs if one is not None]
    ratios = [one / empty for one, empty in pairs if one is not None and empty]
    if not values or not ratios:
        return "–", "–"  # noqa: RUF001 - a dash for what is not known
    return f"{median(values):{form}}", f"{median(ratios):.2f}"


def _spread(ratios: Sequence[float]) -> str:
    return f"{min(ratios):.2f} to {max(ratios):.2f}"


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:" if len(head) > 2 else "---"] * (len(head) - 1)]  # noqa: PLR2004 - a table of figures
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]
