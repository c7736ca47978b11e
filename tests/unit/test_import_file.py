"""Files of keys to import: what is read, and what is told of what cannot be."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from authsvc.cli.failures import Failure
from authsvc.cli.import_file import FileFormat, Line, read_keys
from orchestrator.auth import KeyToImport, RateLimit

SECRET = "orch_" + "1a2b" + "5ec2e7" * 5 + "5e" + "c3d4"
DIGEST = hashlib.sha256(SECRET.encode()).digest()
HEADING = "name,secret\n"


def read(tmp_path: Path, text: str, name: str = "keys.jsonl") -> list[Line]:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return read_keys(file, None)


def problems(tmp_path: Path, text: str, name: str = "keys.jsonl") -> str:
    with pytest.raises(Failure) as caught:
        read(tmp_path, text, name)
    return str(caught.value)


def test_a_line_of_json_has_all_that_a_key_has(tmp_path: Path) -> None:
    record = {
        "name": "ci",
        "digest": DIGEST.hex(),
        "scopes": ["a:b", "c:*"],
        "create_time": "2024-01-02T03:04:05Z",
        "expire_time": "2030-01-02T03:04:05.5+02:00",
        "last_use_time": None,
        "metadata": {"team": "core"},
        "hint": "orch_1a2b…c3d4",
        "disabled": True,
        "allowed_addresses": ["192.0.2.0/24", "::1"],
        "rate_limit": "100/min",
    }

    [line] = read(tmp_path, json.dumps(record))

    assert line.number == 1
    assert line.key == KeyToImport(
        DIGEST,
        "ci",
        scopes=["a:b", "c:*"],
        create_time=datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
        expire_time=datetime(2030, 1, 2, 3, 4, 5, 500_000, tzinfo=timezone(timedelta(hours=2))),
        metadata={"team": "core"},
        hint="orch_1a2b…c3d4",
        disabled=True,
        allowed_addresses=["192.0.2.0/24", "::1"],
        rate_limit=RateLimit(100, timedelta(minutes=1)),
    )


def test_a_row_of_csv_has_all_that_a_key_has(tmp_path: Path) -> None:
    heading = "name,digest,scopes,create_time,hint,disabled,metadata.team,metadata.tier"
    heading += ",allowed_addresses,rate_limit"
    row = f'"ci, nightly",{DIGEST.hex()},a:b c:*,2024-01-02T03:04:05Z,orch_1a2b…c3d4,TRUE,core,'
    row += ",192.0.2.0/24 ::1,5/s"

    [line] = read(tmp_path, f"{heading}\n{row}\n", "keys.csv")

    assert line.number == 2
    assert line.key == KeyToImport(
        DIGEST,
        "ci, nightly",
        scopes=["a:b", "c:*"],
        create_time=datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
        metadata={"team": "core"},
        hint="orch_1a2b…c3d4",
        disabled=True,
        allowed_addresses=["192.0.2.0/24", "::1"],
        rate_limit=RateLimit(5, timedelta(seconds=1)),
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (json.dumps({"name": "ci", "secret": SECRET}), "keys.jsonl"),
        (f"{HEADING}ci,{SECRET}", "keys.csv"),
    ],
)
def test_of_a_secret_there_is_the_digest_only(tmp_path: Path, text: str, name: str) -> None:
    [line] = read(tmp_path, text, name)

    assert (line.key.digest, line.key.hint) == (DIGEST, "orch_1a2b…c3d4")
    assert SECRET[9:-4] not in repr(line)


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    one = json.dumps({"name": "ci", "secret": SECRET})

    lines = read(tmp_path, f"\n{one}\r\n  \n{one}\n")

    assert [line.number for line in lines] == [2, 4]


def test_a_row_over_several_lines_has_the_number_of_its_first(tmp_path: Path) -> None:
    text = f'{HEADING}"two\nlines",{SECRET}\n\nnext,{SECRET}\n'

    lines = read(tmp_path, text, "keys.csv")

    assert [(line.number, line.key.name) for line in lines] == [(2, "two\nlines"), (5, "next")]


def test_what_a_spreadsheet_puts_before_a_file_is_passed_over(tmp_path: Path) -> None:
    [line] = read(tmp_path, f"\N{ZERO WIDTH NO-BREAK SPACE}{HEADING}ci,{SECRET}\r\n", "keys.csv")

    assert line.key.name == "ci"


@pytest.mark.parametrize("file_format", FileFormat)
def test_a_file_of_any_name_is_read_as_said(tmp_path: Path, file_format: FileFormat) -> None:
    record = json.dumps({"name": "ci", "secret": SECRET})
    file = tmp_path / "keys"
    file.write_text(record if file_format is FileFormat.JSONL else f"{HEADING}ci,{SECRET}")

    assert [line.key.name for line in read_keys(file, file_format)] == ["ci"]


def test_a_file_of_an_unknown_kind_asks_for_the_format(tmp_path: Path) -> None:
    assert "--format" in problems(tmp_path, "", "keys.txt")


def test_a_file_without_keys_says_so(tmp_path: Path) -> None:
    assert "has no keys" in problems(tmp_path, "\n")
    assert "has no keys" in problems(tmp_path, HEADING, "keys.csv")


def test_a_binary_file_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "keys.csv").write_bytes(b"\xff\xfe")

    with pytest.raises(Failure, match="UTF-8"):
        read_keys(tmp_path / "keys.csv", None)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (SECRET, "should be one JSON object"),
        ([SECRET], "should be one JSON object"),
        ({"name": "ci"}, "should have either digest or secret"),
        (
            {"name": "ci", "secret": SECRET, "digest": DIGEST.hex()},
            "should have either digest or secret",
        ),
        ({"secret": SECRET}, "name should be text"),
        ({"name": 1, "secret": SECRET}, "name should be text"),
        ({"name": "ci", "secret": f"{SECRET} "}, "secret should be orch_"),
        ({"name": "ci", "secret": 1}, "secret should be orch_"),
        ({"name": "ci", "digest": SECRET}, "digest should be"),
        ({"name": "ci", "digest": 1}, "digest should be"),
        ({"name": "ci", "secret": SECRET, SECRET: ""}, "has 1 field that no key has"),
        ({"name": "ci", "secret": SECRET, "a": "", "b": ""}, "has 2 fields that no key has"),
        ({"name": "ci", "secret": SECRET, "scopes": SECRET}, "scopes should be"),
        ({"name": "ci", "secret": SECRET, "scopes": [1]}, "scopes should be"),
        ({"name": "ci", "secret": SECRET, "metadata": [SECRET]}, "metadata should be"),
        ({"name": "ci", "secret": SECRET, "metadata": {"a": 1}}, "metadata should be"),
        ({"name": "ci", "secret": SECRET, "allowed_addresses": "::1"}, "allowed_addresses should"),
        ({"name": "ci", "secret": SECRET, "rate_limit": SECRET}, "rate_limit should be"),
        ({"name": "ci", "secret": SECRET, "rate_limit": 5}, "rate_limit should be"),
        ({"name": "ci", "secret": SECRET, "disabled": "no"}, "disabled should be"),
        ({"name": "ci", "secret": SECRET, "hint": "x"}, "hint is made of the secret"),
        ({"name": "ci", "digest": DIGEST.hex(), "hint": 1}, "hint should be text"),
        ({"name": "ci", "secret": SECRET, "create_time": "2024-01-02"}, "create_time should be"),
        ({"name": "ci", "secret": SECRET, "expire_time": 1}, "expire_time should be"),
        ({"name": "ci", "secret": SECRET, "last_use_time": SECRET}, "last_use_time should be"),
    ],
)
def test_a_line_that_is_no_key_is_told_without_any_of_it(
    tmp_path: Path, record: object, problem: str
) -> None:
    good = json.dumps({"name": "ci", "secret": SECRET})

    told = problems(tmp_path, f"{good}\n{json.dumps(record)}\n")

    assert f"  line 2: {problem}" in told
    assert "nothing was imported" in told
    assert SECRET[5:] not in told


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (f"ci,{SECRET},more", "line 2: should have 2 columns, as the heading has, and has 3"),
        (SECRET, "line 2: should have 2 columns, as the heading has, and has 1"),
        (f'ci,"{SECRET}', "line 2: is no CSV"),
        (f'ci,"{SECRET}"x', "line 2: is no CSV"),
    ],
)
def test_a_row_that_is_no_key_is_told_without_any_of_it(
    tmp_path: Path, rows: str, problem: str
) -> None:
    told = problems(tmp_path, f"{HEADING}{rows}\n", "keys.csv")

    assert problem in told
    assert SECRET[5:] not in told


@pytest.mark.parametrize("heading", [f"ci,{SECRET}\n", "Name,secret\n"])
def test_a_file_without_its_heading_tells_no_row(tmp_path: Path, heading: str) -> None:
    told = problems(tmp_path, f"{heading}ci,{SECRET}\n", "keys.csv")

    assert "that no key has; there are allowed_addresses, create_time" in told
    assert SECRET[5:] not in told


@pytest.mark.parametrize("word", ["yes", "1"])
def test_a_cell_for_disabled_is_true_or_false(tmp_path: Path, word: str) -> None:
    told = problems(tmp_path, f"name,secret,disabled\nci,{SECRET},{word}\n", "keys.csv")

    assert "disabled should be true or false" in told


def test_of_many_problems_the_first_are_told(tmp_path: Path) -> None:
    told = problems(tmp_path, "x\n" * 25)

    assert "line 20:" in told
    assert "line 21:" not in told
    assert told.endswith("and 5 more")
