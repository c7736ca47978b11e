"""SetUserPassword: by those who manage the user, or by the user who knows the current one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from authsvc.domain import ids
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import Retriable, UserNotFound, WrongPassword
from authsvc.domain.origin import Origin
from authsvc.domain.passwords import Password
from authsvc.domain.users import User
from authsvc.usecases.call import Call
from authsvc.usecases.limit_logins import LimitLogins
from authsvc.usecases.managed_keys import Accounts
from authsvc.usecases.managed_users import Users, get_managed_user
from authsvc.usecases.passwords import IsCommon, PasswordHasher, check_new_password


@dataclass(frozen=True, slots=True)
class SetUserPasswordCommand:
    """The password that is to be set."""

    user_id: str
    password: Password
    current_password: Password
    """Needed only of the user itself; may be empty."""


class UserStore(Users, Protocol):
    """Where users and the hashes of their passwords are kept."""

    async def find_password_hash(self, user_id: str, deadline: Deadline) -> str | None:
        """Return the hash of the user's password, or None when there is none."""
        ...

    async def set_password(
        self,
        user_id: str,
        *,
        password_hash: str,
        last_change_time: datetime | None,
        change_time: datetime,
        except_session_id: str,
        origin: Origin,
        deadline: Deadline,
    ) -> User | None:
        """Give a user another password, and end its sessions but for one.

        Args:
            user_id: The user.
            password_hash: That of the new password.
            last_change_time: When the present password has to have been set; None: whenever.
            change_time: The present.
            except_session_id: A session that goes on; may be empty.
            origin: What the audit log is told.
            deadline: How long it may take.

        Returns:
            The user with its new revision; None when there is no such user, or it has another
            password.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline; the password
                may have been set all the same.
        """
        ...


class SetUserPassword:
    """Sets the passwords of users."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        store: UserStore,
        hasher: PasswordHasher,
        limit_logins: LimitLogins,
        is_common: IsCommon,
        clock: Clock,
    ) -> None:
        """Take the stores, what passwords need, what limits guesses, and the source of time."""
        self._limit_logins = limit_logins
        self._accounts = accounts
        self._store = store
        self._hasher = hasher
        self._is_common = is_common
        self._clock = clock

    async def __call__(self, command: SetUserPasswordCommand, call: Call) -> User:
        """Set a user's password.

        Whoever sets its own must know the current one, an owner too: else a token that was
        stolen for minutes could be made a login for good.

        Raises:
            CallerNotPermitted: The caller may manage no users, and is not this one.
            InvalidRequest: The id is malformed, or the password breaks a rule.
            UserNotFound: There is no such user, or the caller may not see it.
            WrongPassword: The current password is another one, or there is none.
            TooManyFailedLogins: Attempts before this one failed; it was not looked at.
            TooManyLogins: Too many passwords are being hashed already.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        is_self = call.caller.is_user(command.user_id)
        if not is_self:
            call.caller.require_user_management()
        violations = Violations()
        violations.check_id("user_id", command.user_id, ids.USER)
        if is_self and not command.current_password:
            violations.add("current_password", "is required of a user that sets its own password")
        elif not is_self and command.current_password:
            # Ignored, a wrong one would seem to have been right.
            violations.add(
                "current_password",
                "is for users that set their own password by their own access token; leave it out",
            )
        violations.raise_if_any()
        user = await get_managed_user(self._store, command.user_id, call)
        if is_self:
            await self._require_current_password(command, call)
        await self._check(command.password, user, call.deadline_from_now())
        hashed = await self._hasher.hash(command.password)
        changed = await self._store.set_password(
            user.user_id,
            password_hash=hashed,
            # Else who knew the password before this one could undo its change.
            last_change_time=user.password_change_time if is_self else None,
            change_time=self._clock(),
            # Who else is logged in may be why the password is changed.
            except_session_id=call.caller.principal.session_id if is_self else "",
            origin=call.origin,
            # The hashes may have waited for others: that is no time that the database took.
            deadline=call.deadline_from_now(),
        )
        if changed is None:
            # Of the user itself: somebody has just set another password.
            raise WrongPassword if is_self else UserNotFound
        return changed

    async def _require_current_password(self, command: SetUserPasswordCommand, call: Call) -> None:
        # A token that was stolen for minutes must not do to find out the password either.
        counted = await self._limit_logins.begin_own(
            command.user_id, call.caller.principal.session_id, call.deadline
        )
        try:
            hashed = await self._store.find_password_hash(command.user_id, call.deadline)
            if hashed is None:
                raise WrongPassword
            verified = await self._hasher.verify(hashed, command.current_password)
        except Retriable:
            await self._limit_logins.take_back(counted, call.deadline_from_now())
            raise
        if not verified.matches:
            raise WrongPassword
        await self._limit_logins.take_back(counted, call.deadline_from_now())

    async def _check(self, password: Password, user: User, deadline: Deadline) -> None:
        account = await self._accounts.find_account(user.account_id, deadline)
        names = [user.email, user.email.partition("@")[0], user.display_name]
        if account is not None:
            names.append(account.display_name)
        violations = Violations()
        check_new_password(violations, "password", password, names=names, is_common=self._is_common)
        violations.raise_if_any()
