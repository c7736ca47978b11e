"""`RESULTS.md`: a page with one section for each benchmark, each of which writes its own only.

Depends on the standard library and rich.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from rich import box
from rich.table import Table

_TITLE: Final = "# Benchmark"
# In the order in which they stand on the page.
SECTIONS: Final = ("comparison", "freshness", "soak", "failover", "overload")


@dataclass(frozen=True, slots=True)
class Target:
    """A promise, and what was measured of it."""

    measure: str
    measured: str
    target: str
    met: bool

    @property
    def verdict(self) -> str:
        """Whether it is kept, in words."""
        return "met" if self.met else "not met"


def at_least(measure: str, value: float, least: float) -> Target:
    """Return a target that a ratio reaches from below."""
    return Target(measure, f"{value:.2f}", f"at least {least:g}", value >= least)


def at_most(measure: str, value: float, most: float, unit: str = "") -> Target:
    """Return a target that a value must not exceed."""
    form = f"{value:.2f}" if not unit else f"{value:,.0f}{unit}"
    return Target(measure, form, f"at most {most:,g}{unit}", value <= most)


def terminal_targets(targets: Sequence[Target]) -> Table:
    """Return the table of targets for the terminal."""
    table = Table("", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("measured", "target"):
        table.add_column(column, justify="right")
    table.add_column("")
    for target in targets:
        table.add_row(target.measure, target.measured, target.target, target.verdict)
    return table


def target_lines(targets: Sequence[Target]) -> list[str]:
    """Return the table of targets for the page."""
    rows = [(t.measure, t.measured, t.target, t.verdict) for t in targets]
    return table_lines(("Measure", "measured", "target", ""), rows)


def table_lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table for the page; with more than two columns, of figures."""
    figures = len(head) > 2  # noqa: PLR2004 - a name and a text
    rule = ["---", *["---:" if figures else "---"] * (len(head) - 1)]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]


def circumstances(
    parameters: Mapping[str, str], machine: Mapping[str, str], finished: datetime
) -> list[str]:
    """Return how, on what and when figures were taken."""
    return [
        f"Taken on {finished:%Y-%m-%d %H:%M} UTC.",
        "",
        *table_lines(("Parameter", ""), list(parameters.items())),
        "",
        *table_lines(("Machine", ""), list(machine.items())),
    ]


def section_lines(
    title: str, introduction: str, targets: Sequence[Target], *blocks: Sequence[str]
) -> list[str]:
    """Return the lines of a section: what was promised and kept, and what is to follow it."""
    lines = [f"## {title}", "", introduction, "", *target_lines(targets)]
    for block in blocks:
        lines += ["", *block]
    return lines


def write_section(page: Path, name: str, lines: Sequence[str]) -> None:
    """Write one section of a page and leave the others as they are.

    Args:
        page: The file; it may be missing.
        name: One of `SECTIONS`.
        lines: The section.
    """
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    sections = {one: _find(text, one) for one in SECTIONS}
    sections[name] = "\n".join(lines).strip()
    parts = [_TITLE]
    for one, body in sections.items():
        if body:
            parts.append(f"{_begin(one)}\n\n{body}\n\n{_end(one)}")
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _find(text: str, name: str) -> str:
    return text.partition(_begin(name))[2].partition(_end(name))[0].strip()


def _begin(name: str) -> str:
    return f"<!-- begin {name} -->"


def _end(name: str) -> str:
    return f"<!-- end {name} -->"
