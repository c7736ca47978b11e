"""The first things of a new database: system account, signing key, default account, admin key.

For whoever can reach the database itself; no caller is asked for rights here. Safe to repeat and
to run twice at once: uniqueness in the store decides who was first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from authsvc.domain import ids
from authsvc.domain.accounts import Account, AccountState
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.origin import Origin
from authsvc.domain.scopes import ADMIN
from authsvc.usecases.issue_key import IssuedKey, IssueKey

SYSTEM_ACCOUNT_NAME: Final = "authsvc"
DEFAULT_ACCOUNT_NAME: Final = "Default"


class Accounts(Protocol):
    """Where accounts are kept."""

    async def ensure_system_account(
        self, account: Account, origin: Origin, deadline: Deadline
    ) -> Account:
        """Return the system account; keep this one when there is none yet."""
        ...

    async def find_first_account(self, deadline: Deadline) -> Account | None:
        """Return the oldest account that is not the system account, or None."""
        ...

    async def insert_account(self, account: Account, origin: Origin, deadline: Deadline) -> Account:
        """Keep a new account, and return it with the revision of this change."""
        ...


class SigningKeys(Protocol):
    """The keys that sign access tokens."""

    async def ensure_key(self, origin: Origin, deadline: Deadline) -> None:
        """Make a key of the configured algorithm when there is none yet."""
        ...


class Bootstrap:
    """Makes what a new database needs."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        signing_keys: SigningKeys,
        issue_key: IssueKey,
        clock: Clock,
        new_id: Callable[[str], str],
    ) -> None:
        """Take the stores, the maker of keys, and the sources of time and ids."""
        self._accounts = accounts
        self._signing_keys = signing_keys
        self._issue_key = issue_key
        self._clock = clock
        self._new_id = new_id

    async def prepare(self, origin: Origin, deadline: Deadline) -> Account:
        """Make sure that there is a system account and a signing key.

        Args:
            origin: What the audit log is told.
            deadline: How long it may take.

        Returns:
            The system account.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        await self._signing_keys.ensure_key(origin, deadline)
        account = self._account(SYSTEM_ACCOUNT_NAME, is_system=True)
        return await self._accounts.ensure_system_account(account, origin, deadline)

    async def default_account(self, origin: Origin, deadline: Deadline) -> Account:
        """Return the oldest account for keys of programs, made when there is none yet.

        Args:
            origin: What the audit log is told.
            deadline: How long it may take.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        found = await self._accounts.find_first_account(deadline)
        if found is not None:
            return found
        account = self._account(DEFAULT_ACCOUNT_NAME, is_system=False)
        return await self._accounts.insert_account(account, origin, deadline)

    async def create_admin_key(
        self, system_account: Account, name: str, origin: Origin, deadline: Deadline
    ) -> IssuedKey:
        """Create a key with `authsvc:admin`.

        Args:
            system_account: What `prepare` returned.
            name: The key's name; 1 to 100 characters.
            origin: What the audit log is told.
            deadline: How long it may take.

        Raises:
            InvalidRequest: The name breaks bounds.
            KeyNameTaken: A key of the system account that is not revoked has this name.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        violations = Violations()
        violations.check_name("name", name)
        violations.raise_if_any()
        return await self._issue_key(
            system_account.account_id,
            name,
            scopes=(ADMIN,),
            expire_time=None,
            metadata={},
            origin=origin,
            deadline=deadline,
        )

    def _account(self, display_name: str, *, is_system: bool) -> Account:
        return Account(
            account_id=self._new_id(ids.ACCOUNT),
            display_name=display_name,
            state=AccountState.ACTIVE,
            create_time=self._clock(),
            is_system=is_system,
        )
