"""Migration 0010 with data, and servers of the version before on the new schema."""

from __future__ import annotations

import asyncpg
import pytest

from authsvc import app
from authsvc.postgres import schema
from orchestrator.auth.v1 import session_management_pb2 as pb
from orchestrator.auth.v1.session_management_pb2 import CreateSessionResponse
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, connected, refused, until_waiting, url_of
from tests.integration.support_sessions import PASSWORD, a_person, login_of, refresh_of

BEFORE = "0009"
# What the version before reads of the log.
READ_BY_BEFORE = """
SELECT kind, account_id, key_id, user_id FROM authsvc.changes WHERE revision = $1
"""
# What the version before does for another password.
SET_PASSWORD_BY_BEFORE = """
UPDATE authsvc.users SET password_hash = password_hash, password_change_time = now()
 WHERE user_id = $1
"""


async def logged_in(service: Service, stubs: Stubs) -> CreateSessionResponse:
    return await stubs.sessions.CreateSession(login_of(await a_person(service)))


async def test_an_ended_session_is_a_changed_user_to_a_server_of_the_version_before(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    granted = await logged_in(shared_service, shared_stubs)
    ended = await shared_stubs.sessions.RevokeSession(
        pb.RevokeSessionRequest(), metadata=bearer(granted.access_token)
    )

    async with connected(url_of(shared_service)) as connection:
        row = await connection.fetchrow(READ_BY_BEFORE, ended.revision)

    # It knows no such kind, and takes what names a user for a change of the user.
    assert row is not None
    assert tuple(row) == (
        "SESSION_REVOKED",
        granted.session.account_id,
        "",
        granted.session.user_id,
    )


async def test_a_refresh_is_no_change_to_anybody(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    granted = await logged_in(shared_service, shared_stubs)
    async with connected(url_of(shared_service)) as connection:
        counts = (
            "SELECT (SELECT count(*) FROM authsvc.changes) + count(*) FROM authsvc.audit_events"
        )
        before = await connection.fetchval(counts)

        await shared_stubs.sessions.RefreshSession(refresh_of(granted.refresh_token))

        assert await connection.fetchval(counts) == before


async def test_a_server_of_the_version_before_sets_passwords(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    granted = await logged_in(shared_service, shared_stubs)
    async with connected(url_of(shared_service)) as connection:
        await connection.execute(SET_PASSWORD_BY_BEFORE, granted.session.user_id)

    assert await shared_service.parts.users.find_user(granted.session.user_id, app.time_limit())


async def test_what_is_deleted_by_hand_is_told_if_it_was_live(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    live, over = [await logged_in(shared_service, shared_stubs) for _ in range(2)]
    async with connected(url_of(shared_service)) as connection:
        await connection.execute(
            "UPDATE authsvc.sessions SET idle_expire_time = now() WHERE session_id = $1",
            over.session.session_id,
        )
        for granted in (live, over):
            await connection.execute(
                "DELETE FROM authsvc.sessions WHERE session_id = $1", granted.session.session_id
            )
        told = await connection.fetch(
            "SELECT session_id FROM authsvc.changes WHERE kind = 'SESSION_REVOKED' "
            "AND session_id = ANY($1)",
            [live.session.session_id, over.session.session_id],
        )
        audited = await connection.fetch(
            "SELECT target_id FROM authsvc.audit_events WHERE actor_kind = 'DATABASE' "
            "AND action LIKE 'DELETE%' AND target_kind = 'SESSION'"
        )

    assert [row["session_id"] for row in told] == [live.session.session_id]
    assert [row["target_id"] for row in audited] == [live.session.session_id]


async def test_the_way_back_and_forth_keeps_users(database_url: str) -> None:
    async with connected(database_url) as connection:
        await connection.execute(
            "INSERT INTO authsvc.accounts (account_id, display_name, state, create_time, is_system)"
            " VALUES ('acct_1', 'A', 'ACTIVE', now(), false)"
        )
        await connection.execute(
            "INSERT INTO authsvc.users (user_id, account_id, email, email_key, display_name,"
            " role, create_time)"
            " VALUES ('user_1', 'acct_1', 'x@y.zz', 'x@y.zz', 'X', 'OWNER', now())"
        )

    assert await schema.migrate(database_url, BEFORE) == BEFORE
    async with connected(database_url) as connection:
        assert await connection.fetchval("SELECT to_regclass('authsvc.sessions')") is None
        await connection.execute("UPDATE authsvc.users SET disabled = true")
    await schema.migrate(database_url)

    async with connected(database_url) as connection:
        assert await connection.fetchval("SELECT count(*) FROM authsvc.sessions") == 0
        assert await connection.fetchval("SELECT disabled FROM authsvc.users")


async def test_truncating_sessions_is_refused(shared_service: Service) -> None:
    async with connected(url_of(shared_service)) as connection:
        with pytest.raises(asyncpg.RaiseError, match="not be logged"):
            await connection.execute("TRUNCATE authsvc.sessions CASCADE")


async def test_a_password_that_changes_during_a_log_in_opens_nothing(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    person = await a_person(shared_service)
    async with connected(url_of(shared_service)) as connection, connection.transaction():
        await connection.execute(SET_PASSWORD_BY_BEFORE, person.user_id)
        call = shared_stubs.sessions.CreateSession(login_of(person, PASSWORD))
        await until_waiting(connection, 1)

    refusal = await refused(call)

    assert refusal.reason == "LOGIN_REFUSED"
