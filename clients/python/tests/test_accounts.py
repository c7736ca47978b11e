"""Accounts, one and all."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.auth import Account, AccountState, MalformedResponse, UpdatedAccount
from orchestrator.auth.v1 import account_pb2, account_service_pb2

EXAMPLE = Account(
    account_id="acct_1",
    display_name="Example",
    state=AccountState.ACTIVE,
    create_time=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
    etag="e1",
)


async def test_an_account_is_created(client: Any, server: Any) -> None:
    assert await client.create_account("Example") == EXAMPLE
    assert server.calls[0].request.display_name == "Example"


async def test_an_account_is_found_by_id(client: Any, server: Any) -> None:
    assert await client.get_account("acct_1") == EXAMPLE
    assert server.calls[0].request.account_id == "acct_1"


async def test_an_answer_without_an_account_is_malformed(client: Any, server: Any) -> None:
    server.script("GetAccount", account_service_pb2.GetAccountResponse())

    with pytest.raises(MalformedResponse, match="GetAccountResponse has no account"):
        await client.get_account("acct_1")


async def test_all_pages_are_read_in_order(client: Any, server: Any, answers: Any) -> None:
    server.script(
        "ListAccounts",
        account_service_pb2.ListAccountsResponse(
            accounts=[answers.account("acct_1"), answers.account("acct_2")], next_page_token="2"
        ),
        account_service_pb2.ListAccountsResponse(next_page_token="3"),
        account_service_pb2.ListAccountsResponse(accounts=[answers.account("acct_3")]),
    )

    accounts = await client.list_accounts(page_size=2)

    assert [account.account_id for account in accounts] == ["acct_1", "acct_2", "acct_3"]
    assert [call.request.page_token for call in server.calls] == ["", "2", "3"]
    assert {call.request.page_size for call in server.calls} == {2}


async def test_a_page_that_follows_itself_does_not_go_on_for_ever(client: Any, server: Any) -> None:
    page = account_service_pb2.ListAccountsResponse(next_page_token="again")
    server.script("ListAccounts", page)

    with pytest.raises(MalformedResponse, match="names itself"):
        await client.list_accounts()


async def test_an_unknown_state_reads_as_unknown(client: Any, server: Any, answers: Any) -> None:
    account = answers.account()
    account.state = 99
    server.script("ListAccounts", account_service_pb2.ListAccountsResponse(accounts=[account]))

    (read,) = await client.list_accounts()

    assert read.state is AccountState.UNKNOWN


async def test_an_account_is_changed_in_what_is_named(client: Any, server: Any) -> None:
    updated = await client.update_account("acct_1", state=AccountState.DISABLED, etag="e1")

    request = server.calls[0].request
    assert updated == UpdatedAccount(EXAMPLE, 9)
    assert list(request.update_mask.paths) == ["state"]
    assert (request.account.account_id, request.account.etag) == ("acct_1", "e1")
    assert request.account.state == account_pb2.ACCOUNT_STATE_DISABLED


async def test_an_account_gets_another_name(client: Any, server: Any) -> None:
    await client.update_account("acct_1", display_name="")

    assert list(server.calls[0].request.update_mask.paths) == ["display_name"]


async def test_an_unknown_state_is_not_sent(client: Any, server: Any) -> None:
    with pytest.raises(ValueError, match="state"):
        await client.update_account("acct_1", state=AccountState.UNKNOWN)

    assert server.calls == []
