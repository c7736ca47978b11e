"""The figures of the comparison: medians over rounds, as tables for terminal and page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from rich import box
from rich.table import Table

from benchmarks.cases import Case
from benchmarks.load import Sample
from benchmarks.results import table_lines

COLUMNS: Final = (
    "calls/s",
    "credentials/s",
    "p50 ms",
    "p99 ms",
    "CPU µs",
    "of",
    "credentials/s",
    "least to greatest",
    "CPU",
)
NOTE: Final = (
    "The absolute figures are this machine's, and servers, database and load share it. Compare "
    "only the ratios to the yardstick, the case named under `of`: each is taken within one round, "
    "and the table has their medians over the rounds. The load is closed: a fixed number of calls "
    "is always in flight, so that latencies are those of a server at its limit. CPU is the "
    "processor time that the server's processes take for a call; Postgres is not in it."
)


@dataclass(frozen=True, slots=True)
class Figures:
    """One case over all rounds, as text for each of the columns."""

    letter: str
    title: str
    cells: tuple[str, ...]


Rounds = Sequence[Mapping[str, Sample]]
"""For each round, the samples by the letters of their cases."""


def ratios(
    rounds: Rounds, letter: str, yardstick: str, value: Callable[[Sample], float | None]
) -> list[float]:
    """Return the ratio of two cases for each round in which both values are known."""
    pairs = [(value(samples[letter]), value(samples[yardstick])) for samples in rounds]
    return [one / other for one, other in pairs if one is not None and other]


def rate_ratio(rounds: Rounds, letter: str, yardstick: str) -> float:
    """Return the median ratio of two cases in credentials per second."""
    return median(ratios(rounds, letter, yardstick, _credentials))


def summarise(cases: Sequence[Case], rounds: Rounds) -> list[Figures]:
    """Return the figures of each case."""
    figures = []
    for case in cases:
        rates = ratios(rounds, case.letter, case.yardstick, _credentials)
        cpu = ratios(rounds, case.letter, case.yardstick, lambda sample: sample.cpu)
        samples = [one[case.letter] for one in rounds]
        cells = (
            f"{median(sample.rate for sample in samples):,.0f}",
            f"{median(sample.credentials for sample in samples):,.0f}",
            f"{median(sample.p50 for sample in samples):.2f}",
            f"{median(sample.p99 for sample in samples):.2f}",
            _median_of([sample.cpu for sample in samples if sample.cpu is not None], ",.0f"),
        )
        compared = (
            f"({case.yardstick})",
            f"{median(rates):.2f}",
            f"{min(rates):.2f} to {max(rates):.2f}",
            _median_of(cpu, ".2f"),
        )
        is_yardstick = case.letter == case.yardstick
        figures.append(
            Figures(
                case.letter,
                case.title,
                (*cells, *(("",) * len(compared) if is_yardstick else compared)),
            )
        )
    return figures


def terminal_table(figures: Sequence[Figures]) -> Table:
    """Return the table for the terminal, which names the cases by their letters."""
    table = Table("", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for column in COLUMNS:
        table.add_column(column.replace("credentials/s", "cred/s"), justify="right")
    for row in figures:
        table.add_row(f"({row.letter})", *row.cells)
    return table


def figure_lines(figures: Sequence[Figures]) -> list[str]:
    """Return the table for the page."""
    return table_lines(
        ("", *COLUMNS), [(f"({row.letter}) {row.title}", *row.cells) for row in figures]
    )


def _credentials(sample: Sample) -> float:
    return sample.credentials


def _median_of(values: Sequence[float], form: str) -> str:
    return f"{median(values):{form}}" if values else "–"  # noqa: RUF001 - a dash for what is not known
