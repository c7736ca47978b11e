"""What the watch tells ends what a token verifier knows."""
# What fixtures give may be of either kind, so it has no one type.

from __future__ import annotations

from typing import Any

import pytest

from clients.python.tests.token_verifier.verifying import (
    ACCOUNT,
    KEY,
    SESSION,
    USER,
    VALIDATE,
    Verifying,
    good,
    refused,
    until,
)
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import denial_pb2


async def test_an_ended_session_is_denied_without_a_call(live: Verifying) -> None:
    token = KEY.token()
    assert await live.check(token)

    await live.hears(
        session_revoked=pb.SessionRevoked(session_id=SESSION, user_id=USER, account_id=ACCOUNT)
    )
    denial = (await live.check(token)).denial

    assert (denial.reason, denial.message) == ("TOKEN_REVOKED", "Token revoked")
    assert (denial.http_status, denial.error) == (401, "UNAUTHORIZED")
    assert "invalid_token" in denial.www_authenticate
    assert live.asked() == []
    # Another session of the same user goes on.
    assert await live.check(KEY.token(sid=f"sess_{'1' * 26}"))


async def test_an_ended_session_stays_ended_while_the_watch_is_silent(live: Verifying) -> None:
    token = KEY.token()
    await live.hears(session_revoked=pb.SessionRevoked(session_id=SESSION, user_id=USER))
    live.told.beat(age=3600)
    await until(lambda: live.verifier.as_of is None)

    assert await live.reason(token) == "TOKEN_REVOKED"
    assert live.asked() == []


CHANGES: dict[str, Any] = {
    "user": {"user_changed": pb.UserChanged(user_id=USER, account_id=ACCOUNT)},
    "account": {"account_changed": pb.AccountChanged(account_id=ACCOUNT)},
    "reset": {"reset": pb.Reset()},
}


@pytest.mark.parametrize("change", CHANGES)
async def test_after_a_change_older_tokens_are_asked_about_once(
    live: Verifying, change: str
) -> None:
    old = KEY.token()
    assert await live.check(old)

    await live.hears(**CHANGES[change])
    revision = live.told.revision
    await live.check(old)
    await live.check(old)
    await live.check(KEY.token())

    [request] = live.asked()
    assert (request.credential, request.freshness.at_least_revision) == (old, revision)


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_ends_what_the_service_said(live: Verifying, change: str) -> None:
    token = KEY.token(age=60)
    assert await live.check(token)
    live.told.server.script(VALIDATE, refused(denial_pb2.DENIAL_REASON_TOKEN_REVOKED), good())

    await live.hears(**CHANGES[change])
    reasons = [await live.reason(token) for _ in range(2)]
    await live.hears(**CHANGES[change])

    assert reasons == ["TOKEN_REVOKED", "TOKEN_REVOKED"]
    assert await live.reason(token) == ""
    assert len(live.asked()) == 3


async def test_a_change_of_others_ends_nothing(live: Verifying) -> None:
    token = KEY.token(age=60)
    await live.check(token)

    other = "1" * 26
    await live.hears(user_changed=pb.UserChanged(user_id=f"user_{other}", account_id=ACCOUNT))
    await live.hears(account_changed=pb.AccountChanged(account_id=f"acct_{other}"))
    await live.hears(key_revoked=pb.KeyRevoked(key_id=f"key_{other}", account_id=ACCOUNT))
    await live.check(token)

    assert len(live.asked()) == 1


async def test_a_denial_that_no_event_ends_is_not_kept(live: Verifying) -> None:
    live.told.server.script(VALIDATE, refused(denial_pb2.DENIAL_REASON_RATE_LIMITED, 429), good())
    token = KEY.token(age=60)

    assert [await live.reason(token) for _ in range(2)] == ["RATE_LIMITED", ""]


async def test_a_stale_watch_means_a_call_each_time(live: Verifying) -> None:
    live.told.beat(age=3600)
    await until(lambda: live.verifier.as_of is None)
    token = KEY.token()

    for _ in range(3):
        assert await live.check(token)

    assert len(live.asked()) == 3
    assert not live.asked()[0].HasField("freshness")
