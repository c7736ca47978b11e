"""Sessions end with their user or account, those too that begin or go on at the same moment."""

from __future__ import annotations

import asyncio

import pytest

from authsvc import app
from authsvc.domain.users import User
from authsvc.postgres import sessions
from authsvc.postgres.session_housekeeping import PostgresSessionHousekeeping
from authsvc.usecases import tidy_sessions
from orchestrator.auth import AccountState, AsyncAuthClient, DenialReason
from orchestrator.auth.v1 import session_management_pb2 as pb
from orchestrator.auth.v1 import user_management_pb2 as user_pb
from tests.conftest import ORIGIN, Service
from tests.integration.support import (
    WRITERS_LOCK,
    Stubs,
    bearer,
    connected,
    refused,
    until,
    until_waiting,
    url_of,
)
from tests.integration.support_sessions import a_person, login_of, refresh_of

TURN = 0x61757468_0008
WHAT = pytest.mark.parametrize("what", ["user", "account"])


async def switch(client: AsyncAuthClient, what: str, person: User, *, on: bool) -> int:
    """Enable or disable a user, or its account, and return the revision."""
    if what == "user":
        return (await client.update_user(person.user_id, disabled=not on)).revision
    state = AccountState.ACTIVE if on else AccountState.DISABLED
    return (await client.update_account(person.account_id, state=state)).revision


async def ends_of(service: Service, person: User) -> list[tuple[bool, str | None]]:
    """Return of each session of a person whether it has ended, and why."""
    async with connected(url_of(service)) as connection:
        rows = await connection.fetch(
            "SELECT end_time IS NOT NULL AS ended, end_reason FROM authsvc.sessions"
            " WHERE user_id = $1 ORDER BY session_id",
            person.user_id,
        )
    return [(row["ended"], row["end_reason"]) for row in rows]


async def another_account(service: Service) -> User:
    return await a_person(service, account=await service.create_account())


@WHAT
async def test_what_is_disabled_and_enabled_again_has_no_session_left(
    shared_service: Service, shared_stubs: Stubs, shared_client: AsyncAuthClient, what: str
) -> None:
    person, bystander = [await another_account(shared_service) for _ in range(2)]
    stolen = await shared_stubs.sessions.CreateSession(login_of(person))
    other = await shared_stubs.sessions.CreateSession(login_of(bystander))

    await switch(shared_client, what, person, on=False)
    revision = await switch(shared_client, what, person, on=True)

    refusal = await refused(shared_stubs.sessions.RefreshSession(refresh_of(stolen.refresh_token)))
    assert refusal.reason == "SESSION_ENDED"
    verdict = await shared_client.check(stolen.access_token, at_least_revision=revision)
    assert verdict.denial is not None
    assert verdict.denial.reason is DenialReason.TOKEN_REVOKED
    assert await ends_of(shared_service, person) == [(True, f"{what.upper()}_DISABLED")]
    await shared_stubs.sessions.CreateSession(login_of(person))
    await shared_stubs.sessions.RefreshSession(refresh_of(other.refresh_token))


@WHAT
async def test_whoever_watches_hears_of_each_session(
    shared_service: Service, shared_stubs: Stubs, shared_client: AsyncAuthClient, what: str
) -> None:
    person = await another_account(shared_service)
    granted = [await shared_stubs.sessions.CreateSession(login_of(person)) for _ in range(2)]

    revision = await switch(shared_client, what, person, on=False)

    async with shared_client.watch(revision - 1) as events:
        told = [await anext(events) for _ in range(3)]
    assert {getattr(event, "session_id", "") for event in told[1:]} == {
        one.session.session_id for one in granted
    }


async def test_another_name_ends_no_session(
    shared_service: Service, shared_stubs: Stubs, shared_client: AsyncAuthClient
) -> None:
    person = await another_account(shared_service)
    granted = await shared_stubs.sessions.CreateSession(login_of(person))

    await shared_client.update_user(person.user_id, display_name="Bob")
    await shared_client.update_account(person.account_id, display_name="Bob's")

    await shared_stubs.sessions.RefreshSession(refresh_of(granted.refresh_token))


@WHAT
async def test_a_log_in_at_the_moment_of_the_disabling_begins_no_session(
    shared_service: Service, shared_stubs: Stubs, what: str
) -> None:
    person = await another_account(shared_service)
    async with (
        connected(url_of(shared_service)) as one,
        connected(url_of(shared_service)) as other,
        one.transaction(),
    ):
        # Not to be seen yet by who looks before it compares the password.
        await one.execute(
            f"UPDATE authsvc.users SET disabled = true WHERE user_id = '{person.user_id}'"
            if what == "user"
            else "UPDATE authsvc.accounts SET state = 'DISABLED'"
            f" WHERE account_id = '{person.account_id}'"
        )
        log_in = asyncio.ensure_future(shared_stubs.sessions.CreateSession(login_of(person)))
        await until_waiting(other, 1)

    refusal = await refused(log_in)
    assert refusal.reason == "LOGIN_REFUSED"
    assert await ends_of(shared_service, person) == []


async def idle_for_weeks(service: Service, session_id: str) -> None:
    await service.execute(
        "UPDATE authsvc.sessions SET idle_expire_time = create_time"
        f" WHERE session_id = '{session_id}'"
    )


async def test_a_session_that_is_being_refreshed_ends_with_the_others(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    person = await another_account(shared_service)
    granted = await shared_stubs.sessions.CreateSession(login_of(person))
    session_id = granted.session.session_id
    await idle_for_weeks(shared_service, session_id)
    async with (
        connected(url_of(shared_service)) as one,
        connected(url_of(shared_service)) as other,
        one.transaction(),
    ):
        await one.execute(
            "UPDATE authsvc.sessions SET idle_expire_time = expire_time WHERE session_id = $1",
            session_id,
        )
        change = asyncio.ensure_future(
            shared_stubs.accounts.SetUserPassword(
                user_pb.SetUserPasswordRequest(
                    user_id=person.user_id, password="quite another battery"
                ),
                metadata=bearer(shared_service.admin_key),
            )
        )
        await until_waiting(other, 1)

    await change
    assert await ends_of(shared_service, person) == [(True, "PASSWORD_CHANGED")]


async def test_sessions_that_were_over_are_not_counted_among_those_that_are_ended(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    person = await another_account(shared_service)
    idle = await shared_stubs.sessions.CreateSession(login_of(person))
    await shared_stubs.sessions.CreateSession(login_of(person))
    await idle_for_weeks(shared_service, idle.session.session_id)

    ended = await shared_stubs.sessions.RevokeAllSessions(
        pb.RevokeAllSessionsRequest(user_id=person.user_id),
        metadata=bearer(shared_service.admin_key),
    )

    assert ended.revoked_count == 1


@pytest.fixture
def no_tidying(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sessions a step, and none ended in the background."""
    monkeypatch.setattr(sessions, "STEP", 2)
    monkeypatch.setattr(tidy_sessions, "STEPS_A_ROUND", 0)


@pytest.mark.usefixtures("no_tidying")
async def test_a_change_waits_for_one_step_however_many_servers_end_sessions(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    person, _ = await five_sessions(shared_service, shared_stubs)
    database = shared_service.parts.database
    housekeeping = PostgresSessionHousekeeping(database)

    async def end_some() -> bool:
        return await housekeeping.end_sessions_of_disabled(
            app.utc_now(), app.time_limit(), waits=False
        )

    async def ended() -> int:
        return [end for end, _ in await ends_of(shared_service, person)].count(True)

    async with (
        connected(url_of(shared_service)) as holder,
        connected(url_of(shared_service)) as other,
    ):
        # Given servers that all find what there is to end, while somebody makes a change
        await holder.execute(f"SELECT pg_advisory_lock({WRITERS_LOCK})")
        await holder.execute(
            "UPDATE authsvc.accounts SET state = 'DISABLED' WHERE account_id = $1",
            person.account_id,
        )
        tidiers = [asyncio.create_task(end_some()) for _ in range(5)]
        await until_waiting(other, 1)

        async def all_but_one_leave_it() -> bool:
            return sum(tidier.done() for tidier in tidiers) == 4

        await until(all_but_one_leave_it)

        # When another change asks for its turn
        change = asyncio.create_task(database.change(ORIGIN, lambda _: ended(), app.time_limit()))
        await until_waiting(other, 2)
        await holder.execute(f"SELECT pg_advisory_unlock({WRITERS_LOCK})")

        # Then it comes after one step
        assert await change == 2
        assert sorted(await asyncio.gather(*tidiers)) == [False] * 4 + [True]


async def five_sessions(
    service: Service, stubs: Stubs
) -> tuple[User, list[pb.CreateSessionResponse]]:
    """Let a person log in five times."""
    person = await another_account(service)
    return person, [await stubs.sessions.CreateSession(login_of(person)) for _ in range(5)]


@pytest.mark.usefixtures("no_tidying")
async def test_of_very_many_sessions_the_rest_is_ended_in_the_background(
    shared_service: Service, shared_stubs: Stubs, shared_client: AsyncAuthClient
) -> None:
    person, granted = await five_sessions(shared_service, shared_stubs)
    housekeeping = PostgresSessionHousekeeping(shared_service.parts.database)

    revision = await switch(shared_client, "account", person, on=False)

    ends = await ends_of(shared_service, person)
    assert ends.count((True, "ACCOUNT_DISABLED")) == 2
    # All are denied at once, those too that have not ended yet.
    reasons = []
    for one in granted:
        refresh = shared_stubs.sessions.RefreshSession(refresh_of(one.refresh_token))
        assert (await refused(refresh)).reason == "SESSION_ENDED"
        verdict = await shared_client.check(one.access_token, at_least_revision=revision)
        assert verdict.denial is not None
        reasons.append(verdict.denial.reason)
    assert reasons.count(DenialReason.TOKEN_REVOKED) == 2
    assert reasons.count(DenialReason.ACCOUNT_DISABLED) == 3

    while await housekeeping.end_sessions_of_disabled(app.utc_now(), app.time_limit(), waits=False):
        pass

    assert await ends_of(shared_service, person) == [(True, "ACCOUNT_DISABLED")] * 5


@pytest.mark.usefixtures("no_tidying")
async def test_maintenance_ends_the_rest_too(
    shared_service: Service, shared_stubs: Stubs, shared_client: AsyncAuthClient
) -> None:
    person, _ = await five_sessions(shared_service, shared_stubs)
    await switch(shared_client, "account", person, on=False)

    async with (
        connected(url_of(shared_service)) as at_it,
        connected(url_of(shared_service)) as other,
    ):
        await at_it.execute("SELECT pg_advisory_lock($1)", TURN)
        maintaining = asyncio.create_task(app.maintain_once(shared_service.parts))
        # It says that all is done, so it waits for a server that is at it.
        await until_waiting(other, 1)
    done = await maintaining

    assert all(done.values())
    assert await ends_of(shared_service, person) == [(True, "ACCOUNT_DISABLED")] * 5


@pytest.mark.usefixtures("no_tidying")
async def test_an_account_that_is_enabled_again_has_no_session_left_however_many_there_were(
    shared_service: Service, shared_stubs: Stubs, shared_client: AsyncAuthClient
) -> None:
    person, (*_, last) = await five_sessions(shared_service, shared_stubs)

    await switch(shared_client, "account", person, on=False)
    await switch(shared_client, "account", person, on=True)

    assert await ends_of(shared_service, person) == [(True, "ACCOUNT_DISABLED")] * 5
    refusal = await refused(shared_stubs.sessions.RefreshSession(refresh_of(last.refresh_token)))
    assert refusal.reason == "SESSION_ENDED"
    await shared_stubs.sessions.CreateSession(login_of(person))


@pytest.mark.usefixtures("no_tidying")
async def test_no_session_is_ended_of_an_account_that_is_not_disabled(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    person, _ = await five_sessions(shared_service, shared_stubs)

    more = await shared_service.parts.accounts.end_sessions_of_disabled(
        person.account_id, app.utc_now(), ORIGIN, app.time_limit()
    )

    assert not more
    assert await ends_of(shared_service, person) == [(False, None)] * 5
