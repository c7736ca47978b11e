"""Rotating keys at the command line, and repeating what makes a key."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence

import pytest

from orchestrator.auth import CreatedKey
from tests.e2e.support import SECRET, Command, Dev, Ended, run, run_all


def new_key(dev: Dev, name: str) -> CreatedKey:
    with dev.client() as client:
        return client.create_key(name, account_id=dev.account_id)


def people(dev: Dev, *arguments: str, stdin: str = "") -> str:
    """Run a command that succeeds, and return what it printed."""
    ended = run(*arguments, stdin=stdin, settings=dev.caller)
    assert (ended.code, ended.err) == (0, "")
    return ended.out


def scripts(dev: Dev, *arguments: str, stdin: str = "") -> dict[str, dict[str, str]]:
    printed = people(dev, *arguments, "--json", stdin=stdin)
    value: dict[str, dict[str, str]] = json.loads(printed)
    return value


def twice(dev: Dev, arguments: Sequence[str], again: Sequence[str] = ()) -> list[Ended]:
    """Run a command to its end, then once more."""
    settings = dev.caller
    first = run_all([Command(arguments, settings=settings)])
    return [*first, *run_all([Command(again or arguments, settings=settings)])]


def test_a_rotation_shows_the_new_secret_once_and_when_the_old_key_ends(shared_dev: Dev) -> None:
    old = new_key(shared_dev, "rotated by people").key.key_id

    out = people(shared_dev, "key", "rotate", old, "--overlap", "2h", "--ttl", "90d")

    assert out.startswith("Key rotated.\n")
    assert len(SECRET.findall(out)) == 1
    assert re.search(rf"^supersedes +{old}$", out, re.MULTILINE)
    assert re.search(r"^expires +20", out, re.MULTILINE)
    assert re.search(rf"^The old key, {old}, works until 20[-0-9]+T[:0-9]+Z\.$", out, re.MULTILINE)
    assert "ORCHESTRATOR_API_KEY" in out


def test_a_rotation_for_scripts_has_both_keys(shared_dev: Dev) -> None:
    old = new_key(shared_dev, "rotated by scripts").key.key_id

    rotated = scripts(shared_dev, "key", "rotate", old)

    assert set(rotated) == {"key", "secret", "retired_key", "revision"}
    assert rotated["key"]["supersedes"] == rotated["retired_key"]["key_id"] == old
    assert rotated["retired_key"]["superseded_by"] == rotated["key"]["key_id"]


def test_without_overlap_the_old_key_has_ended(shared_dev: Dev) -> None:
    leaked = new_key(shared_dev, "leaked")

    out = people(shared_dev, "key", "rotate", leaked.key.key_id, "--overlap", "0")

    assert f"The old key, {leaked.key.key_id}, works no longer: it is REVOKED." in out
    assert not shared_dev.accepts(leaked.secret.reveal())


def test_whoever_validates_a_rotated_key_sees_its_successor_and_its_end(shared_dev: Dev) -> None:
    old = new_key(shared_dev, "superseded")
    secret = old.secret.reveal()
    rotated = scripts(shared_dev, "key", "rotate", old.key.key_id)

    out = people(shared_dev, "key", "validate", stdin=secret)
    principal = scripts(shared_dev, "key", "validate", stdin=secret)["principal"]

    successor, end = rotated["key"]["key_id"], rotated["retired_key"]["expire_time"]
    assert re.search(rf"^superseded by +{successor}$", out, re.MULTILINE)
    assert re.search(r"^retires +20", out, re.MULTILINE)
    assert (principal["superseded_by"], principal["retire_time"]) == (successor, end)


def test_whoever_validates_another_key_sees_nothing_of_rotation(shared_dev: Dev) -> None:
    secret = shared_dev.create_key("never rotated")

    out = people(shared_dev, "key", "validate", stdin=secret)

    assert not re.search("supersede|retires", out)


@pytest.mark.parametrize("command", ["create", "rotate"])
def test_a_repeat_with_the_same_request_id_shows_the_same_secret(
    shared_dev: Dev, command: str
) -> None:
    repeatable = ["--request-id", str(uuid.uuid4())]
    subject = {
        "create": ["repeated", "--account", shared_dev.account_id],
        "rotate": [new_key(shared_dev, f"repeated {command}").key.key_id],
    }[command]

    first, second = twice(shared_dev, ["key", command, *subject, *repeatable, "--json"])

    assert [first.code, second.code] == [0, 0]
    assert json.loads(first.out)["secret"] == json.loads(second.out)["secret"]


def test_a_repeat_without_one_is_told_the_successor(shared_dev: Dev) -> None:
    old = new_key(shared_dev, "rotated twice").key.key_id

    first, second = twice(shared_dev, ["key", "rotate", old, "--json"])

    assert second.code == 1
    assert "[FAILED_PRECONDITION]" in second.err
    assert f"superseded_by: {json.loads(first.out)['key']['key_id']}" in second.err


def test_a_request_id_is_not_good_for_another_request(shared_dev: Dev) -> None:
    rotate = ["key", "rotate", new_key(shared_dev, "reused").key.key_id]
    repeatable = ["--request-id", str(uuid.uuid4())]

    _, second = twice(shared_dev, [*rotate, *repeatable], [*rotate, *repeatable, "--overlap", "1h"])

    assert second.code == 1
    assert "The request id was used for another request" in second.err
