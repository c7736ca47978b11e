"""GetUser and ListUsers: the users of an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from authsvc.domain import ids
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Deadline
from authsvc.domain.users import User
from authsvc.usecases.call import Call
from authsvc.usecases.managed_keys import Accounts
from authsvc.usecases.managed_users import (
    Users,
    get_account_of_users,
    get_managed_user,
)
from authsvc.usecases.pages import PageTokens, check_page_size, length_of_page


class UserLists(Protocol):
    """Where the users of accounts are read."""

    async def list_users(
        self, account_id: str, *, after_user_id: str, limit: int, deadline: Deadline
    ) -> list[User]:
        """Return up to `limit` users whose ids sort after `after_user_id`, in order."""
        ...


@dataclass(frozen=True, slots=True)
class UserPage:
    """Some users, and where the next ones begin."""

    users: list[User]
    next_page_token: str
    """Empty on the last page."""


class GetUser:
    """Returns one user."""

    def __init__(self, users: Users) -> None:
        """Take where users are read."""
        self._users = users

    async def __call__(self, user_id: str, call: Call) -> User:
        """Return the user; one may always see oneself.

        Raises:
            CallerNotPermitted: The caller may manage no users, and is not this one.
            InvalidRequest: The id is malformed.
            UserNotFound: There is no such user, or the caller may not see it.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        is_self = call.caller.is_user(user_id)
        if not is_self:
            call.caller.require_user_management()
        violations = Violations()
        violations.check_id("user_id", user_id, ids.USER)
        violations.raise_if_any()
        return await get_managed_user(self._users, user_id, call)


class ListUsers:
    """Returns the users of an account in pages, oldest first."""

    def __init__(self, *, accounts: Accounts, users: UserLists, page_tokens: PageTokens) -> None:
        """Take where accounts and users are read, and the maker of tokens."""
        self._accounts = accounts
        self._users = users
        self._page_tokens = page_tokens

    async def __call__(
        self, account_id: str, page_size: int, page_token: str, call: Call
    ) -> UserPage:
        """Return a page.

        Args:
            account_id: Whose users; empty: those of the caller's own account.
            page_size: The most users to return; 0 means 50, more than 1,000 means 1,000.
            page_token: The `next_page_token` of the page before; empty for the first.
            call: The call.

        Raises:
            CallerNotPermitted: The caller may manage no users.
            InvalidRequest: The size is negative, or the token belongs to another listing.
            AccountNotFound: There is no such account, or the caller may not manage its users.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require_user_management()
        account_id = account_id or call.caller.own_account_id()
        listing = f"users of {account_id}"
        after = self._page_tokens.read(page_token, listing) if page_token else ""
        violations = Violations()
        violations.check_id("account_id", account_id, ids.ACCOUNT)
        check_page_size(violations, page_size)
        if after is None:
            violations.add(
                "page_token", "is the next_page_token of an earlier response to the same account"
            )
        violations.raise_if_any()
        await get_account_of_users(self._accounts, account_id, call)
        size = length_of_page(page_size)
        users = await self._users.list_users(
            account_id, after_user_id=after or "", limit=size + 1, deadline=call.deadline
        )
        page, token = users[:size], ""
        if len(users) > size:
            token = self._page_tokens.make(page[-1].user_id, listing)
        return UserPage(page, token)
