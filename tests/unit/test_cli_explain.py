"""What `authsvc explain` prints, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from authsvc.cli import commands
from authsvc.cli.connection import Connection
from orchestrator.auth import (
    Denial,
    DenialReason,
    Explanation,
    Finding,
    FindingCode,
    Freshness,
    FreshnessSource,
    Key,
    KeyState,
    Principal,
    PrincipalKind,
    RequestContext,
    RevocationReason,
    Verdict,
)
from tests.unit.examples import ACCOUNT_ID, FAKE_KEY, KEY_ID, NOW

FRESH = Freshness(FreshnessSource.DATABASE, NOW)
GOOD = Explanation(
    verdict=Verdict(
        Principal(
            kind=PrincipalKind.API_KEY,
            account_id=ACCOUNT_ID,
            key_id=KEY_ID,
            key_name="ci",
            user_id=None,
            session_id=None,
            scopes=("*",),
            expire_time=None,
            metadata={},
        ),
        FRESH,
    ),
    findings=(),
    hint="The credential is good.",
    key=None,
    missing_scopes=(),
)
DENIED = replace(
    GOOD,
    verdict=Verdict(
        Denial(DenialReason.INVALID_KEY_FORMAT, "Invalid API key format", 401, "UNAUTHORIZED"),
        FRESH,
    ),
    hint="Do this.",
)
REVOKED_KEY = Key(
    key_id=KEY_ID,
    account_id=ACCOUNT_ID,
    name="ci",
    scopes=("sessions:read",),
    state=KeyState.REVOKED,
    hint="orch_0000…0001",
    create_time=NOW,
    expire_time=datetime(2027, 1, 1, tzinfo=UTC),
    revoke_time=datetime(2026, 2, 1, tzinfo=UTC),
    last_use_time=None,
    metadata={},
    etag="e1",
    revoke_reason=RevocationReason.COMPROMISED,
    revoke_note="seen in a log",
)


class Client:
    """Explains everything alike, and keeps what it was asked."""

    def __init__(self, explanation: Explanation) -> None:
        self._explanation = explanation
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def explain(self, authorization: str, **demands: Any) -> Explanation:  # noqa: ANN401 - kept as they come
        self.asked.append((authorization, demands))
        return self._explanation


def explain(
    monkeypatch: pytest.MonkeyPatch,
    explanation: Explanation,
    *arguments: str,
    stdin: str | bytes = "x",
) -> Any:  # noqa: ANN401 - the runner's result, and what was asked
    client = Client(explanation)
    monkeypatch.setattr(Connection, "open_client", lambda *_, **__: nullcontext(client))
    ended = CliRunner().invoke(commands.app, ["explain", *arguments], input=stdin)
    return SimpleNamespace(code=ended.exit_code, out=ended.output, asked=client.asked)


def test_a_good_credential_takes_one_word(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = explain(monkeypatch, GOOD)

    assert (ended.code, ended.out) == (0, "Good.\n")


def test_a_denial_comes_first_and_the_hint_last(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = explain(monkeypatch, DENIED)

    assert (ended.code, ended.out) == (3, "Denied: Invalid API key format (401).\n\nDo this.\n")


@pytest.mark.parametrize(
    ("finding", "line"),
    [
        (Finding(FindingCode.QUOTED, "it is quoted"), "  - it is quoted"),
        (
            Finding(FindingCode.LINE_BREAK_BEHIND, "a line break", position=0, length=2),
            "  - a line break (position 0)",
        ),
        (
            Finding(FindingCode.NOT_ASCII, "position 5 is not ASCII", position=5),
            "  - position 5 is not ASCII",
        ),
        (Finding(FindingCode.UNKNOWN, "it is on fire"), "  - it is on fire"),
    ],
    ids=lambda value: value.code if isinstance(value, Finding) else "",
)
def test_a_finding_is_a_line_with_its_position(
    monkeypatch: pytest.MonkeyPatch, finding: Finding, line: str
) -> None:
    ended = explain(monkeypatch, replace(DENIED, findings=(finding,)))

    assert ended.out.splitlines()[1] == line


def test_a_known_key_and_missing_scopes_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    known = replace(DENIED, key=REVOKED_KEY, missing_scopes=("a", "b:c"))

    ended = explain(monkeypatch, known)

    assert (
        ended.out
        == f"""\
Denied: Invalid API key format (401).

key      {KEY_ID}
account  {ACCOUNT_ID}
name     ci
state    REVOKED
created  2026-01-02T03:04:05Z
expires  2027-01-01T00:00:00Z
revoked  2026-02-01T00:00:00Z
reason   COMPROMISED
note     seen in a log
scopes   sessions:read
missing  a b:c

Do this.
"""
    )


def test_scopes_that_a_token_lacks_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = explain(monkeypatch, replace(DENIED, missing_scopes=("a",)))

    assert "\n\nmissing  a\n\n" in ended.out


def test_scripts_get_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = Finding(FindingCode.QUOTED, "it is quoted")
    ended = explain(monkeypatch, replace(DENIED, findings=(finding,), key=REVOKED_KEY), "--json")

    told = json.loads(ended.out)
    assert ended.code == 3
    assert set(told) == {"denial", "freshness", "findings", "hint", "key", "missing_scopes"}
    assert told["denial"]["reason"] == "INVALID_KEY_FORMAT"
    assert told["findings"] == [
        {
            "code": "QUOTED",
            "text": "it is quoted",
            "position": None,
            "length": None,
            "claim": None,
            "issuer": None,
        }
    ]
    assert told["key"]["state"] == "REVOKED"


def test_scripts_get_the_principal_of_a_good_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = explain(monkeypatch, GOOD, "--json")

    assert ended.code == 0
    assert json.loads(ended.out)["principal"]["key_name"] == "ci"


def test_what_is_demanded_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    demands = ("--scope", "a", "--scope", "b:c", "--client-ip", "192.0.2.1")

    ended = explain(monkeypatch, GOOD, *demands, stdin=FAKE_KEY)

    asked = {"required_scopes": ["a", "b:c"], "context": RequestContext(client_ip="192.0.2.1")}
    assert ended.asked == [(FAKE_KEY, asked)]


@pytest.mark.parametrize(
    ("typed", "credential"),
    [(b"x\n", "x"), (b"x\n\n", "x\n"), (b"x\r\n", "x\r"), (b"x\t", "x\t"), (b"", "")],
)
def test_only_the_line_break_of_echo_is_taken_off(
    monkeypatch: pytest.MonkeyPatch, typed: bytes, credential: str
) -> None:
    ended = explain(monkeypatch, GOOD, stdin=typed)

    assert [asked for asked, _ in ended.asked] == [credential]


def test_the_help_says_what_becomes_of_line_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = explain(monkeypatch, GOOD, "--help")

    assert r"printf '%s\n\n'" in " ".join(ended.out.split())


def test_a_rotated_key_names_its_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    rotated = replace(REVOKED_KEY, superseded_by="key_2")

    ended = explain(monkeypatch, replace(DENIED, key=rotated))

    assert "superseded by  key_2" in ended.out
