"""UpdateAccount: another name; disabled and enabled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

from authsvc.domain import ids
from authsvc.domain.accounts import Account, AccountState
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import AccountNotFound, EtagMismatch
from authsvc.domain.origin import Origin
from authsvc.domain.scopes import ADMIN
from authsvc.domain.update_masks import check_paths
from authsvc.usecases.call import Call

PATHS: Final = ("display_name", "state")
_ATTEMPTS: Final = 5
_OTHER_FIELDS: Final = frozenset({"account_id", "create_time", "etag"})


@dataclass(frozen=True, slots=True)
class UpdateAccountCommand:
    """The change that is asked for."""

    account_id: str
    paths: tuple[str, ...]
    """What to change; at least one."""
    etag: str = ""
    """Empty: whatever the account is now."""
    display_name: str = ""
    state: AccountState | None = None
    """None stands for a value that is no state."""


class AccountStore(Protocol):
    """Where accounts are found and changed."""

    async def find_account(self, account_id: str, deadline: Deadline) -> Account | None:
        """Return the account, or None when there is no such account."""
        ...

    async def replace_account(
        self, account: Account, now: datetime, origin: Origin, deadline: Deadline
    ) -> Account | None:
        """Write what UpdateAccount may change, if the account still has its revision.

        The sessions of the users of an account that is disabled are ended: of very many, the first.

        Returns:
            The account with its new revision; None when it has another revision, or is gone.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline; the account may
                have been changed all the same.
        """
        ...

    async def end_sessions_of_disabled(
        self, account_id: str, now: datetime, origin: Origin, deadline: Deadline
    ) -> bool:
        """End sessions that an account has left if it is disabled, a step of them.

        Returns:
            True when there may be more.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...


class UpdateAccount:
    """Changes accounts."""

    def __init__(self, *, store: AccountStore, clock: Clock) -> None:
        """Take the store, and the source of time."""
        self._store = store
        self._clock = clock

    async def __call__(self, command: UpdateAccountCommand, call: Call) -> Account:
        """Change an account. Disabling it counts everywhere at once, as a revocation does.

        It ends the sessions of all its users. Of very many, some are ended only later, in the
        background; but all of them before the account is enabled again.

        Returns:
            The changed account.

        Raises:
            CallerNotPermitted: The caller lacks `authsvc:admin`.
            InvalidRequest: The command breaks bounds, names what cannot be changed, or would
                disable the system account.
            AccountNotFound: There is no such account.
            EtagMismatch: The account is not the one of the etag, or others keep changing it.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require(ADMIN)
        changes = _changes(command)
        for _ in range(_ATTEMPTS):
            found = await self._store.find_account(command.account_id, call.deadline)
            if found is None:
                raise AccountNotFound
            if command.etag and command.etag != found.etag:
                raise EtagMismatch
            wanted: Account = replace(found, **changes)
            if wanted.is_system and wanted.state is AccountState.DISABLED:
                # Nobody could enable it again.
                violations = Violations()
                violations.add("account.state", "stays ACTIVE for the system account")
                violations.raise_if_any()
            if found.state is AccountState.DISABLED and wanted.state is AccountState.ACTIVE:
                await self._end_sessions(found.account_id, call)
            changed = await self._store.replace_account(
                wanted, self._clock(), call.origin, call.deadline
            )
            if changed is not None:
                return changed
        raise EtagMismatch

    async def _end_sessions(self, account_id: str, call: Call) -> None:
        """End what sessions are left, or they would go on. When time is up, a repeat goes on."""
        while await self._store.end_sessions_of_disabled(
            account_id, self._clock(), call.origin, call.deadline
        ):
            pass


def _changes(command: UpdateAccountCommand) -> dict[str, Any]:
    paths = command.paths
    violations = Violations()
    violations.check_id("account.account_id", command.account_id, ids.ACCOUNT)
    check_paths(violations, paths, PATHS, _OTHER_FIELDS)
    if "display_name" in paths:
        violations.check_name("account.display_name", command.display_name)
    if "state" in paths and command.state is None:
        violations.add("account.state", f"is one of {', '.join(AccountState)}")
    violations.raise_if_any()
    return {path: getattr(command, path) for path in paths}
