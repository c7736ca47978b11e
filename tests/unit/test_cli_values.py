"""The command line's values: what it reads, and what it shows."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from authsvc.cli.key import parse_metadata, read_credential
from authsvc.cli.key_options import (
    parse_duration,
    parse_overlap,
    parse_rate_limit,
    rate_text,
)
from authsvc.cli.local_database import (
    ensure_encryption_key,
    find_or_make_encryption_key,
    read_private,
    write_private,
)
from authsvc.cli.output import plain, print_json, print_rows
from authsvc.config_values import decode_encryption_key
from authsvc.domain.scopes import ALL
from orchestrator.auth import RateLimit, RevocationReason, Secret
from tests.unit.examples import FAKE_KEY


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("45s", timedelta(seconds=45)),
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("90d", timedelta(days=90)),
        ("999999999d", timedelta(days=999_999_999)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    [
        "",
        "90",
        "d",
        "0d",
        "-1d",
        "1.5h",
        "1w",
        "1D",
        " 1d",
        "1d ",
        "1d\n",
        "1h30m",
        "1000000000d",
        "1\u0663d",
        "\uff11d",
        "01d",
        "P1D",
    ],
)
def test_text_of_another_form_is_no_duration(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0", "0s", "0m", "0h", "0d"])
def test_an_overlap_may_be_none_at_all(text: str) -> None:
    assert parse_overlap(text) == timedelta(0)


def test_an_overlap_is_a_duration_otherwise() -> None:
    assert parse_overlap("24h") == timedelta(hours=24)


@pytest.mark.parametrize("text", ["", "00", "-0", "0w", "0 ", "24", "1.5h", "\u0660"])
def test_text_of_another_form_is_no_overlap(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_overlap(text)


@pytest.mark.parametrize(
    ("text", "requests", "seconds"),
    [
        ("5/s", 5, 1),
        ("100/min", 100, 60),
        ("1000/h", 1000, 3600),
        ("9/day", 9, 86_400),
        ("50/90s", 50, 90),
    ],
)
def test_a_rate_is_requests_and_a_period_and_is_shown_so(
    text: str, requests: int, seconds: int
) -> None:
    limit = parse_rate_limit(text)

    assert limit == RateLimit(requests, timedelta(seconds=seconds))
    assert rate_text(limit) == text


@pytest.mark.parametrize(
    ("text", "shown"), [("1/1s", "1/s"), ("7/60s", "7/min"), ("7/5m", "7/300s"), ("7/1d", "7/day")]
)
def test_a_rate_has_one_form_to_be_shown_in(text: str, shown: str) -> None:
    assert rate_text(parse_rate_limit(text)) == shown


def test_no_limit_is_not_shown() -> None:
    assert rate_text(None) is None


@pytest.mark.parametrize(
    "text",
    ["", "5", "5/", "/s", "0/s", "-1/s", "1.5/s", "5/m/s", "5 / s", "5/S", "5/week", "5/0s",
     "05/s", "5/s ", "\u0665/s", "1000000000/s", "5/\u0661s"],
)  # fmt: skip
def test_text_of_another_form_is_no_rate(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="100/min"):
        parse_rate_limit(text)


@given(st.text(max_size=12))
def test_no_text_makes_the_reading_of_a_duration_fail_otherwise(text: str) -> None:
    try:
        assert parse_duration(text) > timedelta(0)
    except typer.BadParameter:
        return


@pytest.mark.parametrize(
    ("pairs", "metadata"),
    [
        ([], {}),
        (["team=a"], {"team": "a"}),
        (["a=1", "b=2"], {"a": "1", "b": "2"}),
        (["a="], {"a": ""}),
        (["a=b=c"], {"a": "b=c"}),
        (["a= b "], {"a": " b "}),
    ],
)
def test_metadata_are_names_and_values(pairs: list[str], metadata: dict[str, str]) -> None:
    assert parse_metadata(pairs) == metadata


@pytest.mark.parametrize("pairs", [["a"], ["a=1", "a=2"], ["a=1", "b"], [""]])
def test_metadata_of_another_form_are_refused(pairs: list[str]) -> None:
    with pytest.raises(typer.BadParameter):
        parse_metadata(pairs)


@pytest.mark.parametrize(
    ("typed", "credential"),
    [
        ("x\n", "x"),
        ("x", "x"),
        ("x\n\n", "x\n"),
        ("x \n", "x "),
        (" x\n", " x"),
        ("", ""),
        ("\n", ""),
    ],
)
def test_a_credential_is_read_as_it_is_but_for_the_line_break_of_echo(
    monkeypatch: pytest.MonkeyPatch, typed: str, credential: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))

    assert read_credential("The credential") == credential


def test_a_carriage_return_is_read_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"x\r\n"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stdin)

    assert read_credential("The credential") == "x\r"


@dataclasses.dataclass(frozen=True)
class Example:
    """Some of all that results are made of."""

    secret: Secret
    moment: datetime
    span: timedelta
    nothing: None = None
    scopes: tuple[str, ...] = (ALL,)
    metadata: dict[str, str] = dataclasses.field(default_factory=lambda: {"team": "a"})
    reason: RevocationReason = RevocationReason.COMPROMISED
    good: bool = True


EXAMPLE = Example(Secret(FAKE_KEY), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), timedelta(minutes=1))
PLAIN = {
    "secret": FAKE_KEY,
    "moment": "2026-01-02T03:04:05Z",
    "span": 60.0,
    "nothing": None,
    "scopes": ["*"],
    "metadata": {"team": "a"},
    "reason": "COMPROMISED",
    "good": True,
}


def test_a_result_has_a_plain_form() -> None:
    assert plain(EXAMPLE) == PLAIN


def test_results_in_a_list_have_one_too() -> None:
    assert plain([EXAMPLE, EXAMPLE]) == [PLAIN, PLAIN]


def test_the_printed_result_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(EXAMPLE)

    assert json.loads(capsys.readouterr().out) == PLAIN


@pytest.mark.parametrize("value", [b"bytes", object(), 1j])
def test_what_has_no_plain_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="has no plain form"):
        plain(value)


def test_a_private_file_is_its_owners_only(tmp_path: Path) -> None:
    write_private(tmp_path / "admin.key", f"{FAKE_KEY}\n")

    assert (tmp_path / "admin.key").stat().st_mode & 0o777 == 0o600


def test_a_private_file_stays_private_when_it_replaces_an_open_one(tmp_path: Path) -> None:
    path = tmp_path / "admin.key"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)

    write_private(path, f"{FAKE_KEY}\n")

    assert (path.stat().st_mode & 0o777, read_private(path)) == (0o600, FAKE_KEY)


def test_a_private_file_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_private(tmp_path / "admin.key", "x")

    assert [path.name for path in tmp_path.iterdir()] == ["admin.key"]


def test_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_private(tmp_path / "admin.key") is None


def test_an_encryption_key_is_made_once(tmp_path: Path) -> None:
    made = find_or_make_encryption_key(tmp_path)

    assert ensure_encryption_key(tmp_path, made) == made
    assert ensure_encryption_key(tmp_path, find_or_make_encryption_key(tmp_path)) == made


def test_a_made_encryption_key_is_one(tmp_path: Path) -> None:
    assert len(decode_encryption_key(find_or_make_encryption_key(tmp_path))) == 32


def test_a_list_of_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(["KEY"], [], empty="There are no keys.")
    print_rows(["KEY"], [["key_1"]], empty="There are no keys.")

    assert capsys.readouterr().out.splitlines() == ["There are no keys.", "KEY", "key_1"]
