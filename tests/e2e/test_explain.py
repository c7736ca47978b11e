"""Why a credential is refused, from the command to the database; and docs/explain.md holds."""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from orchestrator.auth import FindingCode, KeyState
from tests.e2e.support import SECRET, Command, Dev, Ended, run, run_all

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "explain.md"

_ROW: Final = re.compile(
    r"^\| (?:`(?P<sent>[^`]+)`|nothing) \| (?P<reason>[A-Z_]+) \| (?P<found>.*) \|$", re.MULTILINE
)


class Row(NamedTuple):
    """A row of the document's table; KEY stands for a good key, and escapes are Python's."""

    sent: str
    reason: str
    found: str

    def credential(self, key: str) -> str:
        escaped = self.sent.replace("KEY", key) if "API_KEY" not in self.sent else self.sent
        return re.sub(
            r"\\(?:[nrt]|u[0-9a-f]{4})",
            lambda match: codecs.decode(match[0], "unicode_escape"),
            escaped,
        )


ROWS: Final = [Row(**row.groupdict("")) for row in _ROW.finditer(DOCUMENT.read_text("utf-8"))]


@pytest.fixture(scope="module")
def key(shared_dev: Dev) -> str:
    return shared_dev.create_key("to be explained")


@pytest.fixture(scope="module")
def told(shared_dev: Dev, key: str) -> list[Ended]:
    """What the command says of each credential of the document."""
    return run_all(
        [
            Command(["explain", "--json"], f"{row.credential(key)}\n", shared_dev.caller)
            for row in ROWS
        ]
    )


def test_the_document_has_fifteen_broken_credentials() -> None:
    assert len({row.sent for row in ROWS}) == 15


@pytest.mark.parametrize("number", range(len(ROWS)), ids=[row.sent or "nothing" for row in ROWS])
def test_a_broken_credential_is_explained_as_documented(told: list[Ended], number: int) -> None:
    ended, row = told[number], ROWS[number]
    explanation = json.loads(ended.out)

    assert (ended.code, ended.err) == (3, "")
    found = "; ".join(finding["text"] for finding in explanation["findings"])
    assert (explanation["denial"]["reason"], found) == (row.reason, row.found)


def test_no_explanation_repeats_the_credential(told: list[Ended], key: str) -> None:
    said = "".join(ended.out + ended.err for ended in told)

    assert [part for i in range(5, 40) if (part := key[i : i + 6]) in said] == []
    assert SECRET.search(said) is None


def test_a_good_key_is_good(key: str, caller: dict[str, str]) -> None:
    ended = run("explain", stdin=f"Bearer {key}\n", settings=caller)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("Good.\n")


def test_a_second_line_break_is_reported(key: str, caller: dict[str, str]) -> None:
    ended = run("explain", stdin=f"{key}\n\n", settings=caller)

    assert ended.code == 3
    assert ended.out.startswith(
        "Denied: Invalid API key format (401).\n"
        "  - a line break stands behind the credential (position 45)\n"
    )


def test_a_revoked_key_is_shown_without_its_secret(shared_dev: Dev) -> None:
    with shared_dev.client() as client:
        made = client.create_key("ended", account_id=shared_dev.account_id, scopes=["a:b"])
        client.revoke_key(key_id=made.key.key_id, note="seen in a log")
    demand = ("--scope", "a:b", "--scope", "c:d", "--client-ip", "192.0.2.1")

    ended = run("explain", *demand, stdin=made.secret.reveal(), settings=shared_dev.caller)

    assert ended.code == 3
    assert ended.out.startswith("Denied: API key revoked (401).\n")
    rows = dict(re.findall(r"^(\w+) {2,}(.+)$", ended.out, re.MULTILINE))
    assert rows["key"] == made.key.key_id
    assert (rows["name"], rows["state"], rows["note"]) == ("ended", "REVOKED", "seen in a log")
    assert "revoked" in rows
    assert rows["missing"] == "c:d"
    assert SECRET.search(ended.out) is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"AUTHSVC_ADDRESS": "127.0.0.1:1"}, "no server answers there"),
        ({"AUTHSVC_API_KEY": "orch_"}, "[UNAUTHENTICATED]"),
    ],
    ids=["no server", "an unknown caller"],
)
def test_what_could_not_be_judged_is_no_denial(
    caller: dict[str, str], settings: dict[str, str], words: str
) -> None:
    ended = run("explain", stdin="x", settings={**caller, **settings})

    assert (ended.code, ended.out) == (1, "")
    assert words in ended.err


def test_a_bad_address_of_the_client_is_said_to_be(caller: dict[str, str]) -> None:
    ended = run("explain", "--client-ip", "nowhere", stdin="x", settings=caller)

    assert ended.code == 1
    assert "context.client_ip" in ended.err


def test_the_client_explains_a_key_from_its_good_days_to_its_end(shared_dev: Dev) -> None:
    with shared_dev.client() as client:
        made = client.create_key("of the client", account_id=shared_dev.account_id)
        good = client.explain(made.secret)
        broken = client.explain(f"Bearer {made.secret.reveal()},")
        client.revoke_key(secret=made.secret)
        ended = client.explain(made.secret)

    assert good
    assert not broken
    assert [finding.code for finding in broken.findings] == [
        FindingCode.PUNCTUATION_BEHIND,
        FindingCode.MENDED_IS_GOOD,
    ]
    assert broken.findings[0].position == 52
    assert not ended
    assert ended.key is not None
    assert (ended.key.key_id, ended.key.state) == (made.key.key_id, KeyState.REVOKED)
