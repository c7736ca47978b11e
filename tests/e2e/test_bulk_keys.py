"""Importing keys, ending all of an account, and reporting leaks, at the command line."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support import SECRET, Dev, Ended, run

UNKNOWN = "orch_" + "0" * 40
PLACE = "https://example.com/paste/1"


def a_secret() -> str:
    return f"orch_{secrets.token_hex(20)}"


def new_account(dev: Dev) -> str:
    with dev.client() as client:
        return client.create_account("Moved in").account_id


def write(tmp_path: Path, *records: Mapping[str, Any]) -> str:
    file = tmp_path / "keys.jsonl"
    file.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return str(file)


def import_(dev: Dev, account: str, file: str, *options: str) -> Ended:
    return run("key", "import", file, "--account", account, *options, settings=dev.caller)


def test_keys_are_imported_a_line_each(shared_dev: Dev, tmp_path: Path) -> None:
    secret, account = a_secret(), new_account(shared_dev)
    file = write(
        tmp_path,
        {"name": "deploy", "secret": secret},
        {"name": "deploy", "secret": a_secret()},
        {"name": "esc\x1b[31m", "secret": a_secret()},
    )

    ended = import_(shared_dev, account, file)

    heading, imported, taken, refused, blank, summary = ended.out.splitlines()
    assert heading.split() == ["LINE", "RESULT", "KEY", "NAME", "WHY"]
    assert imported.split()[:2] == ["1", "imported"]
    assert imported.endswith("deploy")
    assert taken.split()[:2] == ["2", "failed"]
    assert "has a key of this name" in taken
    assert "name has no control characters" in refused
    assert "\x1b" not in ended.out
    assert (blank, summary) == ("", "1 imported, 2 failed.")
    assert (ended.code, ended.err) == (1, "")
    assert shared_dev.accepts(secret)
    assert SECRET.search(ended.out) is None


def test_a_repeat_imports_the_rest(shared_dev: Dev, tmp_path: Path) -> None:
    account = new_account(shared_dev)
    records = [{"name": name, "secret": a_secret()} for name in ("one", "other")]
    first = import_(shared_dev, account, write(tmp_path, records[0]))

    again = import_(shared_dev, account, write(tmp_path, *records), "--json")

    assert (first.code, again.code) == (0, 0)
    told = json.loads(again.out)
    assert [(one["line"], one["result"], one["name"]) for one in told] == [
        (1, "there already", "one"),
        (2, "imported", "other"),
    ]
    assert {one["key"]["account_id"] for one in told} == {account}


def test_all_or_nothing_imports_nothing_for_one_bad_line(shared_dev: Dev, tmp_path: Path) -> None:
    account, secret = new_account(shared_dev), a_secret()
    file = write(tmp_path, {"name": "good", "secret": secret}, {"name": "", "secret": a_secret()})

    ended = import_(shared_dev, account, file, "--all-or-nothing")

    assert ended.code == 1
    assert ended.out.splitlines()[-1] == "1 failed, 1 withheld."
    assert not shared_dev.accepts(secret)


def test_more_keys_than_a_call_takes_are_imported(shared_dev: Dev, tmp_path: Path) -> None:
    account = new_account(shared_dev)
    records = [{"name": f"key {n}", "digest": secrets.token_hex(32)} for n in range(1001)]
    file = write(tmp_path, *records)

    refused = import_(shared_dev, account, file, "--all-or-nothing")
    ended = import_(shared_dev, account, file)

    assert (refused.code, refused.out) == (1, "")
    assert "has 1,001 keys; all or nothing is for 1,000 at most" in refused.err
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-1] == "1,001 imported."


def test_long_lines_are_divided_among_calls(shared_dev: Dev, tmp_path: Path) -> None:
    account, notes = new_account(shared_dev), {f"n{n}": "x" * 500 for n in range(8)}
    records = [
        {"name": f"key {n}", "digest": secrets.token_hex(32), "metadata": notes}
        for n in range(1000)
    ]

    ended = import_(shared_dev, account, write(tmp_path, *records))

    assert ended.out.splitlines()[-1] == "1,000 imported."


def test_a_file_that_cannot_be_read_imports_nothing(shared_dev: Dev, tmp_path: Path) -> None:
    secret = a_secret()
    file = write(tmp_path, {"name": "good", "secret": secret}, {"nmae": secret})

    ended = import_(shared_dev, new_account(shared_dev), file)

    assert (ended.code, ended.out) == (1, "")
    assert "nothing was imported" in ended.err
    assert "line 2: has 1 field that no key has" in ended.err
    assert SECRET.search(ended.err) is None
    assert not shared_dev.accepts(secret)


def revoke_all(dev: Dev, *options: str, stdin: str = "") -> Ended:
    return run("key", "revoke-all", *options, stdin=stdin, settings=dev.caller)


def two_keys(dev: Dev, account: str) -> list[str]:
    with dev.client() as client:
        return [client.create_key(n, account_id=account).key.key_id for n in ("one", "other")]


def test_all_keys_are_revoked_but_those_excepted(shared_dev: Dev) -> None:
    account = new_account(shared_dev)
    ended, spared = two_keys(shared_dev, account)
    options = ["--account", account, "--except", spared, "--reason", "compromised"]

    first = revoke_all(shared_dev, *options, "--note", "incident 7", "--yes")
    again = revoke_all(shared_dev, *options, "--yes")

    assert (first.code, first.out, first.err) == (0, "1 key revoked.\n", "")
    assert (again.code, again.out) == (0, "There was no key to revoke.\n")
    with shared_dev.client() as client:
        assert client.get_key(ended).revoke_note == "incident 7"
        assert client.get_key(spared).state == "ACTIVE"


def test_all_keys_are_revoked_for_scripts(shared_dev: Dev) -> None:
    account = new_account(shared_dev)
    two_keys(shared_dev, account)

    ended = revoke_all(shared_dev, "--account", account, "--yes", "--json")

    told = json.loads(ended.out)
    assert set(told) == {"revoked_count", "revision"}
    assert told["revoked_count"] == 2


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_who_does_not_say_yes_is_asked(shared_dev: Dev, answer: str, code: int) -> None:
    account = new_account(shared_dev)
    keys = two_keys(shared_dev, account)

    ended = revoke_all(shared_dev, "--account", account, stdin=answer)

    assert ended.code == code
    assert f"This ends every live key of {account}, for good. Go on?" in ended.err
    with shared_dev.client() as client:
        states = {client.get_key(key_id).state for key_id in keys}
    assert states == ({"REVOKED"} if code == 0 else {"ACTIVE"})


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--yes"], 1, "give --account"),
        (["--account", "x", "--yes"], 1, "account_id is an id like"),
        (["--yes", "--reason", "unknown"], 2, "give --reason as compromised"),
    ],
)
def test_a_refusal_says_what_to_do(
    shared_dev: Dev, options: list[str], code: int, text: str
) -> None:
    ended = revoke_all(shared_dev, *options)

    assert (ended.code, ended.out) == (code, "")
    assert text in ended.err


def report(dev: Dev, secret: str, *options: str) -> Ended:
    """Report a leak without any key of one's own."""
    settings = {**dev.caller, "AUTHSVC_API_KEY": ""}
    return run("key", "report-leak", *options, stdin=secret, settings=settings)


def test_a_leaked_key_is_reported_by_anybody(shared_dev: Dev) -> None:
    secret = shared_dev.create_key(f"leaked {secrets.token_hex(4)}")

    first = report(shared_dev, f" {secret}\r\n", "--found-at", PLACE)
    again = report(shared_dev, secret, "--found-at", "elsewhere")

    assert (first.code, first.err) == (0, "")
    assert first.out.startswith("Key revoked.\n")
    assert PLACE in first.out
    assert again.code == 0
    assert again.out.startswith("The key had been revoked before; nothing was changed.\n")
    assert not shared_dev.accepts(secret)
    assert SECRET.search(first.out + again.out) is None


def test_a_leaked_key_is_read_from_a_file(shared_dev: Dev, tmp_path: Path) -> None:
    secret = shared_dev.create_key(f"leaked {secrets.token_hex(4)}")
    file = tmp_path / "found"
    file.write_text(f"{secret}\n")

    ended = report(shared_dev, "", "--found-at", PLACE, "--secret-file", str(file), "--json")

    told = json.loads(ended.out)
    assert set(told) == {"key_id", "revoke_time", "outcome", "revision"}
    assert told["outcome"] == "REVOKED"


@pytest.mark.parametrize(
    ("secret", "found_at", "text"),
    [
        (UNKNOWN, PLACE, "API key not found. [NOT_FOUND]"),
        ("x", PLACE, "secret is orch_ and 40 hexadecimal characters"),
        (UNKNOWN, "", "found_at is required"),
        (UNKNOWN, f"a log with {UNKNOWN}", "found_at holds no secret"),
    ],
)
def test_a_report_that_is_refused_says_why(
    shared_dev: Dev, secret: str, found_at: str, text: str
) -> None:
    ended = report(shared_dev, secret, "--found-at", found_at)

    assert (ended.code, ended.out) == (1, "")
    assert text in ended.err
    assert SECRET.search(ended.err) is None


def test_a_binary_file_holds_no_secret(shared_dev: Dev, tmp_path: Path) -> None:
    (tmp_path / "found").write_bytes(b"\xff\xfe")

    ended = report(shared_dev, "", "--found-at", PLACE, "--secret-file", str(tmp_path / "found"))

    assert ended.code == 1
    assert "should hold a secret, and nothing else" in ended.err
