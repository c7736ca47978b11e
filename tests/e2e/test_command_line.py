"""The commands that talk to a server: what they print for people and for scripts, and how they end.

Exit codes: 0 done, 1 it could not be done, 2 wrong usage, 3 denied.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.e2e.support import AUTHSVC, SECRET, Command, Dev, Ended, environment, run, run_all, until

KEY_FIELDS = {
    "key_id", "account_id", "name", "scopes", "state", "hint", "create_time", "expire_time",
    "revoke_time", "last_use_time", "metadata", "etag", "revoke_reason", "revoke_note",
    "disabled",
    "superseded_by", "supersedes", "allowed_addresses", "rate_limit",
}  # fmt: skip


def both(arguments: list[list[str]], dev: Dev, stdin: str = "") -> tuple[Ended, Ended]:
    """Run a command for people and, with other arguments, for scripts."""
    people, scripts = run_all(
        [
            Command(people_or_scripts, stdin, dev.caller, dev.cwd)
            for people_or_scripts in (arguments[0], [*arguments[-1], "--json"])
        ]
    )
    assert [people.err, scripts.err] == ["", ""]
    return people, scripts


def rows(ended: Ended) -> dict[str, str]:
    """Read the names and values that were printed for people."""
    pairs = re.findall(r"^([A-Za-z ]+?) {2,}(.+)$", ended.out, re.MULTILINE)
    return dict(pairs)


def test_account_create(shared_dev: Dev) -> None:
    people, scripts = both([["account", "create", "Acme"]], shared_dev)

    assert [people.code, scripts.code] == [0, 0]
    assert people.out.startswith("Account created.\n")
    assert rows(people)["name"] == "Acme"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", rows(people)["created"])
    account = json.loads(scripts.out)
    assert set(account) == {"account_id", "display_name", "state", "create_time", "etag"}
    assert account["display_name"] == "Acme"


def test_account_list_keeps_every_account_on_one_line(shared_dev: Dev) -> None:
    name = "An account with a name that does not fit into eighty columns, however one tries"
    run("account", "create", name, settings=shared_dev.caller)

    people, scripts = both([["account", "list"]], shared_dev)

    heading, *lines = people.out.splitlines()
    assert heading.split() == ["ACCOUNT", "STATE", "CREATED", "NAME"]
    accounts = json.loads(scripts.out)
    assert len(lines) == len(accounts)
    assert [line.split()[0] for line in lines] == [each["account_id"] for each in accounts]
    assert any(line.endswith(name) for line in lines)


def test_key_create(shared_dev: Dev) -> None:
    more = ["--account", shared_dev.account_id, "--ttl", "90d", "--metadata", "team=ci"]
    scopes = ["--scope", "sessions:read", "--scope", "sessions:write"]
    rules = ["--allow-address", "2001:DB8::/32", "--allow-address", "192.0.2.7"]
    create = [
        ["key", "create", name, *more, *scopes, *rules, "--rate-limit", "100/min"]
        for name in ("people", "scripts")
    ]

    people, scripts = both(create, shared_dev)

    assert [people.code, scripts.code] == [0, 0]
    assert people.out.startswith("Key created.\n")
    assert len(SECRET.findall(people.out)) == 1
    assert "ORCHESTRATOR_API_KEY" in people.out
    assert rows(people)["scopes"] == "sessions:read sessions:write"
    assert rows(people)["metadata"] == "team=ci"
    assert rows(people)["allowed from"] == "192.0.2.7"
    assert re.search(r"^ {2,}2001:db8::/32$", people.out, re.MULTILINE)
    assert rows(people)["rate limit"] == "100/min"
    created = json.loads(scripts.out)
    assert set(created) == {"key", "secret", "revision"}
    assert set(created["key"]) == KEY_FIELDS
    assert created["key"]["metadata"] == {"team": "ci"}
    assert created["key"]["allowed_addresses"] == ["192.0.2.7", "2001:db8::/32"]
    assert created["key"]["rate_limit"] == {"requests": 100, "period": 60.0}
    assert SECRET.fullmatch(created["secret"])


def test_key_revoke_by_id_keeps_reason_and_note(shared_dev: Dev) -> None:
    with shared_dev.client() as client:
        created = client.create_key("by id", account_id=shared_dev.account_id)
    why = ["--reason", "compromised", "--note", "seen in a log"]

    people, scripts = both([["key", "revoke", created.key.key_id, *why]], shared_dev)

    # Of the two, one came first; the other changed nothing.
    assert [people.code, scripts.code] == [0, 0]
    assert people.out.startswith("Key revoked.\n")
    assert rows(people)["reason"] == "COMPROMISED"
    assert rows(people)["note"] == "seen in a log"
    revoked = json.loads(scripts.out)
    assert set(revoked) == {"key", "revision"}
    assert revoked["key"]["state"] == "REVOKED"


def test_key_revoke_by_secret_reads_standard_input(shared_dev: Dev) -> None:
    secret = shared_dev.create_key("by secret")

    people, scripts = both([["key", "revoke", "--secret"]], shared_dev, f"{secret}\n")

    assert [people.code, scripts.code] == [0, 0]
    assert not shared_dev.accepts(secret)
    assert SECRET.search(people.out + scripts.out) is None


def test_key_validate_of_a_key(shared_dev: Dev) -> None:
    secret = shared_dev.create_key("validated")

    people, scripts = both([["key", "validate"]], shared_dev, f"Bearer {secret}")

    assert [people.code, scripts.code] == [0, 0]
    assert people.out.startswith("Good.\n")
    assert rows(people)["name"] == "validated"
    verdict = json.loads(scripts.out)
    assert set(verdict) == {"principal", "freshness"}
    assert verdict["principal"]["kind"] == "API_KEY"
    assert SECRET.search(people.out + scripts.out) is None


def test_key_validate_of_a_restricted_key_takes_the_clients_address(shared_dev: Dev) -> None:
    with shared_dev.client() as client:
        secret = client.create_key(
            "restricted", account_id=shared_dev.account_id, allowed_addresses=["192.0.2.7"]
        ).secret.reveal()
    validate = ["key", "validate"]

    known, unknown = run_all(
        [
            Command(arguments, secret, shared_dev.caller)
            for arguments in ([*validate, "--client-ip", "192.0.2.7"], validate)
        ]
    )

    assert [known.code, unknown.code] == [0, 3]
    assert rows(unknown)["reason"] == "ADDRESS_NOT_ALLOWED"


def test_a_credential_typed_at_the_prompt_is_hidden(shared_dev: Dev, tmp_path: Path) -> None:
    secret, errors = shared_dev.create_key("typed"), tmp_path / "err"
    terminal, end = pty.openpty()
    with errors.open("w") as err:
        process = subprocess.Popen(
            [AUTHSVC, "key", "validate", "--json"],
            stdin=end,
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
            env=environment(shared_dev.caller),
            start_new_session=True,
        )
    try:
        until(lambda: "The credential:" in errors.read_text(), "prompt")
        # The prompt comes before the terminal is ready: what is typed until then may be discarded.
        until(lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO, "hidden input")
        os.write(terminal, f"{secret}\n".encode())
        out, _ = process.communicate(timeout=30)
        shown, _, _ = select.select([terminal], [], [], 0)
        echoed = os.read(terminal, 1024).decode() if shown else ""
    finally:
        process.kill()
        process.wait()
        os.close(end)
        os.close(terminal)

    assert json.loads(out)["principal"]["key_name"] == "typed"
    assert secret not in echoed + errors.read_text()


def test_token_mint_makes_tokens_that_validate(shared_dev: Dev) -> None:
    mint = ["token", "mint", "--user", "user_1", "--scope", "sessions:read"]

    people, scripts = both([mint], shared_dev)

    assert [people.code, scripts.code] == [0, 0]
    tokens = [people.out.removesuffix("\n"), json.loads(scripts.out)["token"]]
    with shared_dev.client() as client:
        assert [client.validate(token).user_id for token in tokens] == ["user_1", "user_1"]


def test_config_prints_the_reference_that_is_in_the_repository() -> None:
    ended = run("config")

    assert ended.code == 0
    assert ended.err == ""
    for setting in ("AUTHSVC_DATABASE_URL", "AUTHSVC_ADDRESS"):
        assert f"| `{setting}` |" in ended.out


def test_the_package_runs_as_the_command_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "authsvc", "--version"],
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )

    assert done.stdout == run("--version").out
    assert re.fullmatch(r"authsvc \d+\.\d+\.\d+\n", done.stdout)


def test_a_client_command_does_not_load_the_server() -> None:
    code = (
        "import sys, authsvc.cli.commands;"
        "import authsvc.cli.account, authsvc.cli.explain, authsvc.cli.key_management;"
        "print({'alembic', 'asyncpg', 'sqlalchemy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )

    assert done.stdout == "set()\n"


def test_a_terminal_of_few_letters_still_gets_the_secret(shared_dev: Dev) -> None:
    settings = {**shared_dev.caller, "PYTHONIOENCODING": "ascii"}
    create = ("key", "create", "ascii", "--account", shared_dev.account_id)

    ended = run(*create, settings=settings)

    assert ended.code == 0
    assert SECRET.search(ended.out)


def test_no_secret_is_in_the_logs(shared_dev: Dev, tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    caller, secret = shared_dev.caller, shared_dev.create_key("logged")
    run_all(
        [
            Command(["key", "validate"], f"Bearer {secret}", caller),
            Command(["key", "revoke", "--secret"], f"{secret}x", caller),
            Command(["account", "list"], "", {**caller, "AUTHSVC_API_KEY": secret}),
            Command(["key", "create", secret, "--account", secret], "", caller),
        ]
    )

    logs = shared_dev.errors() + (shared_dev.data_dir / "postgres.log").read_text()
    assert "call failed" in logs
    assert SECRET.search(logs) is None


def test_audit_list_has_a_line_for_each_event_newest_first(shared_dev: Dev) -> None:
    with shared_dev.client() as client:
        created = client.create_key("audited", account_id=shared_dev.account_id)
        client.update_key(created.key.key_id, name="audited anew")
        client.revoke_key(key_id=created.key.key_id, note="two\nlines")
    listing = ["audit", "list", "--target", created.key.key_id, "--since", "1h"]

    people, scripts = both([listing], shared_dev)

    heading, *lines = people.out.splitlines()
    assert heading.split() == ["TIME", "ACTION", "OUTCOME", "ACTOR", "TARGET", "CHANGE"]
    assert [line.split()[1] for line in lines] == ["RevokeKey", "UpdateKey", "CreateKey"]
    assert r'revoke_note: "" -> "two\nlines", revoke_time: - -> 20' in lines[0]
    assert lines[1].endswith("name: audited -> audited anew")
    assert lines[2].endswith("new: name: audited, scopes: *")
    events = json.loads(scripts.out)
    assert set(events[0]) == {
        "event_id", "event_time", "actor", "action", "target", "account_id", "request_id",
        "address", "outcome", "before", "after",
    }  # fmt: skip
    assert [event["action"].rpartition("/")[2] for event in events] == [
        "RevokeKey",
        "UpdateKey",
        "CreateKey",
    ]


def test_audit_list_says_when_there_is_more(shared_dev: Dev) -> None:
    ended = run("audit", "list", "--limit", "1", settings=shared_dev.caller)

    assert ended.code == 0
    assert len(ended.out.splitlines()) == 2
    assert "--limit shows more than 1" in ended.err


def test_audit_list_of_refused_attempts(shared_dev: Dev) -> None:
    secret = shared_dev.create_key("curious")
    run("account", "list", settings={**shared_dev.caller, "AUTHSVC_API_KEY": secret})

    ended = run(
        "audit", "list", "--denied", "--action", "ListAccounts", "--account",
        shared_dev.account_id, settings=shared_dev.caller,
    )  # fmt: skip

    assert ended.code == 0
    assert ended.out.splitlines()[1].split()[1:3] == ["ListAccounts", "CALLER_NOT_PERMITTED"]


# What is asked, with which settings instead of the usual ones; exit code; what standard error says.
FAILURES = {
    "no server": (
        ["account", "list"],
        {"AUTHSVC_ADDRESS": "127.0.0.1:1"},
        1,
        ["no server answers there", "Connection refused [UNAVAILABLE]"],
    ),
    "TLS to a server without": (
        ["account", "list"],
        {"AUTHSVC_PLAINTEXT": "false"},
        1,
        ["no server answers there", "such as `authsvc dev`, needs --plaintext"],
    ),
    "a URL": (["account", "list"], {"AUTHSVC_ADDRESS": "http://h:1"}, 1, ["host:port, not a URL"]),
    "no key": (
        ["account", "list"],
        {"AUTHSVC_API_KEY": ""},
        1,
        ["--api-key-file", ".authsvc/admin.key", "AUTHSVC_API_KEY"],
    ),
    "an unknown caller": (
        ["account", "list"],
        {"AUTHSVC_API_KEY": "orch_"},
        1,
        [
            "[UNAUTHENTICATED]",
            "denial reason: INVALID_KEY_FORMAT",
            "--api-key-file",
            "request id: ",
        ],
    ),
    "no such key file": (
        ["account", "list", "--api-key-file", "missing"],
        {},
        1,
        ["missing: No such file or directory"],
    ),
    "a key file without a key": (
        ["account", "list", "--api-key-file", "/dev/null"],
        {},
        1,
        ["/dev/null should hold an API key"],
    ),
    "a binary key file": (
        ["account", "list", "--api-key-file", sys.executable],
        {},
        1,
        [f"{sys.executable} should hold an API key"],
    ),
    "no account named": (
        ["key", "create", "x"],
        {},
        1,
        ["give --account", "`authsvc account list` shows them"],
    ),
    "several bad values": (
        ["key", "create", "", "--account", "x", "--scope", "a b"],
        {},
        1,
        ["[INVALID_ARGUMENT]", "\n  name is required", "\n  account_id is", "\n  scopes[0] is"],
    ),
    "a scope not to be granted": (
        ["key", "create", "x", "--account", "{account}", "--scope", "authsvc:admin"],
        {},
        1,
        ["[PERMISSION_DENIED]"],
    ),
    "no such key": (
        ["key", "revoke", "key_01h2xcejqtf2nbrexx3vqjhp41"],
        {},
        1,
        ["API key not found. [NOT_FOUND]"],
    ),
    "no such account for a token": (
        ["token", "mint", "--account", "x"],
        {},
        1,
        ["there is no such account; `authsvc account list` shows them"],
    ),
    "no data directory for a token": (
        ["token", "mint", "--data-dir", "missing"],
        {},
        1,
        ["`authsvc dev` has never run on missing", "--data-dir"],
    ),
    "a token with a reserved scope": (
        ["token", "mint", "--scope", "authsvc:admin"],
        {},
        1,
        ["a token cannot carry authsvc: scopes"],
    ),
    "a token for nobody": (["token", "mint", "--user", ""], {}, 1, ["user is required"]),
    "neither key nor secret": (["key", "revoke"], {}, 2, ["give either a key id or --secret"]),
    "a reason that is none": (
        ["key", "revoke", "key_1", "--reason", "unknown"],
        {},
        2,
        ["give --reason as compromised"],
    ),
    "a bad duration": (["key", "create", "x", "--ttl", "5x"], {}, 2, ["90d, 12h, 30m or 45s"]),
    "bad metadata": (
        ["key", "create", "x", "--metadata", "a"],
        {},
        2,
        ["--metadata as name=value"],
    ),
    "no such key to rotate": (
        ["key", "rotate", "key_01h2xcejqtf2nbrexx3vqjhp41"],
        {},
        1,
        ["API key not found. [NOT_FOUND]"],
    ),
    "a bad overlap": (["key", "rotate", "key_1", "--overlap", "1w"], {}, 2, ["90d, 12h, 30m"]),
    "a bad request id": (
        ["key", "rotate", "key_1", "--request-id", "x"],
        {},
        2,
        ["'--request-id'"],
    ),
    "no such command": (["keys"], {}, 2, ["No such command 'keys'"]),
}


@pytest.fixture(scope="module")
def failed(shared_dev: Dev) -> dict[str, Ended]:
    commands = [
        Command(
            [argument.format(account=shared_dev.account_id) for argument in arguments],
            settings={**shared_dev.caller, **settings},
            cwd=shared_dev.cwd,
        )
        for arguments, settings, _, _ in FAILURES.values()
    ]
    return dict(zip(FAILURES, run_all(commands), strict=True))


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_says_what_to_do(failed: dict[str, Ended], name: str) -> None:
    *_, code, texts = FAILURES[name]

    assert failed[name].code == code
    assert failed[name].out == ""
    assert [text for text in texts if text not in failed[name].err] == [], failed[name].err


def test_tokens_for_a_dev_that_does_not_run_are_refused(tmp_path: Path) -> None:
    (tmp_path / "database.url").write_text(f"postgresql://postgres@/x?host={tmp_path}\n")
    (tmp_path / "encryption.key").write_text(f"{'A' * 43}=\n")

    ended = run("token", "mint", "--data-dir", str(tmp_path))

    assert ended.code == 1
    assert ended.err == f"authsvc: `authsvc dev` does not run on {tmp_path}; start it first\n"
