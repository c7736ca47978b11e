"""Migration 0009 with data, and servers of the version before on the new schema."""

from __future__ import annotations

import asyncpg
import pytest

from authsvc import app
from authsvc.domain.users import UserRole
from authsvc.postgres import schema
from orchestrator.auth import AsyncAuthClient
from tests.conftest import Service
from tests.integration.support import connected, url_of

BEFORE = "0007"
# What the version before reads of the log, and what it makes of a kind that it does not know.
READ_BY_BEFORE = """
SELECT revision, kind, account_id, key_id FROM authsvc.changes WHERE revision > $1
ORDER BY revision
"""
INSERT_BY_BEFORE = (
    "INSERT INTO authsvc.accounts (account_id, display_name, state, create_time, is_system)"
    " VALUES ('acct_old', 'Old', 'ACTIVE', now(), false)"
)


async def test_a_user_is_a_changed_account_to_a_server_of_the_version_before(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    user = await shared_service.create_user(UserRole.VIEWER)
    await shared_client.update_user(user.user_id, disabled=True)

    async with connected(url_of(shared_service)) as connection:
        rows = await connection.fetch(READ_BY_BEFORE, user.revision - 1)

    # It knows neither kind, and takes what names no key for a change of the account.
    assert [row["kind"] for row in rows] == ["USER_CREATED", "USER_CHANGED"]
    assert {row["key_id"] for row in rows} == {""}
    assert {row["account_id"] for row in rows} == {user.account_id}


async def test_a_server_of_the_version_before_writes_what_this_one_reads(
    shared_service: Service,
) -> None:
    parts = shared_service.parts

    await shared_service.execute(INSERT_BY_BEFORE)

    account = await parts.accounts.find_account("acct_old", app.time_limit())
    assert account is not None
    assert account.revision > 0


async def test_the_way_back_and_forth_keeps_keys_and_accounts(database_url: str) -> None:
    async with connected(database_url) as connection:
        await connection.execute(INSERT_BY_BEFORE)
        await connection.execute(
            "INSERT INTO authsvc.users (user_id, account_id, email, email_key, display_name,"
            " role, create_time)"
            " VALUES ('user_1', 'acct_old', 'x@y.zz', 'x@y.zz', 'X', 'OWNER', now())"
        )

    assert await schema.migrate(database_url, BEFORE) == BEFORE
    async with connected(database_url) as connection:
        assert await connection.fetchval("SELECT to_regclass('authsvc.users')") is None
        await connection.execute("UPDATE authsvc.accounts SET state = 'DISABLED'")
    await schema.migrate(database_url)

    async with connected(database_url) as connection:
        assert await connection.fetchval("SELECT count(*) FROM authsvc.users") == 0
        assert await connection.fetchval("SELECT state FROM authsvc.accounts") == "DISABLED"


async def test_truncating_users_is_refused(shared_service: Service) -> None:
    async with connected(url_of(shared_service)) as connection:
        with pytest.raises(asyncpg.RaiseError, match="not be logged"):
            await connection.execute("TRUNCATE authsvc.users CASCADE")
