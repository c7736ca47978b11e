"""How results look: aligned names and values for people, JSON for scripts.

Nothing is wrapped or cut: an id that is copied from a narrow terminal must stay whole.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated

import typer

from orchestrator.auth import Secret

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

_GAP = "  "


def plain(value: object) -> object:
    """Return a value as JSON has it: dataclasses as objects, times in RFC 3339.

    A `Secret` is revealed: it stands in a result only where showing it is the point.
    """
    form: object
    match value:
        case Secret():
            form = value.reveal()
        case datetime():
            form = value.isoformat().replace("+00:00", "Z")
        case timedelta():
            form = value.total_seconds()
        case str() | int() | float() | None:
            form = value
        case Mapping():
            form = {str(name): plain(item) for name, item in value.items()}
        case list() | tuple():
            form = [plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value):
            fields = dataclasses.fields(value)
            form = {field.name: plain(getattr(value, field.name)) for field in fields}
        case _:
            raise TypeError(f"{type(value).__name__} has no plain form")
    return form


def print_json(value: object) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(plain(value), indent=2))


def print_fields(title: str, fields: Mapping[str, object]) -> None:
    """Print names and values; those without a value are left out."""
    texts = {name: text for name, value in fields.items() if (text := as_text(value))}
    width = max(map(len, texts))
    typer.echo(title)
    for name, text in texts.items():
        first, *others = text.splitlines()
        typer.echo(f"{typer.style(name.ljust(width), bold=True)}{_GAP}{first}")
        for line in others:
            typer.echo(f"{' ' * width}{_GAP}{line}")


def print_rows(
    columns: Sequence[str],
    rows: Iterable[Iterable[object]],
    *,
    numbers: Collection[str] = (),
    empty: str = "",
) -> None:
    """Print a table with a heading. The last column is the one for long texts.

    Args:
        columns: The heading.
        rows: A value for each column.
        numbers: Those columns that have numbers, which end below one another.
        empty: What to print in the place of a table without rows.
    """
    table = [list(columns), *([as_text(value) for value in row] for row in rows)]
    if empty and len(table) == 1:
        typer.echo(empty)
        return
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for number, row in enumerate(table):
        cells = (
            text.rjust(width) if column in numbers else text.ljust(width)
            for column, text, width in zip(columns, row, widths, strict=True)
        )
        typer.echo(typer.style(_GAP.join(cells).rstrip(), bold=number == 0))


def wait_text(wait: timedelta | None) -> str | None:
    """Return how long to wait, in whole seconds that are long enough."""
    return None if wait is None else f"{math.ceil(wait.total_seconds())} s"


def as_text(value: object) -> str:
    """Return a value as people read it: one that is not set is empty, times are to the second."""
    match value:
        case None:
            return ""
        case datetime():
            return str(plain(value.replace(microsecond=0)))
        case list() | tuple():
            return " ".join(map(as_text, value))
        case Mapping():
            return "\n".join(f"{name}={as_text(item)}" for name, item in value.items())
    return str(plain(value))
