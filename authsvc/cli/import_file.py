"""Files of keys to import: JSON Lines or CSV, one key a line (docs/import.md).

A file is read whole before anything is sent, and what is wrong is told by line numbers: a line may
hold a secret, so nothing of it is repeated.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import typer

from authsvc.cli.failures import Failure
from authsvc.cli.key_options import parse_rate_limit
from orchestrator.auth import KeyToImport, RateLimit

_MAX_PROBLEMS: Final = 20
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{64}")
_TIMES: Final = ("create_time", "expire_time", "last_use_time")
_FIELDS: Final = frozenset(
    {"digest", "secret", "name", "scopes", "metadata", "hint", "disabled", "allowed_addresses"}
    | {"rate_limit", *_TIMES}
)
_METADATA_PREFIX: Final = "metadata."
_WORDS: Final = {"": False, "false": False, "true": True}


class FileFormat(StrEnum):
    """How a file is written."""

    JSONL = "jsonl"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Line:
    """A key of a file, and the line that it stands on."""

    number: int
    key: KeyToImport
    size: int
    """How many bytes it takes on the wire, or some more."""


class _Unreadable(Exception):
    """A line is no key; the text says what it should be."""


def read_keys(file: Path, file_format: FileFormat | None) -> list[Line]:
    """Read all keys of a file.

    Args:
        file: The file.
        file_format: How it is written; None: as its name ends.

    Raises:
        Failure: It cannot be read as keys; the text has the line numbers.
        OSError: It cannot be read at all.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Failure(f"{file} is not text in UTF-8") from None
    records = _json_lines if _format_of(file, file_format) is FileFormat.JSONL else _csv_rows
    lines: list[Line] = []
    problems: list[str] = []
    for number, record in records(text):
        try:
            if isinstance(record, _Unreadable):
                raise record
            lines.append(Line(number, _key(record), len(json.dumps(record))))
        except _Unreadable as problem:
            problems.append(f"  line {number}: {problem}")
    if problems:
        more = len(problems) - _MAX_PROBLEMS
        shown = [*problems[:_MAX_PROBLEMS], *([f"  and {more} more"] if more > 0 else [])]
        raise Failure("\n".join([f"{file} cannot be read; nothing was imported:", *shown]))
    if not lines:
        raise Failure(f"{file} has no keys")
    return lines


def _format_of(file: Path, file_format: FileFormat | None) -> FileFormat:
    if file_format is not None:
        return file_format
    by_suffix = {".jsonl": FileFormat.JSONL, ".ndjson": FileFormat.JSONL, ".csv": FileFormat.CSV}
    found = by_suffix.get(file.suffix.lower())
    if found is None:
        raise Failure(f"{file} ends in neither .jsonl nor .csv: say which it is with --format")
    return found


def _json_lines(text: str) -> Iterator[tuple[int, Mapping[str, Any] | _Unreadable]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        is_object = isinstance(record, dict)
        yield number, record if is_object else _Unreadable("should be one JSON object")


def _csv_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any] | _Unreadable]]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    heading: list[str] = []
    first = 1
    while True:
        try:
            row = next(rows, None)
        except csv.Error:
            # What comes behind it cannot be told apart any more.
            yield first, _Unreadable("is no CSV: look at its quotes")
            return
        number, first = first, rows.line_num + 1
        if row is None:
            return
        if not heading:
            heading = [name.strip() for name in row]
        elif any(row):
            fits = len(row) == len(heading)
            yield (
                number,
                _cells(heading, row)
                if fits
                else _Unreadable(
                    f"should have {len(heading)} columns, as the heading has, and has {len(row)}"
                ),
            )


def _cells(heading: list[str], row: list[str]) -> dict[str, Any]:
    """Return a row as JSON would have it."""
    record: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    for name, cell in zip(heading, row, strict=True):
        if name.startswith(_METADATA_PREFIX):
            if cell:
                metadata[name.removeprefix(_METADATA_PREFIX)] = cell
        elif name in {"scopes", "allowed_addresses"}:
            record[name] = cell.split()
        elif name == "disabled":
            record[name] = _WORDS.get(cell.strip().lower(), cell)
        elif cell:
            record[name] = cell
        elif name not in _FIELDS:
            record[name] = ""
    return {**record, "metadata": metadata}


def _key(record: Mapping[str, Any]) -> KeyToImport:
    unknown = len(record.keys() - _FIELDS)
    if unknown:
        # Their names are not repeated: a heading that is missing makes a secret of one.
        raise _Unreadable(
            f"has {unknown} field{'s' if unknown > 1 else ''} that no key has; there are "
            f"{', '.join(sorted(_FIELDS))}"
        )
    if (record.get("secret") is None) == (record.get("digest") is None):
        raise _Unreadable("should have either digest or secret")
    name, scopes, metadata = record.get("name"), record.get("scopes"), record.get("metadata")
    _require(isinstance(name, str), "name should be text")
    _require(_are_texts(scopes or []), "scopes should be a list of texts")
    _require(
        isinstance(metadata or {}, dict) and _are_texts([*(metadata or {}).values()]),
        "metadata should be an object of texts",
    )
    addresses = record.get("allowed_addresses") or []
    _require(_are_texts(addresses), "allowed_addresses should be a list of texts")
    disabled = record.get("disabled") or False
    _require(isinstance(disabled, bool), "disabled should be true or false")
    values: dict[str, Any] = {
        "name": name,
        "scopes": scopes or [],
        "metadata": metadata or {},
        "disabled": disabled,
        "allowed_addresses": addresses,
        "rate_limit": _rate_limit(record.get("rate_limit")),
        **{field: _time(record, field) for field in _TIMES},
    }
    if record.get("digest") is not None:
        hint = record.get("hint") or ""
        _require(isinstance(hint, str), "hint should be text")
        return KeyToImport(_digest(record["digest"]), hint=hint, **values)
    _require(not record.get("hint"), "hint is made of the secret: leave it out")
    try:
        return KeyToImport.from_secret(record["secret"], **values)
    except (TypeError, ValueError):
        raise _Unreadable("secret should be orch_ and 40 hexadecimal characters") from None


def _require(condition: bool, problem: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not condition:
        raise _Unreadable(problem)


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _digest(value: object) -> bytes:
    if not isinstance(value, str) or _DIGEST.fullmatch(value) is None:
        raise _Unreadable("digest should be the SHA-256 digest as 64 hexadecimal characters")
    return bytes.fromhex(value)


def _rate_limit(value: object) -> RateLimit | None:
    if value is None:
        return None
    try:
        return parse_rate_limit(value if isinstance(value, str) else "")
    except typer.BadParameter:
        raise _Unreadable("rate_limit should be a number and a period, like 100/min") from None


def _time(record: Mapping[str, Any], field: str) -> datetime | None:
    value = record.get(field)
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        time = None
    if time is None or time.tzinfo is None:
        raise _Unreadable(f"{field} should be a time with its zone, like 2026-01-31T12:00:00Z")
    return time
