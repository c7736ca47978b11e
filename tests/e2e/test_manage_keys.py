"""`authsvc key get`, `list` and `update`: for people, for scripts, and what they refuse."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from orchestrator.auth import RateLimit
from tests.e2e.support import SECRET, Command, Dev, Ended, run_all

MISSING = "key_01h2xcejqtf2nbrexx3vqjhp41"


@pytest.fixture(scope="module")
def key_id(shared_dev: Dev) -> str:
    """A key that was switched off."""
    with shared_dev.client() as client:
        created = client.create_key(
            "managed", account_id=shared_dev.account_id, scopes=["sessions:read"]
        )
        client.update_key(created.key.key_id, disabled=True)
    return created.key.key_id


@pytest.fixture(scope="module")
def ended(shared_dev: Dev, key_id: str) -> dict[str, Ended]:
    """Commands that leave each other alone, run together as each takes long to start."""
    listed = ["key", "list", "--account", shared_dev.account_id, "--name-prefix", "managed"]
    update = ["key", "update"]
    commands = {
        "get": ["key", "get", key_id],
        "get as JSON": ["key", "get", key_id, "--json"],
        "get nothing": ["key", "get", MISSING],
        "list": [*listed, "--state", "disabled"],
        "list as JSON": [*listed, "--json"],
        "list the active": [*listed, "--state", "active", "--json"],
        "list without account": ["key", "list"],
        "list the unknown": [*listed, "--state", "unknown"],
        "both ways": [*update, key_id, "--enable", "--disable"],
        "two ends": [*update, key_id, "--ttl", "1d", "--no-expiry"],
        "two rules": [*update, key_id, "--allow-address", "::1", "--any-address"],
        "two limits": [*update, key_id, "--rate-limit", "5/s", "--no-rate-limit"],
        "no rate": [*update, key_id, "--rate-limit", "5"],
        "host bits": [*update, key_id, "--allow-address", "192.0.2.7/24"],
        "nothing": [*update, key_id],
        "an old etag": [*update, key_id, "--name", "x", "--etag", '"0"'],
    }
    done = run_all([Command(each, settings=shared_dev.caller) for each in commands.values()])
    return dict(zip(commands, done, strict=True))


def test_a_key_is_shown_without_its_secret(ended: dict[str, Ended], key_id: str) -> None:
    shown = ended["get"]

    assert (shown.code, shown.err) == (0, "")
    assert key_id in shown.out
    assert "DISABLED" in shown.out
    assert "etag" in shown.out
    assert SECRET.search(shown.out) is None


def test_a_key_is_shown_to_scripts(ended: dict[str, Ended], key_id: str) -> None:
    shown = json.loads(ended["get as JSON"].out)

    assert (shown["key_id"], shown["state"], shown["disabled"]) == (key_id, "DISABLED", True)
    assert shown["etag"]


def test_keys_are_listed_a_line_each(ended: dict[str, Ended], key_id: str) -> None:
    heading, line = ended["list"].out.splitlines()

    assert heading.split() == ["KEY", "STATE", "HINT", "CREATED", "EXPIRES", "LAST", "USED", "NAME"]
    assert line.split()[:2] == [key_id, "DISABLED"]
    assert line.endswith("managed")


def test_keys_are_listed_for_scripts(ended: dict[str, Ended], key_id: str) -> None:
    assert [key["key_id"] for key in json.loads(ended["list as JSON"].out)] == [key_id]
    assert json.loads(ended["list the active"].out) == []


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        ("get nothing", 1, "API key not found. [NOT_FOUND]"),
        ("list without account", 1, "give --account"),
        ("list without account", 1, "`authsvc account list` shows them"),
        ("list the unknown", 2, "give --state as active, disabled, expired or revoked"),
        ("both ways", 2, "give either --enable or --disable"),
        ("two ends", 2, "give either --ttl or --no-expiry"),
        ("two rules", 2, "give either --allow-address or --any-address"),
        ("two limits", 2, "give either --rate-limit or --no-rate-limit"),
        ("no rate", 2, "100/min"),
        ("host bits", 1, "192.0.2.0/24"),
        ("nothing", 2, "say what to change"),
        ("an old etag", 1, "[ABORTED]"),
    ],
)
def test_a_refusal_says_what_to_do(
    ended: dict[str, Ended], command: str, code: int, text: str
) -> None:
    assert (ended[command].code, ended[command].out) == (code, "")
    assert text in ended[command].err


def test_a_key_is_changed(shared_dev: Dev) -> None:
    with shared_dev.client() as client:
        keys = [
            client.create_key(name, account_id=shared_dev.account_id).key
            for name in ("one to change", "another to change")
        ]
        client.update_key(keys[1].key_id, disabled=True)
        client.update_key(
            keys[1].key_id,
            allowed_addresses=["192.0.2.7"],
            rate_limit=RateLimit(1, timedelta(days=1)),
        )
    changes = ["--name", "changed", "--scope", "a:b", "--metadata", "team=a", "--ttl", "1d"]
    changes += ["--allow-address", "192.0.2.0/24", "--rate-limit", "50/90s"]
    clear = ["--enable", "--any-address", "--no-rate-limit", "--json"]

    people, scripts = run_all(
        [
            Command(arguments, settings=shared_dev.caller)
            for arguments in (
                ["key", "update", keys[0].key_id, *changes, "--disable"],
                ["key", "update", keys[1].key_id, *clear],
            )
        ]
    )

    assert (people.code, people.err) == (0, "")
    assert people.out.startswith("Key changed.\n")
    changed = json.loads(scripts.out)
    assert set(changed) == {"key", "revision"}
    assert changed["key"]["disabled"] is False
    assert (changed["key"]["allowed_addresses"], changed["key"]["rate_limit"]) == ([], None)
    with shared_dev.client() as client:
        found = client.get_key(keys[0].key_id)
    assert (found.name, found.scopes, found.metadata) == ("changed", ("a:b",), {"team": "a"})
    assert found.disabled
    assert found.expire_time is not None
    assert found.allowed_addresses == ("192.0.2.0/24",)
    assert found.rate_limit == RateLimit(50, timedelta(seconds=90))
