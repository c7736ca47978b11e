"""`authsvc session`: what it prints, and that no token is shown."""

from __future__ import annotations

import json
import re
import secrets

from orchestrator.auth import GrantedSession, RequestContext
from tests.e2e.support import Dev, Ended, run

SESSION_FIELDS = {
    "session_id", "user_id", "account_id", "state", "create_time", "last_seen_time",
    "idle_expire_time", "expire_time", "user_agent", "client_ip", "last_seen_client_ip",
    "is_current", "end_time", "end_reason",
}  # fmt: skip
PASSWORD = "correct horse battery"


def command(dev: Dev, *arguments: str, stdin: str = "", key: str = "") -> Ended:
    settings = {**dev.caller, "AUTHSVC_API_KEY": key} if key else dev.caller
    return run("session", *arguments, stdin=stdin, settings=settings, cwd=dev.cwd)


def a_person(dev: Dev) -> tuple[str, str]:
    """Make a user, and return its id and address."""
    email = f"ada-{secrets.token_hex(4)}@example.com"
    made = run(
        "user", "create", email, "--name", "Ada", "--role", "member", "--account", dev.account_id,
        "--password", "--json", stdin=PASSWORD + "\n", settings=dev.caller, cwd=dev.cwd,
    )  # fmt: skip
    return str(json.loads(made.out)["user"]["user_id"]), email


def log_in(dev: Dev, email: str, user_agent: str = "Firefox") -> GrantedSession:
    with dev.client() as back_end:
        context = RequestContext("192.0.2.7", user_agent)
        return back_end.create_session(email, PASSWORD, context=context)


def test_sessions_are_listed_and_ended(shared_dev: Dev) -> None:
    user_id, email = a_person(shared_dev)
    first, second = log_in(shared_dev, email), log_in(shared_dev, email, "curl\x1b[31m")

    listed = command(shared_dev, "list", user_id)
    own = command(shared_dev, "list", key=second.access_token.reveal())
    scripts = command(shared_dev, "list", user_id, "--json")
    ended = command(shared_dev, "revoke", first.session.session_id)
    rest = command(shared_dev, "revoke-all", user_id)
    none = command(shared_dev, "revoke-all", user_id)

    assert [one.err for one in (listed, own, scripts, ended, rest, none)] == [""] * 6
    heading, *rows = listed.out.splitlines()
    assert heading.split("  ")[0] == "SESSION"
    assert [row.split()[0] for row in rows] == [
        first.session.session_id,
        second.session.session_id,
    ]
    assert "192.0.2.7" in rows[0]
    assert rows[0].endswith("Firefox")
    assert rows[1].endswith("curl?[31m")
    assert own.out.splitlines()[2].endswith("(this one)")
    assert [set(session) for session in json.loads(scripts.out)] == [SESSION_FIELDS] * 2
    assert ended.out.startswith("Session ended.\n")
    assert re.search(r"^why +REVOKED$", ended.out, re.MULTILINE)
    assert (rest.out, none.out) == ("1 session ended.\n", "There was no session to end.\n")
    shown = "".join(one.out for one in (listed, own, scripts, ended, rest))
    for granted in (first, second):
        assert granted.access_token.reveal() not in shown
        assert granted.refresh_token.reveal() not in shown


def test_one_session_may_be_spared(shared_dev: Dev) -> None:
    user_id, email = a_person(shared_dev)
    here, _, _ = [log_in(shared_dev, email) for _ in range(3)]

    ended = command(
        shared_dev, "revoke-all", "--except", here.session.session_id, "--json",
        key=here.access_token.reveal(),
    )  # fmt: skip

    assert json.loads(ended.out)["count"] == 2
    left = json.loads(command(shared_dev, "list", user_id, "--json").out)
    assert [session["session_id"] for session in left] == [here.session.session_id]


def test_who_logs_out_need_not_name_the_session(shared_dev: Dev) -> None:
    _, email = a_person(shared_dev)
    granted = log_in(shared_dev, email)

    ended = command(shared_dev, "revoke", key=granted.access_token.reveal())
    again = command(shared_dev, "list", key=granted.access_token.reveal())

    assert granted.session.session_id in ended.out
    assert again.code == 1
    assert "TOKEN_REVOKED" in again.err or "revoked" in again.err


def test_an_unknown_session_is_told_as_such(shared_dev: Dev) -> None:
    ended = command(shared_dev, "revoke", "sess_01h2xcejqtf2nbrexx3vqjhp41")

    assert (ended.code, ended.out) == (1, "")
    assert "Session not found" in ended.err


def test_without_a_user_an_operator_is_told_what_is_missing(shared_dev: Dev) -> None:
    ended = command(shared_dev, "list")

    assert ended.code == 1
    assert "user_id is required" in ended.err
