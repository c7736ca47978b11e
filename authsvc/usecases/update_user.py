"""UpdateUser: another name, another role; switched off and on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

from authsvc.domain import ids
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import EtagMismatch
from authsvc.domain.origin import Origin
from authsvc.domain.update_masks import check_paths
from authsvc.domain.users import User, UserRole
from authsvc.usecases.call import Call
from authsvc.usecases.managed_users import Users, get_managed_user

PATHS: Final = ("display_name", "role", "disabled")
_ATTEMPTS: Final = 5
_OTHER_FIELDS: Final = frozenset(
    {"user_id", "account_id", "email", "state", "create_time", "password_set", "etag"}
    | {"password_change_time", "last_login_time"}
)


@dataclass(frozen=True, slots=True)
class UpdateUserCommand:
    """The change that is asked for."""

    user_id: str
    paths: tuple[str, ...]
    """What to change; at least one."""
    etag: str = ""
    """Empty: whatever the user is now."""
    display_name: str = ""
    role: UserRole | None = None
    """None stands for a value that is no role."""
    disabled: bool = False


class UserStore(Users, Protocol):
    """Where users are found and changed."""

    async def replace_user(
        self, user: User, now: datetime, origin: Origin, deadline: Deadline
    ) -> User | None:
        """Write what UpdateUser may change, if the user still has the revision of `user`.

        The sessions of a user that is disabled are ended.

        Returns:
            The user with its new revision; None when it has another revision, or is gone.

        Raises:
            LastOwner: The account would be left without an active owner.
            DatabaseUnavailable: The database did not answer before the deadline; the user may
                have been changed all the same.
        """
        ...


class UpdateUser:
    """Changes users."""

    def __init__(self, *, store: UserStore, clock: Clock) -> None:
        """Take the store, and the source of time."""
        self._store = store
        self._clock = clock

    async def __call__(self, command: UpdateUserCommand, call: Call) -> User:
        """Change a user. Disabling it ends its sessions: they are not there when it is enabled.

        Returns:
            The changed user.

        Raises:
            CallerNotPermitted: The caller may manage no users.
            InvalidRequest: The command breaks bounds, or names what cannot be changed.
            UserNotFound: There is no such user, or the caller may not see it.
            EtagMismatch: The user is not the one of the etag, or others keep changing it.
            LastOwner: The account would be left without an active owner.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require_user_management()
        changes = _changes(command)
        for _ in range(_ATTEMPTS):
            found = await get_managed_user(self._store, command.user_id, call)
            if command.etag and command.etag != found.etag:
                raise EtagMismatch
            wanted: User = replace(found, **changes)
            changed = await self._store.replace_user(
                wanted, self._clock(), call.origin, call.deadline
            )
            if changed is not None:
                return changed
        raise EtagMismatch


def _changes(command: UpdateUserCommand) -> dict[str, Any]:
    paths = command.paths
    violations = Violations()
    violations.check_id("user.user_id", command.user_id, ids.USER)
    check_paths(violations, paths, PATHS, _OTHER_FIELDS)
    if "display_name" in paths:
        violations.check_name("user.display_name", command.display_name)
    if "role" in paths and command.role is None:
        violations.add("user.role", f"is one of {', '.join(UserRole)}")
    violations.raise_if_any()
    return {path: getattr(command, path) for path in paths}
