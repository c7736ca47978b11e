"""AccountService: accounts are made, found, and listed exactly once."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

import pytest

from orchestrator.auth import AccountState, AsyncAuthClient, InvalidArgument, NotFound
from orchestrator.auth.v1 import account_service_pb2 as pb
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, refused


async def test_a_new_account_is_active_and_is_found_by_its_id(
    shared_client: AsyncAuthClient,
) -> None:
    begun = datetime.now(UTC)

    created = await shared_client.create_account("Größe \N{ROBOT FACE}")

    assert re.fullmatch(r"acct_[0-7][0-9a-hjkmnp-tv-z]{25}", created.account_id)
    assert created.display_name == "Größe \N{ROBOT FACE}"
    assert created.state is AccountState.ACTIVE
    assert begun <= created.create_time <= datetime.now(UTC)
    assert await shared_client.get_account(created.account_id) == created


async def test_two_accounts_may_have_one_name(shared_client: AsyncAuthClient) -> None:
    first = await shared_client.create_account("Twin")
    second = await shared_client.create_account("Twin")

    assert first.account_id < second.account_id


async def test_a_disabled_account_says_so(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    account = await shared_service.create_account()
    await shared_service.execute(
        f"UPDATE authsvc.accounts SET state = 'DISABLED' WHERE account_id = '{account.account_id}'"
    )

    found = await shared_client.get_account(account.account_id)

    assert found.state is AccountState.DISABLED


@pytest.mark.parametrize("name", ["", " a", "a ", "a\n", "\x00", "n" * 101])
async def test_a_display_name_out_of_bounds_is_refused(
    shared_client: AsyncAuthClient, name: str
) -> None:
    with pytest.raises(InvalidArgument) as refused_:
        await shared_client.create_account(name)

    assert {violation.field for violation in refused_.value.field_violations} == {"display_name"}


async def test_an_account_that_does_not_exist_is_not_found(shared_client: AsyncAuthClient) -> None:
    with pytest.raises(NotFound) as missing:
        await shared_client.get_account("acct_01h2xcejqtf2nbrexx3vqjhp41")
    with pytest.raises(InvalidArgument) as malformed:
        await shared_client.get_account("acct_1")

    assert missing.value.reason == "ACCOUNT_NOT_FOUND"
    assert [violation.field for violation in malformed.value.field_violations] == ["account_id"]


@pytest.mark.parametrize("page_size", [0, 1, 7, 62, 124, 125, 126, 127, 2**31 - 1])
async def test_every_account_is_listed_once_in_order_while_others_are_made(
    service: Service, client: AsyncAuthClient, page_size: int
) -> None:
    # Given 125 accounts, two of which are there from the start
    await service.execute(
        "INSERT INTO authsvc.accounts SELECT"
        " 'acct_01h2xcejqtf2nbrexx3vq' || lpad(n::text, 5, '0'), 'n', 'ACTIVE', now(), false"
        " FROM generate_series(1, 123) n"
    )

    # When all are listed while more are made
    listed: list[str] = []
    later: list[str] = []
    async for account in client.list_accounts(page_size=page_size):
        listed.append(account.account_id)
        if len(listed) % 25 == 0 and len(later) < 5:
            later.append((await client.create_account("Later")).account_id)

    # Then each of the first is there once, oldest first, and none of the others twice
    first = [account_id for account_id in listed if account_id not in later]
    assert len(first) == 125
    assert {service.system.account_id, service.account.account_id} <= set(first)
    assert listed == sorted(set(listed))


async def test_an_account_made_while_the_pages_are_read_is_on_a_later_page(
    service: Service, client: AsyncAuthClient
) -> None:
    pages = client.list_accounts(page_size=1)
    seen = [(await anext(pages)).account_id]

    made = await asyncio.gather(*(client.create_account("Later") for _ in range(10)))
    seen += [account.account_id async for account in pages]

    assert {account.account_id for account in made} <= set(seen)
    assert len(seen) == len(set(seen)) == 12
    assert {service.system.account_id, service.account.account_id} <= set(seen)


@pytest.mark.parametrize("accounts", [2, 3])
async def test_the_last_page_has_no_token(service: Service, stubs: Stubs, accounts: int) -> None:
    for _ in range(accounts - 2):
        await service.create_account()
    request = pb.ListAccountsRequest(page_size=2)

    page = await stubs.accounts.ListAccounts(request, metadata=bearer(service.admin_key))

    assert len(page.accounts) == 2
    assert bool(page.next_page_token) is (accounts > 2)


@pytest.mark.parametrize(
    ("request_", "violated"),
    [
        (pb.ListAccountsRequest(page_size=-1), ["page_size"]),
        (pb.ListAccountsRequest(page_token="nonsense"), ["page_token"]),
        (pb.ListAccountsRequest(page_token="key_01h2xcejqtf2nbrexx3vqjhp41"), ["page_token"]),
        (pb.ListAccountsRequest(page_token="acct_' OR 1=1"), ["page_token"]),
        (pb.ListAccountsRequest(page_size=-(2**31), page_token="x"), ["page_size", "page_token"]),
    ],
)
async def test_a_page_that_cannot_be_is_refused(
    shared_service: Service,
    shared_stubs: Stubs,
    request_: pb.ListAccountsRequest,
    violated: list[str],
) -> None:
    refusal = await refused(
        shared_stubs.accounts.ListAccounts(request_, metadata=bearer(shared_service.admin_key))
    )

    assert refusal.violated_fields == violated
