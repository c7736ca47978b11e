"""ImportKeys: keys that another system gave out, by the digests of their secrets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from authsvc.domain import ids
from authsvc.domain.accounts import Account, AccountState
from authsvc.domain.address_rules import normalised
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import AccountIsDisabled, InvalidRequest, ScopeNotGrantable
from authsvc.domain.imported_keys import ImportedKey
from authsvc.domain.key_import import (
    Candidate,
    Existing,
    ImportMode,
    Outcome,
    Refused,
    decide,
)
from authsvc.domain.keys import Key
from authsvc.domain.origin import Origin
from authsvc.domain.scopes import ALL, KEYS
from authsvc.usecases.call import Call
from authsvc.usecases.managed_keys import Accounts, get_managed_account

MAX_KEYS: Final = 1000
"""The most keys in one call."""


@dataclass(frozen=True, slots=True)
class ImportKeysCommand:
    """The keys that are to be imported."""

    account_id: str
    keys: tuple[ImportedKey, ...]
    mode: ImportMode | None = ImportMode.EACH_BY_ITSELF
    """None: a value that this version does not know."""


class Imports(Protocol):
    """Where keys are imported."""

    async def import_keys(
        self,
        account_id: str,
        candidates: Sequence[Candidate],
        settle: Callable[[Existing], list[Outcome]],
        *,
        origin: Origin,
        deadline: Deadline,
    ) -> list[Outcome]:
        """Keep keys, all that are to be kept or none.

        Args:
            account_id: Whose they are.
            candidates: Those that may have to be kept.
            settle: Decides by what is there, while nothing of it can change.
            origin: What the audit log is told.
            deadline: How long it may take.

        Returns:
            What was decided; keys that were kept have the revision of this change.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline; the keys may
                have been kept all the same.
        """
        ...


class ImportKeys:
    """Imports keys."""

    def __init__(
        self, *, accounts: Accounts, store: Imports, clock: Clock, new_id: Callable[[str], str]
    ) -> None:
        """Take the stores, and the sources of time and ids."""
        self._accounts = accounts
        self._store = store
        self._clock = clock
        self._new_id = new_id

    async def __call__(self, command: ImportKeysCommand, call: Call) -> list[Outcome]:
        """Import keys.

        Returns:
            What became of each, in the order of the command.

        Raises:
            CallerNotPermitted: The caller lacks `authsvc:keys`.
            InvalidRequest: The command as a whole breaks bounds.
            AccountNotFound: There is no such account, or the caller may not manage its keys.
            AccountIsDisabled: The account is disabled.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        # The account's own credentials do not do: they could plant the digest of a secret that
        # can be guessed.
        call.caller.require(KEYS)
        mode = _check(command)
        account = await get_managed_account(self._accounts, command.account_id, call)
        if account.state is AccountState.DISABLED:
            raise AccountIsDisabled
        now = self._clock()
        asked = [
            self._candidate(f"keys[{index}].", key, account, now, call)
            for index, key in enumerate(command.keys)
        ]
        return await self._store.import_keys(
            account.account_id,
            [one for one in asked if isinstance(one, Candidate)],
            lambda existing: decide(asked, existing, mode),
            origin=call.origin,
            deadline=call.deadline,
        )

    def _candidate(
        self, prefix: str, wanted: ImportedKey, account: Account, now: datetime, call: Call
    ) -> Candidate | Refused:
        violations = wanted.violations(prefix, now).found
        if violations:
            return Refused(InvalidRequest(violations))
        scopes = tuple(sorted(set(wanted.scopes or (ALL,))))
        try:
            call.caller.require_grantable(scopes, account)
        except ScopeNotGrantable as error:
            return Refused(error)
        key = Key(
            key_id=self._new_id(ids.KEY),
            account_id=account.account_id,
            name=wanted.name,
            scopes=scopes,
            hint=wanted.hint,
            create_time=wanted.created_at(now),
            expire_time=wanted.expire_time,
            metadata=wanted.metadata,
            revision=0,
            disabled=wanted.disabled,
            last_use_time=wanted.last_use_time,
            allowed_addresses=normalised(wanted.allowed_addresses),
            rate_limit=wanted.rate_limit,
        )
        return Candidate(key, wanted.digest)


def _check(command: ImportKeysCommand) -> ImportMode:
    violations = Violations()
    violations.check_id("account_id", command.account_id, ids.ACCOUNT)
    if not command.keys:
        violations.add("keys", "has at least one entry")
    elif len(command.keys) > MAX_KEYS:
        violations.add("keys", f"has at most {MAX_KEYS} entries")
    if command.mode is None:
        violations.add("mode", "is one of the values of ImportMode")
    violations.raise_if_any()
    return command.mode or ImportMode.EACH_BY_ITSELF
