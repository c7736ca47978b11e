"""`authsvc user` and `authsvc account disable`: what they print, and that no password is shown."""

from __future__ import annotations

import json
import os
import pty
import re
import secrets
import subprocess
from pathlib import Path

import pytest

from tests.e2e.support import AUTHSVC, Dev, Ended, environment, run, until

USER_FIELDS = {
    "user_id", "account_id", "email", "display_name", "role", "state", "create_time",
    "last_login_time", "password_set", "password_change_time", "etag", "disabled",
}  # fmt: skip
PASSWORD, OTHER = "correct horse battery", "staple battery horse"


def command(dev: Dev, *arguments: str, stdin: str = "", key: str = "") -> Ended:
    settings = {**dev.caller, "AUTHSVC_API_KEY": key} if key else dev.caller
    return run(*arguments, stdin=stdin, settings=settings, cwd=dev.cwd)


def create(dev: Dev, *more: str, stdin: str = "", account: str = "") -> Ended:
    email = f"ada-{secrets.token_hex(4)}@example.com"
    return command(
        dev, "user", "create", email, "--name", "Ada", "--account", account or dev.account_id,
        *more, stdin=stdin,
    )  # fmt: skip


def rows(ended: Ended) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z ]+?) {2,}(.+)$", ended.out, re.MULTILINE))


@pytest.fixture
def user_id(shared_dev: Dev) -> str:
    created = create(shared_dev, "--role", "owner", "--password", "--json", stdin=PASSWORD + "\n")
    return str(json.loads(created.out)["user"]["user_id"])


def test_a_user_is_created_with_a_password_from_standard_input(shared_dev: Dev) -> None:
    people = create(shared_dev, "--role", "member", "--password", stdin=PASSWORD + "\n")
    scripts = create(shared_dev, "--role", "VIEWER", "--json")

    assert [people.err, scripts.err] == ["", ""]
    assert people.out.startswith("User created.\n")
    assert rows(people)["role"] == "MEMBER"
    assert rows(people)["password set"].startswith("20")
    created = json.loads(scripts.out)
    assert set(created) == {"user", "revision"}
    assert set(created["user"]) == USER_FIELDS
    assert (created["user"]["role"], created["user"]["password_set"]) == ("VIEWER", False)
    assert PASSWORD not in people.out


def test_a_password_that_breaks_a_rule_is_told_which_one(shared_dev: Dev) -> None:
    ended = create(shared_dev, "--role", "member", "--password", stdin="hunter2\n")

    assert (ended.code, ended.out) == (1, "")
    assert "password has at least 12 characters" in ended.err
    assert "hunter2" not in ended.err


def test_without_a_password_on_standard_input_none_is_set(shared_dev: Dev) -> None:
    ended = create(shared_dev, "--role", "member", "--password", stdin="")

    assert ended.code == 1
    assert "standard input should have the password" in ended.err


def test_a_caller_that_may_manage_any_account_is_asked_which_one(shared_dev: Dev) -> None:
    ended = command(shared_dev, "user", "list")

    assert ended.code == 1
    assert "give --account" in ended.err


def test_users_are_listed_one_to_a_line(shared_dev: Dev, user_id: str) -> None:
    people = command(shared_dev, "user", "list", "--account", shared_dev.account_id)
    scripts = command(shared_dev, "user", "list", "--account", shared_dev.account_id, "--json")

    heading, *lines = people.out.splitlines()
    assert heading.split()[:3] == ["USER", "ROLE", "STATE"]
    listed = [user["user_id"] for user in json.loads(scripts.out)]
    assert [line.split()[0] for line in lines] == listed
    assert user_id in listed


def test_a_user_is_shown_and_changed(shared_dev: Dev) -> None:
    account = json.loads(command(shared_dev, "account", "create", "Acme", "--json").out)
    made = create(shared_dev, "--role", "member", "--json", account=account["account_id"])
    user_id = json.loads(made.out)["user"]["user_id"]

    changed = command(shared_dev, "user", "update", user_id, "--name", "Eve", "--disable")
    shown = command(shared_dev, "user", "get", user_id)
    nothing = command(shared_dev, "user", "update", user_id)

    assert changed.out.startswith("User changed.\n")
    assert (rows(shown)["name"], rows(shown)["state"]) == ("Eve", "DISABLED")
    assert nothing.code == 2
    enabled = command(shared_dev, "user", "update", user_id, "--enable", "--json")
    assert json.loads(enabled.out)["user"]["state"] == "ACTIVE"


def test_a_user_sets_its_own_password(shared_dev: Dev, user_id: str) -> None:
    token = command(shared_dev, "token", "mint", "--user", user_id).out.strip()

    wrong = command(
        shared_dev, "user", "set-password", user_id, "--own", stdin=f"x\n{OTHER}\n", key=token
    )
    right = command(
        shared_dev,
        "user", "set-password", user_id, "--own", stdin=f"{PASSWORD}\n{OTHER}\n", key=token,
    )  # fmt: skip
    by_admin = command(shared_dev, "user", "set-password", user_id, stdin=PASSWORD + "\n")

    assert wrong.code == 1
    assert "current password" in wrong.err
    assert [right.code, by_admin.code] == [0, 0]
    assert right.out.startswith("Password set.\n")
    assert all(PASSWORD not in ended.out + ended.err for ended in (wrong, right, by_admin))


def test_its_own_password_is_not_set_with_an_api_key(shared_dev: Dev, user_id: str) -> None:
    ended = command(shared_dev, "user", "set-password", user_id, "--own", stdin=f"wrong\n{OTHER}\n")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("authsvc: --own is for the user itself")


def test_one_line_is_too_little_to_change_a_password(shared_dev: Dev, user_id: str) -> None:
    token = command(shared_dev, "token", "mint", "--user", user_id).out.strip()

    ended = command(
        shared_dev, "user", "set-password", user_id, "--own", stdin=f"{OTHER}\n", key=token
    )

    assert ended.code == 1
    assert "two lines, the current password and the new one" in ended.err


def test_a_password_typed_at_the_prompt_is_hidden_and_asked_for_twice(
    shared_dev: Dev, user_id: str, tmp_path: Path
) -> None:
    errors = tmp_path / "err"
    terminal, end = pty.openpty()
    with errors.open("w") as err:
        process = subprocess.Popen(
            [AUTHSVC, "user", "set-password", user_id],
            stdin=end,
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
            env=environment(shared_dev.caller),
            start_new_session=True,
        )
    try:
        until(lambda: "The new password:" in errors.read_text(), "prompt")
        os.write(terminal, f"{OTHER}\n".encode())
        until(lambda: "Once more:" in errors.read_text(), "second prompt")
        os.write(terminal, f"{OTHER}\n".encode())
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
        os.close(end)
        os.close(terminal)

    assert out.startswith("Password set.\n")
    assert OTHER not in out + errors.read_text()


def test_an_account_is_disabled_and_enabled(shared_dev: Dev) -> None:
    account = json.loads(command(shared_dev, "account", "create", "Acme", "--json").out)
    account_id = account["account_id"]

    disabled = command(shared_dev, "account", "disable", account_id)
    again = command(shared_dev, "account", "disable", account_id, "--json")
    enabled = command(shared_dev, "account", "enable", account_id)

    assert disabled.out.startswith("Account disabled.\n")
    assert rows(disabled)["state"] == "DISABLED"
    assert json.loads(again.out)["account"]["state"] == "DISABLED"
    assert enabled.out.startswith("Account enabled.\n")
    assert rows(enabled)["state"] == "ACTIVE"
