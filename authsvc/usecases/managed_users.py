"""Whose users a caller manages: users and accounts that it may not see read as not found."""

from __future__ import annotations

from typing import Protocol

from authsvc.domain.accounts import Account
from authsvc.domain.clock import Deadline
from authsvc.domain.errors import AccountNotFound, UserNotFound
from authsvc.domain.users import User
from authsvc.usecases.call import Call
from authsvc.usecases.managed_keys import Accounts


class Users(Protocol):
    """Where users are read."""

    async def find_user(self, user_id: str, deadline: Deadline) -> User | None:
        """Return the user, or None when there is no such user."""
        ...


async def get_account_of_users(accounts: Accounts, account_id: str, call: Call) -> Account:
    """Return an account whose users the caller may manage.

    Raises:
        AccountNotFound: There is no such account, or the caller may not manage its users.
        DatabaseUnavailable: The database did not answer before the deadline.
    """
    if not call.caller.may_manage_users_of(account_id):
        raise AccountNotFound
    account = await accounts.find_account(account_id, call.deadline)
    if account is None:
        raise AccountNotFound
    return account


async def get_managed_user(users: Users, user_id: str, call: Call) -> User:
    """Return a user that the caller may manage, or is.

    Raises:
        UserNotFound: There is no such user, or the caller may not see it.
        DatabaseUnavailable: The database did not answer before the deadline.
    """
    user = await users.find_user(user_id, call.deadline)
    if user is None:
        raise UserNotFound
    if not (call.caller.is_user(user_id) or call.caller.may_manage_users_of(user.account_id)):
        raise UserNotFound
    return user
