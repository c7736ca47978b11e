"""CreateKey: a new API key, whose secret is shown this once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from authsvc.domain import ids
from authsvc.domain.accounts import Account, AccountState
from authsvc.domain.address_rules import normalised
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock
from authsvc.domain.errors import AccountIsDisabled, DatabaseUnavailable
from authsvc.domain.rate_limits import RateLimit
from authsvc.domain.scopes import ALL
from authsvc.usecases.answered_requests import AnsweredRequests, RepeatableRequest
from authsvc.usecases.call import Call
from authsvc.usecases.issue_key import IssuedKey, IssueKey, KeysOfRequests
from authsvc.usecases.managed_keys import Accounts, get_managed_account


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
    request_id: str = field(default="", repr=False)
    allowed_addresses: tuple[str, ...] = ()
    """Empty: from anywhere."""
    rate_limit: RateLimit | None = None


class CreateKey:
    """Creates API keys."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        issue_key: IssueKey,
        clock: Clock,
        answered: AnsweredRequests,
        store: KeysOfRequests,
    ) -> None:
        """Take where accounts are read, the maker of keys, the time and what repeats need."""
        self._answered = answered
        self._store = store
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
            RequestIdReused: The caller sent the request id before, with other arguments.
            ScopeNotGrantable: The caller may not grant one of the scopes.
            KeyNameTaken: A key of the account that is neither revoked nor superseded has this
                name.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require_key_management()
        now = self._clock()
        account_id = command.account_id or call.caller.own_account_id()
        violations = _check(command, account_id, now)
        # A moment that has passed since the first call is no fault of a repeat.
        violations.raise_if_any(but="expire_time" if command.request_id else "")
        account = await get_managed_account(self._accounts, account_id, call)
        request = self._repeatable(command, account_id, call)
        if request is not None and (before := await self._answer(request, account, call)):
            return before
        violations.raise_if_any()
        if account.state is AccountState.DISABLED:
            raise AccountIsDisabled
        scopes = command.scopes or (ALL,)
        call.caller.require_grantable(scopes, account)
        key, secret = self._issue_key.make(
            account.account_id,
            command.name,
            scopes=scopes,
            expire_time=_expire_time(command, now),
            metadata=command.metadata,
            allowed_addresses=normalised(command.allowed_addresses),
            rate_limit=command.rate_limit,
        )
        answer = self._answered.answer(request, key.key_id, secret) if request else None
        kept = await self._store.insert_key_once(
            key, secret.digest(), answer=answer, origin=call.origin, deadline=call.deadline
        )
        if kept is not None:
            return IssuedKey(kept, secret)
        # A repeat at the same time was first.
        if request is None or (before := await self._answer(request, account, call)) is None:
            raise DatabaseUnavailable
        return before

    async def _answer(
        self, request: RepeatableRequest, account: Account, call: Call
    ) -> IssuedKey | None:
        before = await self._answered.find(request, call.deadline)
        if before is None:
            return None
        # A user's narrower token learns no wider key.
        call.caller.require_grantable(before.key.scopes, account)
        await self._answered.note_repeat(before.key, call)
        return IssuedKey(before.key, before.secret, before.revision)

    def _repeatable(
        self, command: CreateKeyCommand, account_id: str, call: Call
    ) -> RepeatableRequest | None:
        if not command.request_id:
            return None
        arguments: dict[str, object] = {
            "account_id": account_id,
            "name": command.name,
            "scopes": sorted(set(command.scopes or (ALL,))),
            "expire_time": command.expire_time,
            "ttl": command.ttl,
            "metadata": dict(command.metadata),
        }
        # Only where there is one, so that a request from before there were any is still the same.
        if command.allowed_addresses:
            arguments["allowed_addresses"] = normalised(command.allowed_addresses)
        if command.rate_limit is not None:
            arguments["rate_limit"] = (command.rate_limit.requests, command.rate_limit.period)
        return self._answered.request(
            "CreateKey", call.caller.principal.actor, command.request_id, arguments
        )


def _check(command: CreateKeyCommand, account_id: str, now: datetime) -> Violations:
    violations = Violations()
    violations.check_id("account_id", account_id, ids.ACCOUNT)
    violations.check_name("name", command.name)
    violations.check_scopes("scopes", command.scopes)
    violations.check_metadata("metadata", command.metadata)
    if command.ttl is not None:
        violations.check_lifetime("ttl", command.ttl)
    if command.expire_time is not None:
        violations.check_expire_time("expire_time", command.expire_time, now)
    violations.check_request_id("request_id", command.request_id)
    violations.check_allowed_addresses("allowed_addresses", command.allowed_addresses)
    if command.rate_limit is not None:
        violations.check_rate_limit("rate_limit", command.rate_limit)
    return violations


def _expire_time(command: CreateKeyCommand, now: datetime) -> datetime | None:
    return command.expire_time if command.ttl is None else now + command.ttl
