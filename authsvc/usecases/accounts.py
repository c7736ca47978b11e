"""CreateAccount, GetAccount, ListAccounts: for callers with `authsvc:admin`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from authsvc.domain import ids
from authsvc.domain.accounts import Account, AccountState
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import AccountNotFound
from authsvc.domain.origin import Origin
from authsvc.domain.scopes import ADMIN
from authsvc.usecases.call import Call
from authsvc.usecases.pages import check_page_size, length_of_page


class AccountStore(Protocol):
    """Where accounts are kept."""

    async def insert_account(self, account: Account, origin: Origin, deadline: Deadline) -> Account:
        """Keep a new account, and return it with the revision of this change."""
        ...

    async def find_account(self, account_id: str, deadline: Deadline) -> Account | None:
        """Return the account, or None when there is no such account."""
        ...

    async def list_accounts(
        self, *, after_account_id: str, limit: int, deadline: Deadline
    ) -> list[Account]:
        """Return up to `limit` accounts whose ids sort after `after_account_id`, in order."""
        ...


class CreateAccount:
    """Creates accounts."""

    def __init__(self, *, store: AccountStore, clock: Clock, new_id: Callable[[str], str]) -> None:
        """Take the store, and the sources of time and ids."""
        self._store = store
        self._clock = clock
        self._new_id = new_id

    async def __call__(self, display_name: str, call: Call) -> Account:
        """Create an account.

        Raises:
            CallerNotPermitted: The caller lacks `authsvc:admin`.
            InvalidRequest: The name breaks bounds.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require(ADMIN)
        violations = Violations()
        violations.check_name("display_name", display_name)
        violations.raise_if_any()
        account = Account(
            account_id=self._new_id(ids.ACCOUNT),
            display_name=display_name,
            state=AccountState.ACTIVE,
            create_time=self._clock(),
            is_system=False,
        )
        return await self._store.insert_account(account, call.origin, call.deadline)


class GetAccount:
    """Returns one account."""

    def __init__(self, store: AccountStore) -> None:
        """Take the store."""
        self._store = store

    async def __call__(self, account_id: str, call: Call) -> Account:
        """Return the account.

        Raises:
            CallerNotPermitted: The caller lacks `authsvc:admin`.
            InvalidRequest: The id is malformed.
            AccountNotFound: There is no such account.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require(ADMIN)
        violations = Violations()
        violations.check_id("account_id", account_id, ids.ACCOUNT)
        violations.raise_if_any()
        account = await self._store.find_account(account_id, call.deadline)
        if account is None:
            raise AccountNotFound
        return account


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Some accounts, and where the next ones begin."""

    accounts: list[Account]
    next_page_token: str
    """Empty on the last page."""


class ListAccounts:
    """Returns all accounts in pages, oldest first."""

    def __init__(self, store: AccountStore) -> None:
        """Take the store."""
        self._store = store

    async def __call__(self, page_size: int, page_token: str, call: Call) -> AccountPage:
        """Return a page.

        Args:
            page_size: The most accounts to return; 0 means 50, more than 1,000 means 1,000.
            page_token: The `next_page_token` of the page before; empty for the first.
            call: The call.

        Raises:
            CallerNotPermitted: The caller lacks `authsvc:admin`.
            InvalidRequest: The size is negative, or the token was not returned by this method.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require(ADMIN)
        violations = Violations()
        check_page_size(violations, page_size)
        if page_token and not ids.is_id(page_token, ids.ACCOUNT):
            violations.add("page_token", "is the next_page_token of an earlier response")
        violations.raise_if_any()
        size = length_of_page(page_size)
        accounts = await self._store.list_accounts(
            after_account_id=page_token, limit=size + 1, deadline=call.deadline
        )
        more = len(accounts) > size
        page = accounts[:size]
        return AccountPage(page, page[-1].account_id if more else "")
