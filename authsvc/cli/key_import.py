"""`authsvc key import`: keys of another system, from a file, through a running server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from authsvc.cli.connection import Connection, with_connection
from authsvc.cli.failures import Failure
from authsvc.cli.import_file import FileFormat, Line, read_keys
from authsvc.cli.output import JsonOption, print_json, print_rows
from orchestrator.auth import (
    AlreadyThere,
    ErrorReason,
    Imported,
    ImportFailed,
    ImportMode,
    ImportResult,
    Key,
)

_KEYS_PER_CALL: Final = 1000
_BYTES_PER_CALL: Final = 3 << 20
"""Of the 4 MiB that a message may have."""
_TIMEOUT_SECONDS: Final = 30.0
_WHY: Final = {
    ErrorReason.KEY_NAME_TAKEN: "the account, or this file, has a key of this name",
    ErrorReason.SCOPE_NOT_GRANTABLE: "authsvc: scopes go to keys of the system account only",
}


class _Result(StrEnum):
    """What became of a line, in a word."""

    IMPORTED = "imported"
    THERE = "there already"
    FAILED = "failed"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class _Told:
    """What is told of a line."""

    line: int
    result: _Result
    name: str
    key: Key | None
    why: list[str]


@with_connection
def import_keys(
    connection: Connection,
    file: Annotated[Path, typer.Argument(help="A file of keys: JSON Lines or CSV.")],
    *,
    account: Annotated[str, typer.Option(help="The account that the keys act for (acct_…).")],
    all_or_nothing: Annotated[
        bool,
        typer.Option("--all-or-nothing", help="Import none when one cannot be; up to 1,000 keys."),
    ] = False,
    file_format: Annotated[
        FileFormat | None,
        typer.Option("--format", help="How the file is written. Default: as its name ends."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Import keys of another system: their holders go on with the secrets that they have.

    One key a line, with its name and its digest, the SHA-256 of the whole secret as 64 hexadecimal
    characters; or with its secret, of which the digest is computed here: secrets are not sent.

    Safe to repeat: what is there already is left as it is. Exit code 0: every key is there now.
    1: some are not.
    """
    lines = read_keys(file, file_format)
    if all_or_nothing and len(lines) > _KEYS_PER_CALL:
        raise Failure(
            f"{file} has {len(lines):,} keys; all or nothing is for {_KEYS_PER_CALL:,} at most"
        )
    mode = ImportMode.ALL_OR_NOTHING if all_or_nothing else ImportMode.EACH_BY_ITSELF
    told: list[_Told] = []
    try:
        with connection.open_client() as client:
            for chunk in [lines] if all_or_nothing else _chunks(lines):
                keys = [line.key for line in chunk]
                imported = client.import_keys(
                    keys, account_id=account, mode=mode, timeout=_TIMEOUT_SECONDS
                )
                told += [
                    _tell(line, index, result)
                    for index, (line, result) in enumerate(
                        zip(chunk, imported.results, strict=True)
                    )
                ]
    finally:
        # When a call fails, those before it have been done.
        if told:
            _print(told, as_json=as_json)
    if any(one.result in {_Result.FAILED, _Result.WITHHELD} for one in told):
        raise typer.Exit(1)


def _chunks(lines: list[Line]) -> Iterator[list[Line]]:
    chunk: list[Line] = []
    size = 0
    for line in lines:
        if chunk and (len(chunk) == _KEYS_PER_CALL or size + line.size > _BYTES_PER_CALL):
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += line.size
    yield chunk


def _tell(line: Line, index: int, result: ImportResult) -> _Told:
    name = line.key.name
    match result:
        case Imported():
            return _Told(line.number, _Result.IMPORTED, name, result.key, [])
        case AlreadyThere():
            return _Told(line.number, _Result.THERE, name, result.key, [])
        case ImportFailed():
            return _Told(line.number, _Result.FAILED, name, None, _why(result, index))
    return _Told(line.number, _Result.WITHHELD, name, None, [])


def _why(failed: ImportFailed, index: int) -> list[str]:
    if failed.field_violations:
        prefix = f"keys[{index}]."
        return [
            f"{field.removeprefix(prefix)} {description}"
            for field, description in failed.field_violations
        ]
    return [_WHY.get(failed.reason, str(failed.reason))]


def _print(told: list[_Told], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    print_rows(
        ("LINE", "RESULT", "KEY", "NAME", "WHY"),
        [
            (
                one.line,
                one.result,
                one.key and one.key.key_id,
                # Of a refused name, what a terminal would act on
                "".join(letter if letter.isprintable() else "�" for letter in one.name),
                "; ".join(one.why),
            )
            for one in told
        ],
    )
    counts = Counter(one.result for one in told)
    summary = ", ".join(f"{counts[result]:,} {result}" for result in _Result if counts[result])
    typer.echo(f"\n{summary}.")
