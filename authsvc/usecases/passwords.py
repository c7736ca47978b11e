"""What use cases need to set passwords and to compare them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from authsvc.domain.bounds import Violations
from authsvc.domain.passwords import Password, Verified, find_password_fault

IsCommon = Callable[[str], bool]
"""Tells of a text without capitals whether many people use it as a password."""


class PasswordHasher(Protocol):
    """Makes hashes of passwords, and compares passwords with them."""

    async def hash(self, password: Password) -> str:
        """Return a hash that holds its own salt and cost.

        Raises:
            TooManyLogins: Too many passwords are being hashed or compared already.
        """
        ...

    async def verify(self, hashed: str, password: Password) -> Verified:
        """Compare a password with a hash.

        Raises:
            TooManyLogins: Too many passwords are being hashed or compared already.
        """
        ...

    async def verify_dummy(self, password: Password) -> None:
        """Do the work of `verify` where there is no hash, so that its absence does not show.

        Raises:
            TooManyLogins: Too many passwords are being hashed or compared already.
        """
        ...


def check_new_password(
    violations: Violations,
    field: str,
    password: Password,
    *,
    names: Iterable[str],
    is_common: IsCommon,
) -> None:
    """Check a password that is to be set.

    Args:
        violations: Collects what is wrong.
        field: The field's name in the proto.
        password: The password.
        names: What others know of its user.
        is_common: Tells whether many people use it.
    """
    fault = find_password_fault(password, names=names, is_common=is_common)
    if fault is not None:
        violations.add(field, fault)
