"""GetKeyUsage and GetAccountUsage: what is recorded of the use of keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from authsvc.domain import ids
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.keys import Key
from authsvc.domain.usage import KeySource, UsageInterval, UsagePeriod, UsagePeriodQuery, is_new
from authsvc.domain.usage_batches import SourceKind
from authsvc.usecases.call import Call
from authsvc.usecases.managed_keys import Accounts, Keys, get_managed_account, get_managed_key

Outcomes = Mapping[datetime, Mapping[str, int]]
"""How often, by the beginning of the interval and the outcome; without those that have nothing."""


class RecordedUsage(Protocol):
    """Where recorded usage is read."""

    async def read_key_usage(
        self, key_id: str, period: UsagePeriod, deadline: Deadline
    ) -> tuple[Outcomes, Sequence[KeySource]]:
        """Return the counts of a key in a period, and its sources, most recently seen first."""
        ...

    async def read_account_usage(
        self, account_id: str, period: UsagePeriod, deadline: Deadline
    ) -> Outcomes:
        """Return the counts of all keys of an account in a period."""
        ...


@dataclass(frozen=True, slots=True)
class AddressUse:
    """The use of a key from one client address."""

    source: KeySource
    is_new: bool


@dataclass(frozen=True, slots=True)
class KeyUsage:
    """How a key is used."""

    key: Key
    intervals: list[UsageInterval]
    addresses: list[AddressUse]
    callers: list[KeySource]


class GetKeyUsage:
    """Tells how a key is used."""

    def __init__(self, *, keys: Keys, recorded: RecordedUsage, clock: Clock) -> None:
        """Take where keys and usage are read, and the source of time."""
        self._keys = keys
        self._recorded = recorded
        self._clock = clock

    async def __call__(self, key_id: str, query: UsagePeriodQuery, call: Call) -> KeyUsage:
        """Return the usage of a key.

        Raises:
            CallerNotPermitted: The caller may manage no keys.
            InvalidRequest: The id is malformed, or the period breaks bounds.
            KeyNotFound: There is no such key, or the caller may not see it.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require_key_management()
        now = self._clock()
        violations = Violations()
        violations.check_id("key_id", key_id, ids.KEY)
        period = query.resolve(now, violations)
        violations.raise_if_any()
        key = (await get_managed_key(self._keys, key_id, call)).key
        outcomes, sources = await self._recorded.read_key_usage(key_id, period, call.deadline)
        return KeyUsage(
            key,
            _filled(period, outcomes),
            [
                AddressUse(source, is_new(source, sources, now))
                for source in sources
                if source.kind is SourceKind.ADDRESS
            ],
            [_as_seen_by(call, each) for each in sources if each.kind is SourceKind.CALLER],
        )


class GetAccountUsage:
    """Tells how the keys of an account are used."""

    def __init__(self, *, accounts: Accounts, recorded: RecordedUsage, clock: Clock) -> None:
        """Take where accounts and usage are read, and the source of time."""
        self._accounts = accounts
        self._recorded = recorded
        self._clock = clock

    async def __call__(
        self, account_id: str, query: UsagePeriodQuery, call: Call
    ) -> list[UsageInterval]:
        """Return the usage of an account; an empty id means the caller's own.

        Raises:
            CallerNotPermitted: The caller may manage no keys.
            InvalidRequest: The id is malformed or needed, or the period breaks bounds.
            AccountNotFound: There is no such account, or the caller may not manage its keys.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require_key_management()
        account_id = account_id or call.caller.own_account_id()
        violations = Violations()
        violations.check_id("account_id", account_id, ids.ACCOUNT)
        period = query.resolve(self._clock(), violations)
        violations.raise_if_any()
        await get_managed_account(self._accounts, account_id, call)
        return _filled(
            period, await self._recorded.read_account_usage(account_id, period, call.deadline)
        )


def _filled(period: UsagePeriod, outcomes: Outcomes) -> list[UsageInterval]:
    return [UsageInterval(start, outcomes.get(start, {})) for start in period.interval_starts()]


def _as_seen_by(call: Call, caller: KeySource) -> KeySource:
    """Leave out the name of a caller's key where the reader would not find that key either."""
    if call.caller.may_manage_keys_of(caller.account_id, is_system=caller.is_system):
        return caller
    return replace(caller, name="")
