"""Users: created, found, changed; their passwords never shown."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.auth import (
    ChangedUser,
    MalformedResponse,
    Secret,
    User,
    UserChanged,
    UserRole,
    UserState,
)
from orchestrator.auth.v1 import auth_service_pb2, user_management_pb2, user_pb2

AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
EXAMPLE = User(
    user_id="user_1",
    account_id="acct_1",
    email="ada@example.com",
    display_name="Ada",
    role=UserRole.OWNER,
    state=UserState.ACTIVE,
    create_time=AT,
    last_login_time=None,
    password_set=False,
    password_change_time=None,
    etag="e1",
)
PASSWORD = "correct horse battery"


async def test_a_user_is_created(client: Any, server: Any) -> None:
    created = await client.create_user(
        "ada@example.com",
        display_name="Ada",
        role=UserRole.MEMBER,
        account_id="acct_1",
        password=Secret(PASSWORD),
    )

    request = server.calls[0].request
    assert created == ChangedUser(EXAMPLE, 7)
    assert (request.email, request.display_name) == ("ada@example.com", "Ada")
    assert request.role == user_pb2.USER_ROLE_MEMBER
    assert (request.account_id, request.password) == ("acct_1", PASSWORD)


async def test_a_user_need_have_no_password(client: Any, server: Any) -> None:
    await client.create_user("ada@example.com", display_name="Ada", role="VIEWER")

    assert server.calls[0].request.password == ""
    assert server.calls[0].request.account_id == ""


async def test_a_user_is_found_by_id(client: Any, server: Any, answers: Any) -> None:
    user = answers.user(password_set=True, password_change_time=answers.AT, disabled=True)
    server.script("GetUser", user_management_pb2.GetUserResponse(user=user))

    found = await client.get_user("user_1")

    assert server.calls[0].request.user_id == "user_1"
    assert (found.password_set, found.password_change_time, found.disabled) == (True, AT, True)


async def test_an_answer_without_a_user_is_malformed(client: Any, server: Any) -> None:
    server.script("GetUser", user_management_pb2.GetUserResponse())

    with pytest.raises(MalformedResponse, match="GetUserResponse has no user"):
        await client.get_user("user_1")


async def test_all_pages_are_read_in_order(client: Any, server: Any, answers: Any) -> None:
    server.script(
        "ListUsers",
        answers.users("user_1", "user_2", token="2"),
        answers.users(token="3"),
        answers.users("user_3"),
    )

    users = await client.list_users(account_id="acct_1", page_size=2)

    assert [user.user_id for user in users] == ["user_1", "user_2", "user_3"]
    # One request is filled in anew for each page, so only what was sent tells of it.
    assert {call.request.page_size for call in server.calls} == {2}
    assert [call.request.page_token for call in server.calls] == ["", "2", "3"]


async def test_a_page_that_follows_itself_does_not_go_on_for_ever(
    client: Any, server: Any, answers: Any
) -> None:
    server.script("ListUsers", answers.users(token="again"))

    with pytest.raises(MalformedResponse, match="names itself"):
        await client.list_users()


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"display_name": "Eve"}, ["display_name"]),
        ({"role": UserRole.VIEWER}, ["role"]),
        ({"disabled": False}, ["disabled"]),
        (
            {"display_name": "", "role": UserRole.OWNER, "disabled": True},
            ["display_name", "role", "disabled"],
        ),
    ],
)
async def test_a_user_is_changed_in_what_is_named(
    client: Any, server: Any, change: Any, paths: list[str]
) -> None:
    changed = await client.update_user("user_1", **change, etag="e1")

    request = server.calls[0].request
    assert changed == ChangedUser(EXAMPLE, 9)
    assert list(request.update_mask.paths) == paths
    assert (request.user.user_id, request.user.etag) == ("user_1", "e1")
    assert request.user.disabled is change.get("disabled", False)


async def test_a_password_is_set(client: Any, server: Any) -> None:
    changed = await client.set_user_password("user_1", PASSWORD, current_password=Secret("old"))

    request = server.calls[0].request
    assert changed == ChangedUser(EXAMPLE, 9)
    assert (request.user_id, request.password, request.current_password) == (
        "user_1",
        PASSWORD,
        "old",
    )


async def test_a_password_that_cannot_be_sent_is_not_repeated(client: Any, server: Any) -> None:
    with pytest.raises(ValueError, match="UTF-8") as refused:
        await client.set_user_password("user_1", "correct horse \udcff")

    assert "horse" not in str(refused.value)
    assert server.calls == []


async def test_an_unknown_role_is_not_sent(client: Any, server: Any) -> None:
    with pytest.raises(ValueError, match="role"):
        await client.update_user("user_1", role=UserRole.UNKNOWN)

    assert server.calls == []


async def test_roles_and_states_of_a_later_server_read_as_unknown(
    client: Any, server: Any, answers: Any
) -> None:
    user = answers.user()
    user.role, user.state = 99, 99
    server.script("GetUser", user_management_pb2.GetUserResponse(user=user))

    found = await client.get_user("user_1")

    assert (found.role, found.state) == (UserRole.UNKNOWN, UserState.UNKNOWN)


async def test_a_watch_tells_of_a_changed_user(client: Any, server: Any, answers: Any) -> None:
    event = auth_service_pb2.UserChanged(user_id="user_1", account_id="acct_1")
    server.script("WatchRevocations", [answers.told(3, user_changed=event), answers.Stay()])
    watch = client.watch(2)

    assert await watch.next() == UserChanged("user_1", "acct_1", 3)

    await watch.close()
