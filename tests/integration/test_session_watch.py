"""What others hear of sessions, and what is explained of their tokens."""

from __future__ import annotations

import pytest

from authsvc.domain.users import UserRole
from orchestrator.auth import (
    AsyncAuthClient,
    FindingCode,
    FreshnessSource,
    Question,
    SessionRevoked,
    Verdict,
)
from tests.conftest import Service
from tests.integration.support import Stubs, until
from tests.integration.support_sessions import PASSWORD, a_person, login_of


async def test_a_watch_tells_of_a_session_that_was_ended(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    person = await a_person(shared_service)
    granted = await shared_client.create_session(person.email, PASSWORD)
    session = granted.session
    before = (await shared_client.create_key("k", account_id=person.account_id)).revision

    revoked = await shared_client.revoke_session(session.session_id)

    async with shared_client.watch(before) as watch:
        async for event in watch:
            if isinstance(event, SessionRevoked):
                break
    assert event == SessionRevoked(
        session.session_id, session.user_id, session.account_id, revoked.revision
    )


async def test_an_ended_session_is_explained(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    person = await a_person(shared_service, UserRole.VIEWER)
    granted = await shared_client.create_session(person.email, PASSWORD)
    good = await shared_client.explain(granted.access_token)
    await shared_client.revoke_session(granted.session.session_id)

    ended = await shared_client.explain(granted.access_token)

    assert good.findings == ()
    assert [finding.code for finding in ended.findings] == [FindingCode.TOKEN_SESSION_ENDED]
    assert ended.hint == "Log in anew."


async def test_a_token_of_a_session_is_judged_from_memory(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    person = await a_person(shared_service)
    granted = await shared_client.create_session(person.email, PASSWORD)

    async def from_memory() -> bool:
        verdict = await shared_client.check(granted.access_token)
        assert verdict.principal is not None
        return verdict.freshness.source is FreshnessSource.CACHE

    await until(from_memory)
    batch = await shared_client.check_many([granted.access_token] * 2)
    assert [isinstance(verdict, Verdict) and verdict.freshness.source for verdict in batch] == [
        FreshnessSource.CACHE
    ] * 2

    # Without a demand on freshness: the log says so, within moments.
    await shared_client.revoke_session(granted.session.session_id)

    async def is_revoked() -> bool:
        verdict = await shared_client.check(granted.access_token)
        return verdict.denial is not None and verdict.denial.reason == "TOKEN_REVOKED"

    await until(is_revoked)


@pytest.mark.parametrize("authoritative", [True, False])
async def test_a_batch_knows_ended_sessions(
    shared_service: Service,
    shared_client: AsyncAuthClient,
    shared_stubs: Stubs,
    authoritative: bool,  # noqa: FBT001
) -> None:
    person = await a_person(shared_service)
    good, ended = [await shared_stubs.sessions.CreateSession(login_of(person)) for _ in range(2)]
    revoked = await shared_client.revoke_session(ended.session.session_id)
    demand = {"authoritative": True} if authoritative else {"at_least_revision": revoked.revision}

    verdicts = await shared_client.check_many(
        [Question(granted.access_token, **demand) for granted in (good, ended)]
    )

    reasons = [verdict.denial.reason if verdict.denial else None for verdict in verdicts]
    assert reasons == [None, "TOKEN_REVOKED"]
