"""Accounts: for admins only, and in pages."""

from __future__ import annotations

import pytest

from authsvc.domain import ids
from authsvc.domain.callers import Caller
from authsvc.domain.errors import (
    AccountNotFound,
    CallerNotPermitted,
    InvalidRequest,
)
from authsvc.usecases.accounts import CreateAccount, GetAccount, ListAccounts
from tests.unit.examples import (
    KEY_ID,
    NOW,
    a_system_caller,
    an_account,
)
from tests.unit.stores import (
    ADMIN,
    KEYS,
    MISSING_ACCOUNT_ID,
    OWNER,
    Accounts,
    a_call,
    some_accounts,
)


def _numbered(count: int) -> Accounts:
    return Accounts(*(an_account(f"acct_{number:026d}") for number in range(count)))


@pytest.mark.parametrize(
    ("count", "size", "sizes"),
    [
        pytest.param(0, 2, [0], id="none"),
        pytest.param(1, 2, [1], id="less than a page"),
        pytest.param(2, 2, [2], id="exactly a page"),
        pytest.param(3, 2, [2, 1], id="one more"),
        pytest.param(4, 2, [2, 2], id="exactly two pages"),
        pytest.param(51, 0, [50, 1], id="the default size"),
        pytest.param(1001, 5000, [1000, 1], id="the greatest size"),
    ],
)
async def test_pages_hold_every_account_once(count: int, size: int, sizes: list[int]) -> None:
    accounts, list_accounts = _numbered(count), ListAccounts(_numbered(count))
    pages, token = [], ""
    while True:
        page = await list_accounts(size, token, a_call(ADMIN))
        pages.append(page.accounts)
        token = page.next_page_token
        if not token:
            break

    assert [len(page) for page in pages] == sizes
    assert [account for page in pages for account in page] == accounts.accounts


@pytest.mark.parametrize(("size", "token"), [(-1, ""), (0, "x"), (0, KEY_ID)])
async def test_a_bad_page_is_refused(size: int, token: str) -> None:
    with pytest.raises(InvalidRequest):
        await ListAccounts(_numbered(1))(size, token, a_call(ADMIN))


@pytest.mark.parametrize("caller", [OWNER, KEYS, a_system_caller("authsvc:validate")])
async def test_accounts_are_for_admins_only(caller: Caller) -> None:
    call = a_call(caller)
    create = CreateAccount(store=some_accounts(), clock=lambda: NOW, new_id=ids.new_id)
    for coroutine in (
        create("", call),
        GetAccount(some_accounts())("x", call),
        ListAccounts(some_accounts())(-1, "x", call),
    ):
        with pytest.raises(CallerNotPermitted):
            await coroutine


async def test_a_missing_account_is_not_found() -> None:
    with pytest.raises(AccountNotFound):
        await GetAccount(some_accounts())(MISSING_ACCOUNT_ID, a_call(ADMIN))
