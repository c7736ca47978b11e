"""CreateUser: someone who may act for an account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from authsvc.domain import ids
from authsvc.domain.accounts import AccountState
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.emails import Email, read_email
from authsvc.domain.errors import AccountIsDisabled
from authsvc.domain.origin import Origin
from authsvc.domain.passwords import Password
from authsvc.domain.users import User, UserRole
from authsvc.usecases.call import Call
from authsvc.usecases.managed_keys import Accounts
from authsvc.usecases.managed_users import get_account_of_users
from authsvc.usecases.passwords import IsCommon, PasswordHasher, check_new_password


@dataclass(frozen=True, slots=True)
class CreateUserCommand:
    """The user that is asked for."""

    email: str
    display_name: str
    role: UserRole | None
    """None stands for a value that is no role."""
    account_id: str = ""
    """Empty: the caller's own account."""
    password: Password | None = None
    """None: the user has none, and cannot log in with one."""


class UserStore(Protocol):
    """Where users are kept."""

    async def insert_user(
        self,
        user: User,
        *,
        email_key: str,
        password_hash: str | None,
        origin: Origin,
        deadline: Deadline,
    ) -> User:
        """Keep a new user.

        Returns:
            The user with the revision of this change.

        Raises:
            EmailTaken: A user has this email address already.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...


class CreateUser:
    """Creates users."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        store: UserStore,
        hasher: PasswordHasher,
        is_common: IsCommon,
        clock: Clock,
        new_id: Callable[[str], str],
    ) -> None:
        """Take the stores, what passwords need, and the sources of time and ids."""
        self._accounts = accounts
        self._store = store
        self._hasher = hasher
        self._is_common = is_common
        self._clock = clock
        self._new_id = new_id

    async def __call__(self, command: CreateUserCommand, call: Call) -> User:
        """Create a user.

        Raises:
            CallerNotPermitted: The caller may manage no users.
            InvalidRequest: The command breaks bounds, or the password a rule.
            AccountNotFound: There is no such account, or the caller may not manage its users.
            AccountIsDisabled: The account is disabled.
            EmailTaken: A user has this email address already, in whatever account.
            TooManyLogins: Too many passwords are being hashed already.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require_user_management()
        account_id = command.account_id or call.caller.own_account_id()
        email, role = self._check(command, account_id)
        account = await get_account_of_users(self._accounts, account_id, call)
        violations = Violations()
        if account.is_system:
            violations.add("account_id", "is not the system account, which has no users")
        if command.password is not None:
            self._check_password(command.password, (account.display_name,), violations)
        violations.raise_if_any()
        if account.state is AccountState.DISABLED:
            raise AccountIsDisabled
        now = self._clock()
        hashed = None if command.password is None else await self._hasher.hash(command.password)
        user = User(
            user_id=self._new_id(ids.USER),
            account_id=account_id,
            email=email.text,
            display_name=command.display_name,
            role=role,
            create_time=now,
            revision=0,
            password_change_time=None if hashed is None else now,
        )
        return await self._store.insert_user(
            user,
            email_key=email.key,
            password_hash=hashed,
            origin=call.origin,
            # The hash may have waited for others: that is no time that the database took.
            deadline=call.deadline_from_now(),
        )

    def _check(self, command: CreateUserCommand, account_id: str) -> tuple[Email, UserRole]:
        violations, email, role = Violations(), read_email(command.email), command.role
        violations.check_id("account_id", account_id, ids.ACCOUNT)
        violations.check_name("display_name", command.display_name)
        if role is None:
            violations.add("role", f"is one of {', '.join(UserRole)}")
        if email is None:
            violations.add("email", "is an email address like ada@example.com")
        if command.password is not None:
            address = () if email is None else (email.text, email.key, email.local_part)
            names = (*address, command.display_name)
            self._check_password(command.password, names, violations)
        violations.raise_if_any()
        assert email is not None  # noqa: S101 - else it is among the violations
        assert role is not None  # noqa: S101 - likewise
        return email, role

    def _check_password(
        self, password: Password, names: tuple[str, ...], violations: Violations
    ) -> None:
        check_new_password(violations, "password", password, names=names, is_common=self._is_common)
