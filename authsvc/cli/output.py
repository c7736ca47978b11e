"""How results look: a table of names and values for people, JSON for scripts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from orchestrator.auth import Secret

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


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
        case frozenset():
            form = sorted(str(item) for item in value)
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
    typer.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))


def print_fields(title: str, fields: Mapping[str, object]) -> None:
    """Print names and values; those without a value are left out."""
    table = Table(show_header=False, box=None, pad_edge=False, title_justify="left", title=title)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in fields.items():
        text = _text(plain(value))
        if text:
            table.add_row(name, text)
    Console(highlight=False, markup=False).print(table)


def print_rows(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table with a heading."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_text(plain(value)) for value in row))
    Console(highlight=False, markup=False).print(table)


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case list():
            return " ".join(map(str, value))
        case dict():
            return " ".join(f"{name}={item}" for name, item in value.items())
    return str(value)
