"""CreateKey: a new API key, whose secret is shown this once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from authsvc.domain import ids
from authsvc.domain.accounts import Account, AccountState
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import AccountIsDisabled, AccountNotFound
from authsvc.domain.scopes import ALL
from authsvc.usecases.call import Call
from authsvc.usecases.issue_key import IssuedKey, IssueKey


@dataclass(frozen=True, slots=True)
class CreateKeyCommand:
    """The key that is asked for."""

    name: str
    account_id: str = ""
    """Empty: the caller's own account."""
    scopes: tuple[str, ...] = ()
    """Empty: `*`."""
    expire_time: datetime | None = None
    ttl: timedelta | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""


class Accounts(Protocol):
    """Where accounts are read."""

    async def find_account(self, account_id: str, deadline: Deadline) -> Account | None:
        """Return the account, or None when there is no such account."""
        ...


class CreateKey:
    """Creates API keys."""

    def __init__(self, *, accounts: Accounts, issue_key: IssueKey, clock: Clock) -> None:
        """Take where accounts are read, the maker of keys and the source of time."""
        self._accounts = accounts
        self._issue_key = issue_key
        self._clock = clock

    async def __call__(self, command: CreateKeyCommand, call: Call) -> IssuedKey:
        """Create a key.

        Raises:
            CallerNotPermitted: The caller may manage no keys.
            InvalidRequest: The command breaks bounds.
            AccountNotFound: There is no such account, or the caller may not manage its keys.
            AccountIsDisabled: The account is disabled.
            ScopeNotGrantable: The caller may not grant one of the scopes.
            KeyNameTaken: A key of the account that is not revoked has this name.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require_key_management()
        now = self._clock()
        account_id = command.account_id or call.caller.own_account_id()
        _check(command, account_id, now)
        account = await self._accounts.find_account(account_id, call.deadline)
        if account is None or not call.caller.may_manage_keys_of(
            account.account_id, is_system=account.is_system
        ):
            raise AccountNotFound
        if account.state is AccountState.DISABLED:
            raise AccountIsDisabled
        scopes = command.scopes or (ALL,)
        call.caller.require_grantable(scopes, account)
        return await self._issue_key(
            account.account_id,
            command.name,
            scopes=scopes,
            expire_time=_expire_time(command, now),
            metadata=command.metadata,
            deadline=call.deadline,
        )


def _check(command: CreateKeyCommand, account_id: str, now: datetime) -> None:
    violations = Violations()
    violations.check_id("account_id", account_id, ids.ACCOUNT)
    violations.check_name("name", command.name)
    violations.check_scopes("scopes", command.scopes)
    violations.check_metadata("metadata", command.metadata)
    if command.ttl is not None:
        violations.check_lifetime("ttl", command.ttl)
    if command.expire_time is not None:
        violations.check_expire_time("expire_time", command.expire_time, now)
    if command.request_id:
        violations.add("request_id", "is not supported by this version; leave it empty")
    violations.raise_if_any()


def _expire_time(command: CreateKeyCommand, now: datetime) -> datetime | None:
    return command.expire_time if command.ttl is None else now + command.ttl
