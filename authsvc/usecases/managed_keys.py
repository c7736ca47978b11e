"""What a caller manages: keys and accounts that it may not see read as not found."""

from __future__ import annotations

from typing import Protocol

from authsvc.domain.accounts import Account
from authsvc.domain.clock import Deadline
from authsvc.domain.errors import AccountNotFound, KeyNotFound
from authsvc.domain.keys import OwnedKey
from authsvc.usecases.call import Call


class Accounts(Protocol):
    """Where accounts are read."""

    async def find_account(self, account_id: str, deadline: Deadline) -> Account | None:
        """Return the account, or None when there is no such account."""
        ...


class Keys(Protocol):
    """Where keys are read."""

    async def find_key(self, key_id: str, deadline: Deadline) -> OwnedKey | None:
        """Return the key and whose it is, or None when there is no such key."""
        ...


async def get_managed_account(accounts: Accounts, account_id: str, call: Call) -> Account:
    """Return an account whose keys the caller may manage.

    Raises:
        AccountNotFound: There is no such account, or the caller may not manage its keys.
        DatabaseUnavailable: The database did not answer before the deadline.
    """
    account = await accounts.find_account(account_id, call.deadline)
    if account is None or not _may_manage(call, account):
        raise AccountNotFound
    return account


async def get_managed_key(keys: Keys, key_id: str, call: Call) -> OwnedKey:
    """Return a key that the caller may manage.

    Raises:
        KeyNotFound: There is no such key, or the caller may not see it.
        DatabaseUnavailable: The database did not answer before the deadline.
    """
    found = await keys.find_key(key_id, call.deadline)
    if found is None or not _may_manage(call, found.account):
        raise KeyNotFound
    return found


def _may_manage(call: Call, account: Account) -> bool:
    return call.caller.may_manage_keys_of(account.account_id, is_system=account.is_system)
