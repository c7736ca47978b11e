"""Sessions: log in, refresh, log out, by a client that needs no credential for the first two."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest

from orchestrator.auth import (
    ANONYMOUS,
    GrantedSession,
    MalformedResponse,
    RequestContext,
    RevokedSession,
    RevokedSessions,
    Secret,
    Session,
    SessionEndReason,
    SessionRevoked,
    SessionState,
    Unauthenticated,
)
from orchestrator.auth.v1 import auth_service_pb2, session_management_pb2, session_pb2

AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
EXAMPLE = Session(
    session_id="sess_1",
    user_id="user_1",
    account_id="acct_1",
    state=SessionState.ACTIVE,
    create_time=AT,
    last_seen_time=AT,
    idle_expire_time=AT,
    expire_time=AT,
    user_agent="Firefox",
    client_ip="192.0.2.1",
    last_seen_client_ip=None,
    is_current=False,
)
GRANTED = GrantedSession(EXAMPLE, Secret("e.y.j"), AT, Secret("orchrt_1"))
PASSWORD = "correct horse battery"


async def test_a_person_logs_in(client: Any, server: Any) -> None:
    granted = await client.create_session(
        "ada@example.com",
        Secret(PASSWORD),
        context=RequestContext("192.0.2.1", "Firefox"),
    )

    request = server.calls[0].request
    assert granted == GRANTED
    assert (request.email, request.password) == ("ada@example.com", PASSWORD)
    assert (request.context.client_ip, request.context.user_agent) == ("192.0.2.1", "Firefox")


async def test_a_session_is_refreshed(client: Any, server: Any) -> None:
    refreshed = await client.refresh_session(
        Secret("orchrt_0"), context=RequestContext("192.0.2.1")
    )

    request = server.calls[0].request
    assert refreshed == GRANTED
    assert (request.refresh_token, request.context.client_ip) == ("orchrt_0", "192.0.2.1")


async def test_tokens_do_not_show_themselves(client: Any) -> None:
    granted = await client.create_session("ada@example.com", PASSWORD)

    assert "e.y.j" not in f"{granted} {granted!r}"
    assert "orchrt_1" not in f"{granted} {granted!r}"
    with pytest.raises(TypeError):
        pickle.dumps(granted)


@pytest.mark.parametrize("call", ["create_session", "refresh_session"])
async def test_a_secret_that_cannot_be_sent_is_not_shown(client: Any, call: str) -> None:
    arguments = ("ada@example.com",) if call == "create_session" else ()

    with pytest.raises(ValueError, match="UTF-8 cannot express") as caught:
        await getattr(client, call)(*arguments, "hidden\ud800")

    assert "hidden" not in str(caught.value)


async def test_without_a_credential_one_logs_in(
    connect: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHSVC_API_KEY", "of somebody else")
    anybody = connect(server.target, api_key=ANONYMOUS, plaintext=True)

    await anybody.create_session("ada@example.com", PASSWORD)

    assert "authorization" not in server.calls[0].metadata


async def test_a_session_is_ended(client: Any, server: Any, answers: Any) -> None:
    ended = answers.session(
        state=session_pb2.SESSION_STATE_REVOKED,
        end_time=answers.session().create_time,
        end_reason=session_pb2.SESSION_END_REASON_REFRESH_TOKEN_REUSED,
    )
    server.script(
        "RevokeSession", session_management_pb2.RevokeSessionResponse(session=ended, revision=9)
    )

    revoked = await client.revoke_session("sess_1")

    expected = replace(
        EXAMPLE,
        state=SessionState.REVOKED,
        end_time=AT,
        end_reason=SessionEndReason.REFRESH_TOKEN_REUSED,
    )
    assert revoked == RevokedSession(expected, 9)
    assert server.calls[0].request.session_id == "sess_1"


async def test_ones_own_session_need_not_be_named(client: Any, server: Any) -> None:
    await client.revoke_session()

    assert server.calls[0].request.session_id == ""


async def test_all_sessions_are_ended_but_one(client: Any, server: Any) -> None:
    revoked = await client.revoke_all_sessions("user_1", except_session_id="sess_1")

    request = server.calls[0].request
    assert revoked == RevokedSessions(2, 9)
    assert (request.user_id, request.except_session_id) == ("user_1", "sess_1")


async def test_sessions_come_page_by_page(client: Any, server: Any, answers: Any) -> None:
    server.script(
        "ListSessions", answers.sessions("sess_1", token="next"), answers.sessions("sess_2")
    )

    sessions = await client.list_sessions("user_1", page_size=1)

    assert [session.session_id for session in sessions] == ["sess_1", "sess_2"]
    assert [call.request.page_token for call in server.calls] == ["", "next"]
    assert {call.request.page_size for call in server.calls} == {1}


async def test_a_page_that_names_itself_is_no_endless_list(
    client: Any, server: Any, answers: Any
) -> None:
    server.script("ListSessions", answers.sessions("sess_1", token="again"))

    with pytest.raises(MalformedResponse):
        await client.list_sessions()


@pytest.mark.parametrize("lacking", ["session", "access_token", "refresh_token"])
async def test_a_grant_that_lacks_something_is_refused(
    client: Any, server: Any, answers: Any, lacking: str
) -> None:
    granted = answers.granted()
    granted.ClearField(lacking)
    server.script("CreateSession", granted)

    with pytest.raises(MalformedResponse):
        await client.create_session("ada@example.com", PASSWORD)


async def test_a_refused_log_in_is_unauthenticated(client: Any, server: Any, answers: Any) -> None:
    server.script("CreateSession", answers.Failure(grpc.StatusCode.UNAUTHENTICATED))

    with pytest.raises(Unauthenticated):
        await client.create_session("ada@example.com", PASSWORD)


async def test_a_watch_tells_of_sessions(client: Any, server: Any, answers: Any) -> None:
    event = auth_service_pb2.SessionRevoked(
        session_id="sess_1", user_id="user_1", account_id="acct_1"
    )
    server.script("WatchRevocations", [answers.told(3, session_revoked=event), answers.Stay()])

    watch = client.watch(2)

    assert await watch.next() == SessionRevoked("sess_1", "user_1", "acct_1", 3)

    await watch.close()
