"""Log in, call, refresh, log out: through a served service."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest
import pytest_asyncio

from authsvc import app
from authsvc.config import Settings
from authsvc.domain import ids
from authsvc.domain.users import UserRole
from authsvc.postgres.database import Connection
from orchestrator.auth.v1 import audit_pb2
from orchestrator.auth.v1 import audit_service_pb2 as audit_pb
from orchestrator.auth.v1 import auth_service_pb2 as auth_pb
from orchestrator.auth.v1 import session_management_pb2 as pb
from orchestrator.auth.v1 import user_management_pb2 as user_pb
from orchestrator.auth.v1.denial_pb2 import DENIAL_REASON_TOKEN_REVOKED
from orchestrator.auth.v1.freshness_pb2 import FreshnessRequirement
from orchestrator.auth.v1.session_pb2 import (
    SESSION_END_REASON_REVOKED,
    SESSION_STATE_ACTIVE,
    SESSION_STATE_REVOKED,
)
from orchestrator.auth.v1.user_pb2 import USER_ROLE_MEMBER, User
from tests.conftest import Service, serving
from tests.integration.support import Stubs, bearer, mint, refused, stubs_of
from tests.integration.support_sessions import HOME, PASSWORD, a_person, login_of, refresh_of


async def verdict(stubs: Stubs, service: Service, token: str) -> auth_pb.ValidateCredentialResponse:
    return await stubs.auth.ValidateCredential(
        auth_pb.ValidateCredentialRequest(credential=token), metadata=bearer(service.admin_key)
    )


async def listed(stubs: Stubs, token: str, user_id: str = "") -> list[str]:
    response = await stubs.sessions.ListSessions(
        pb.ListSessionsRequest(user_id=user_id), metadata=bearer(token)
    )
    return [session.session_id for session in response.sessions]


async def test_a_log_in_begins_a_session(shared_service: Service, shared_stubs: Stubs) -> None:
    person = await a_person(shared_service, UserRole.VIEWER)

    granted = await shared_stubs.sessions.CreateSession(
        login_of(person), metadata=bearer(shared_service.admin_key)
    )

    session = granted.session
    assert ids.is_id(session.session_id, ids.SESSION)
    assert (session.user_id, session.account_id) == (person.user_id, person.account_id)
    assert session.state == SESSION_STATE_ACTIVE
    assert (session.client_ip, session.last_seen_client_ip) == (HOME, HOME)
    assert session.user_agent == "Firefox"
    lives = session.expire_time.ToDatetime() - session.create_time.ToDatetime()
    idles = session.idle_expire_time.ToDatetime() - session.create_time.ToDatetime()
    assert (lives, idles) == (timedelta(days=30), timedelta(days=7))
    assert re.fullmatch("orchrt_[0-9a-f]{64}", granted.refresh_token)
    principal = (await verdict(shared_stubs, shared_service, granted.access_token)).principal
    assert (principal.user_id, principal.session_id) == (person.user_id, session.session_id)
    assert list(principal.scopes) == ["sessions:read"]
    assert principal.expire_time == granted.access_token_expire_time
    ends = granted.access_token_expire_time.ToDatetime() - session.create_time.ToDatetime()
    assert timedelta(seconds=898) < ends <= timedelta(seconds=900)


async def test_a_log_in_is_on_record(shared_service: Service, shared_stubs: Stubs) -> None:
    person = await a_person(shared_service, UserRole.OWNER)

    granted = await shared_stubs.sessions.CreateSession(
        login_of(person), metadata=bearer(shared_service.admin_key)
    )

    metadata = bearer(granted.access_token)
    user = await shared_stubs.accounts.GetUser(
        user_pb.GetUserRequest(user_id=person.user_id), metadata=metadata
    )
    assert user.user.last_login_time == granted.session.create_time
    audited = await shared_stubs.audit.ListAuditEvents(
        audit_pb.ListAuditEventsRequest(target_id=granted.session.session_id), metadata=metadata
    )
    (event,) = audited.events
    assert event.action == "orchestrator.auth.v1.SessionService/CreateSession"
    assert (event.actor.kind, event.actor.id) == (audit_pb2.ACTOR_KIND_USER, person.user_id)
    assert (event.target.kind, event.outcome) == (audit_pb2.TARGET_KIND_SESSION, "OK")
    assert dict(event.after)["address"] == HOME
    assert "digest" not in str(event)


async def test_nothing_that_is_stored_opens_a_session(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    person = await a_person(shared_service)
    granted = await shared_stubs.sessions.CreateSession(login_of(person))
    await shared_stubs.sessions.RefreshSession(refresh_of(granted.refresh_token))

    async def everything(connection: Connection) -> str:
        rows = []
        for table in ("sessions", "refresh_tokens", "login_failures", "audit_events", "changes"):
            rows += await connection.fetch(f"SELECT t::text FROM authsvc.{table} t")
        return str(rows)

    stored = await shared_service.parts.database.run(everything, app.time_limit())

    assert granted.refresh_token.removeprefix("orchrt_") not in stored
    assert granted.access_token not in stored
    assert PASSWORD not in stored


async def refusals(service: Service) -> dict[str, pb.CreateSessionRequest]:
    """Return attempts to log in that open nothing, by why."""
    person = await a_person(service)
    without = await service.create_user(UserRole.MEMBER)
    disabled = await a_person(service)
    await service.execute(
        f"UPDATE authsvc.users SET disabled = true WHERE user_id = '{disabled.user_id}'"
    )
    account = await service.create_account()
    abandoned = await a_person(service, account=account)
    await service.execute(
        f"UPDATE authsvc.accounts SET state = 'DISABLED' WHERE account_id = '{account.account_id}'"
    )
    return {
        "wrong password": login_of(person, "another horse battery"),
        "nobody": login_of("nobody@example.com"),
        "no address": login_of("nobody"),
        "NUL": login_of("no\0body@example.com"),
        "no password": login_of(without),
        "disabled": login_of(disabled),
        "account disabled": login_of(abandoned),
        "too long": login_of(person, "x" * 5000),
    }


async def test_all_log_ins_that_open_nothing_get_one_answer(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    answers = set()
    for request in (await refusals(shared_service)).values():
        refusal = await refused(shared_stubs.sessions.CreateSession(request))
        assert refusal.request_id
        answers.add((refusal.code, refusal.reason, refusal.text, refusal.retry_delay))

    (answer,) = answers
    assert answer[:2] == (grpc.StatusCode.UNAUTHENTICATED, "LOGIN_REFUSED")


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.CreateSessionRequest(), ["email", "password"]),
        (pb.CreateSessionRequest(email="x" * 255, password="y"), ["email"]),
        (login_of("a@example.com", address="somewhere"), ["context.client_ip"]),
    ],
)
async def test_a_log_in_has_bounds(
    shared_stubs: Stubs, request_: pb.CreateSessionRequest, fields: list[str]
) -> None:
    refusal = await refused(shared_stubs.sessions.CreateSession(request_))

    assert (refusal.reason, refusal.violated_fields) == ("INVALID_REQUEST", fields)


async def test_a_long_user_agent_is_cut(shared_service: Service, shared_stubs: Stubs) -> None:
    person = await a_person(shared_service)

    granted = await shared_stubs.sessions.CreateSession(
        login_of(person, user_agent="\0" + "é" * 600)
    )

    assert granted.session.user_agent == "é" * 512


async def test_without_a_context_the_peer_is_who_logs_in(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    person = await a_person(shared_service)

    granted = await shared_stubs.sessions.CreateSession(
        pb.CreateSessionRequest(email=person.email.upper(), password=PASSWORD)
    )

    assert granted.session.client_ip == "127.0.0.1"


@pytest.mark.parametrize(
    ("scopes", "address"),
    [
        (["authsvc:validate"], HOME),
        (["authsvc:keys"], "127.0.0.1"),
        (["*"], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
async def test_an_address_is_believed_from_who_may_ask_about_credentials(
    shared_service: Service, shared_stubs: Stubs, scopes: list[str], address: str
) -> None:
    account = shared_service.system if "*" not in scopes else shared_service.account
    metadata = bearer(await shared_service.create_key(*scopes, account=account)) if scopes else ()
    login = login_of(await a_person(shared_service))

    granted = await shared_stubs.sessions.CreateSession(login, metadata=metadata)
    refreshed = await shared_stubs.sessions.RefreshSession(
        refresh_of(granted.refresh_token), metadata=metadata
    )

    assert granted.session.client_ip == address
    assert refreshed.session.last_seen_client_ip == address


async def test_a_credential_matters_only_to_who_claims_an_address(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    login, bad = login_of(await a_person(shared_service)), bearer("orch_" + "0" * 40)

    refusal = await refused(shared_stubs.sessions.CreateSession(login, metadata=bad))
    login.context.client_ip = ""
    granted = await shared_stubs.sessions.CreateSession(login, metadata=bad)

    assert refusal.reason == "CALLER_CREDENTIAL_INVALID"
    assert granted.session.client_ip == "127.0.0.1"


async def test_a_refresh_hands_out_new_tokens(shared_service: Service, shared_stubs: Stubs) -> None:
    person = await a_person(shared_service)
    back_end = bearer(shared_service.admin_key)
    first = await shared_stubs.sessions.CreateSession(login_of(person), metadata=back_end)

    second = await shared_stubs.sessions.RefreshSession(
        refresh_of(first.refresh_token, "198.51.100.9"), metadata=back_end
    )
    third = await shared_stubs.sessions.RefreshSession(
        refresh_of(second.refresh_token), metadata=back_end
    )

    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert len({first.access_token, second.access_token, third.access_token}) == 3
    assert second.session.session_id == first.session.session_id
    assert second.session.last_seen_client_ip == "198.51.100.9"
    assert (second.session.client_ip, third.session.last_seen_client_ip) == (HOME, HOME)
    assert second.session.last_seen_time.ToDatetime() > first.session.last_seen_time.ToDatetime()
    assert second.session.expire_time == first.session.expire_time
    for granted in (first, second, third):
        answer = await verdict(shared_stubs, shared_service, granted.access_token)
        assert answer.principal.session_id == first.session.session_id


@pytest.mark.parametrize(
    "token", ["nonsense", "orchrt_" + "0" * 63, "orchrt_" + "A" * 64, "orchrt_" + "0" * 64]
)
async def test_a_token_that_is_none_is_refused(shared_stubs: Stubs, token: str) -> None:
    refusal = await refused(shared_stubs.sessions.RefreshSession(refresh_of(token)))

    assert refusal.code is grpc.StatusCode.UNAUTHENTICATED
    assert refusal.reason == "REFRESH_TOKEN_INVALID"
    assert token not in refusal.everything


async def test_a_refresh_needs_a_token(shared_stubs: Stubs) -> None:
    refusal = await refused(shared_stubs.sessions.RefreshSession(refresh_of("", "somewhere")))

    assert refusal.violated_fields == ["refresh_token", "context.client_ip"]


async def test_whoever_logs_out_ends_its_own_session(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    person = await a_person(shared_service, UserRole.VIEWER)
    here = await shared_stubs.sessions.CreateSession(login_of(person))
    there = await shared_stubs.sessions.CreateSession(login_of(person))

    ended = await shared_stubs.sessions.RevokeSession(
        pb.RevokeSessionRequest(), metadata=bearer(here.access_token)
    )

    assert ended.session.session_id == here.session.session_id
    assert ended.session.state == SESSION_STATE_REVOKED
    assert ended.session.end_reason == SESSION_END_REASON_REVOKED
    assert ended.session.is_current
    assert ended.revision > 0
    answer = await shared_stubs.auth.ValidateCredential(
        auth_pb.ValidateCredentialRequest(
            credential=here.access_token,
            freshness=FreshnessRequirement(at_least_revision=ended.revision),
        ),
        metadata=bearer(shared_service.admin_key),
    )
    assert answer.denial.reason == DENIAL_REASON_TOKEN_REVOKED
    assert (await verdict(shared_stubs, shared_service, there.access_token)).HasField("principal")
    refusal = await refused(shared_stubs.sessions.RefreshSession(refresh_of(here.refresh_token)))
    assert refusal.reason == "SESSION_ENDED"


async def test_to_end_a_session_twice_changes_nothing(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    granted = await shared_stubs.sessions.CreateSession(login_of(await a_person(shared_service)))
    request = pb.RevokeSessionRequest(session_id=granted.session.session_id)
    metadata = bearer(shared_service.admin_key)

    first = await shared_stubs.sessions.RevokeSession(request, metadata=metadata)
    second = await shared_stubs.sessions.RevokeSession(request, metadata=metadata)

    assert first == second
    audited = await shared_stubs.audit.ListAuditEvents(
        audit_pb.ListAuditEventsRequest(target_id=request.session_id), metadata=metadata
    )
    again, once, login = audited.events
    assert (again.HasField("after"), again.account_id) == (False, granted.session.account_id)
    assert dict(once.after)["end_reason"] == "REVOKED"
    assert login.action.endswith("/CreateSession")


async def test_log_out_everywhere_but_here(shared_service: Service, shared_stubs: Stubs) -> None:
    person = await a_person(shared_service)
    here, there, elsewhere = [
        await shared_stubs.sessions.CreateSession(login_of(person)) for _ in range(3)
    ]
    request = pb.RevokeAllSessionsRequest(except_session_id=here.session.session_id)

    ended = await shared_stubs.sessions.RevokeAllSessions(
        request, metadata=bearer(here.access_token)
    )

    assert (ended.revoked_count, ended.revision > 0) == (2, True)
    assert await listed(shared_stubs, here.access_token) == [here.session.session_id]
    for gone in (there, elsewhere):
        refusal = await refused(
            shared_stubs.sessions.RefreshSession(refresh_of(gone.refresh_token))
        )
        assert refusal.reason == "SESSION_ENDED"
    again = await shared_stubs.sessions.RevokeAllSessions(
        request, metadata=bearer(here.access_token)
    )
    assert (again.revoked_count, again.revision) == (0, 0)


async def test_a_list_says_which_session_is_ones_own(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    person = await a_person(shared_service)
    first, second = [await shared_stubs.sessions.CreateSession(login_of(person)) for _ in range(2)]

    response = await shared_stubs.sessions.ListSessions(
        pb.ListSessionsRequest(), metadata=bearer(second.access_token)
    )

    assert [(s.session_id, s.is_current) for s in response.sessions] == [
        (first.session.session_id, False),
        (second.session.session_id, True),
    ]


async def test_a_list_comes_in_pages(shared_service: Service, shared_stubs: Stubs) -> None:
    person, other = await a_person(shared_service), await a_person(shared_service)
    made = [await shared_stubs.sessions.CreateSession(login_of(person)) for _ in range(3)]
    metadata = bearer(shared_service.admin_key)
    request = pb.ListSessionsRequest(user_id=person.user_id, page_size=2)

    first = await shared_stubs.sessions.ListSessions(request, metadata=metadata)
    request.page_token = first.next_page_token
    second = await shared_stubs.sessions.ListSessions(request, metadata=metadata)
    request.user_id = other.user_id
    refusal = await refused(shared_stubs.sessions.ListSessions(request, metadata=metadata))

    listed_ids = [s.session_id for s in [*first.sessions, *second.sessions]]
    assert listed_ids == [granted.session.session_id for granted in made]
    assert second.next_page_token == ""
    assert refusal.violated_fields == ["page_token"]


async def test_who_may_end_whose_sessions(shared_service: Service, shared_stubs: Stubs) -> None:
    owner = await a_person(shared_service, UserRole.OWNER)
    person, colleague = await a_person(shared_service), await a_person(shared_service)
    stranger = await a_person(
        shared_service, UserRole.OWNER, account=await shared_service.create_account()
    )
    granted = await shared_stubs.sessions.CreateSession(login_of(person))
    session_id, user_id = granted.session.session_id, person.user_id
    tokens = {
        who: (await shared_stubs.sessions.CreateSession(login_of(who))).access_token
        for who in (owner.email, colleague.email, stranger.email)
    }

    for nosy in (colleague.email, stranger.email):
        metadata = bearer(tokens[nosy])
        refusal = await refused(
            shared_stubs.sessions.RevokeSession(
                pb.RevokeSessionRequest(session_id=session_id), metadata=metadata
            )
        )
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.NOT_FOUND,
            "SESSION_NOT_FOUND",
        )
        for call in (
            shared_stubs.sessions.ListSessions(
                pb.ListSessionsRequest(user_id=user_id), metadata=metadata
            ),
            shared_stubs.sessions.RevokeAllSessions(
                pb.RevokeAllSessionsRequest(user_id=user_id), metadata=metadata
            ),
        ):
            assert (await refused(call)).reason == "USER_NOT_FOUND"
    assert await listed(shared_stubs, tokens[owner.email], user_id) == [session_id]
    assert await listed(shared_stubs, shared_service.admin_key, user_id) == [session_id]
    ended = await shared_stubs.sessions.RevokeSession(
        pb.RevokeSessionRequest(session_id=session_id), metadata=bearer(tokens[owner.email])
    )
    assert ended.session.state == SESSION_STATE_REVOKED
    assert not ended.session.is_current


async def test_a_key_of_an_account_ends_no_sessions(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    person = await a_person(shared_service)
    granted = await shared_stubs.sessions.CreateSession(login_of(person))
    metadata = bearer(await shared_service.create_key("*"))

    refusal = await refused(
        shared_stubs.sessions.RevokeSession(
            pb.RevokeSessionRequest(session_id=granted.session.session_id), metadata=metadata
        )
    )

    assert refusal.reason == "CALLER_NOT_PERMITTED"


async def test_another_password_ends_all_other_sessions(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    person = await a_person(shared_service)
    here, there = [await shared_stubs.sessions.CreateSession(login_of(person)) for _ in range(2)]

    await shared_stubs.accounts.SetUserPassword(
        user_pb.SetUserPasswordRequest(
            user_id=person.user_id,
            password="quite another battery",
            current_password=PASSWORD,
        ),
        metadata=bearer(here.access_token),
    )

    refusal = await refused(shared_stubs.sessions.RefreshSession(refresh_of(there.refresh_token)))
    assert refusal.reason == "SESSION_ENDED"
    await shared_stubs.sessions.RefreshSession(refresh_of(here.refresh_token))
    found = await shared_service.parts.database.fetch_row(
        app.time_limit(),
        "SELECT end_reason FROM authsvc.sessions WHERE session_id = $1",
        there.session.session_id,
    )
    assert found is not None
    assert found["end_reason"] == "PASSWORD_CHANGED"


async def test_a_password_set_by_an_administrator_ends_every_session(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    person = await a_person(shared_service)
    granted = await shared_stubs.sessions.CreateSession(login_of(person))

    await shared_stubs.accounts.SetUserPassword(
        user_pb.SetUserPasswordRequest(user_id=person.user_id, password="quite another battery"),
        metadata=bearer(shared_service.admin_key),
    )

    refusal = await refused(shared_stubs.sessions.RefreshSession(refresh_of(granted.refresh_token)))
    assert refusal.reason == "SESSION_ENDED"


@pytest.mark.parametrize("what", ["user", "account"])
async def test_what_is_disabled_refreshes_nothing(
    shared_service: Service, shared_stubs: Stubs, what: str
) -> None:
    account = await shared_service.create_account()
    person = await a_person(shared_service, account=account)
    granted = await shared_stubs.sessions.CreateSession(login_of(person))

    await shared_service.execute(
        f"UPDATE authsvc.users SET disabled = true WHERE user_id = '{person.user_id}'"
        if what == "user"
        else "UPDATE authsvc.accounts SET state = 'DISABLED' "
        f"WHERE account_id = '{account.account_id}'"
    )

    refusal = await refused(shared_stubs.sessions.RefreshSession(refresh_of(granted.refresh_token)))
    assert refusal.reason == "SESSION_ENDED"


async def test_a_refresh_gives_the_scopes_of_the_role_as_it_is_now(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    person = await a_person(shared_service, UserRole.VIEWER)
    granted = await shared_stubs.sessions.CreateSession(login_of(person))
    await shared_stubs.accounts.UpdateUser(
        user_pb.UpdateUserRequest(user=User(user_id=person.user_id, role=USER_ROLE_MEMBER)),
        metadata=bearer(shared_service.admin_key),
    )

    refreshed = await shared_stubs.sessions.RefreshSession(refresh_of(granted.refresh_token))

    answer = await verdict(shared_stubs, shared_service, refreshed.access_token)
    assert list(answer.principal.scopes) == ["sessions:*"]


async def test_a_token_of_an_unknown_session_is_revoked(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    person = await a_person(shared_service)
    token = await mint(shared_service, user_id=person.user_id, session_id=ids.new_id(ids.SESSION))

    answer = await verdict(shared_stubs, shared_service, token)

    assert answer.denial.reason == DENIAL_REASON_TOKEN_REVOKED


async def test_a_token_of_another_persons_session_is_revoked(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    granted = await shared_stubs.sessions.CreateSession(login_of(await a_person(shared_service)))
    other = await a_person(shared_service)
    token = await mint(shared_service, user_id=other.user_id, session_id=granted.session.session_id)

    answer = await verdict(shared_stubs, shared_service, token)

    assert answer.denial.reason == DENIAL_REASON_TOKEN_REVOKED


@pytest_asyncio.fixture(loop_scope="session")
async def replicas(settings: Settings) -> AsyncIterator[tuple[Service, Service]]:
    """Two servers on one database."""
    async with serving(settings) as one, serving(settings) as two:
        yield one, two


async def test_a_log_out_counts_at_another_replica_at_once(
    replicas: tuple[Service, Service],
) -> None:
    one, two = replicas
    person = await a_person(one)
    async with stubs_of(one.address) as here, stubs_of(two.address) as there:
        granted = await here.sessions.CreateSession(login_of(person))
        assert (await verdict(there, two, granted.access_token)).HasField("principal")

        ended = await here.sessions.RevokeSession(
            pb.RevokeSessionRequest(), metadata=bearer(granted.access_token)
        )

        answer = await there.auth.ValidateCredential(
            auth_pb.ValidateCredentialRequest(
                credential=granted.access_token,
                freshness=FreshnessRequirement(at_least_revision=ended.revision),
            ),
            metadata=bearer(two.admin_key),
        )
        assert answer.denial.reason == DENIAL_REASON_TOKEN_REVOKED


async def test_a_hundred_refreshes_at_once_over_two_replicas_rotate_once(
    replicas: tuple[Service, Service],
) -> None:
    one, two = replicas
    person = await a_person(one)
    async with stubs_of(one.address) as here, stubs_of(two.address) as there:
        granted = await here.sessions.CreateSession(login_of(person))

        answers = await asyncio.gather(
            *(
                stubs.sessions.RefreshSession(refresh_of(granted.refresh_token))
                for stubs in (here, there) * 50
            )
        )

        pairs = {(answer.access_token, answer.refresh_token) for answer in answers}
        assert len(pairs) == 1
        again = await there.sessions.RefreshSession(refresh_of(answers[0].refresh_token))
        assert again.session.session_id == granted.session.session_id
        row = await one.parts.database.fetch_row(
            app.time_limit(), "SELECT count(*) AS tokens FROM authsvc.refresh_tokens"
        )
        assert row is not None
        assert row["tokens"] == 3
