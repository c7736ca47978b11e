"""Whose email address and password these are: what a log-in begins with."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

from authsvc.domain.clock import Deadline
from authsvc.domain.emails import read_email
from authsvc.domain.errors import DatabaseUnavailable, TooManyLogins
from authsvc.domain.passwords import Password
from authsvc.domain.users import User, UserWithPassword
from authsvc.usecases.passwords import PasswordHasher


class UserStore(Protocol):
    """Where users are found by their email addresses."""

    async def find_user_by_email(
        self, email_key: str, deadline: Deadline
    ) -> UserWithPassword | None:
        """Return the user with this address, or None."""
        ...

    async def rehash_password(
        self, user_id: str, old_hash: str, new_hash: str, deadline: Deadline
    ) -> None:
        """Put another hash of the same password in the place of one, if that is still there."""
        ...


class VerifyPassword:
    """Finds the user that an email address and a password belong to."""

    def __init__(self, *, store: UserStore, hasher: PasswordHasher) -> None:
        """Take the store and the hasher."""
        self._store = store
        self._hasher = hasher

    async def __call__(self, email: str, password: Password, deadline: Deadline) -> User | None:
        """Return the user, whatever its state, or None when there is none with both.

        It takes the same work whether the address is known or not. A hash of another cost than
        new ones is replaced while the password is at hand.

        Raises:
            TooManyLogins: Too many passwords are being compared already.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        address = read_email(email)
        known = None
        if address is not None:
            known = await self._store.find_user_by_email(address.key, deadline)
        if known is None or known.password_hash is None:
            await self._hasher.verify_dummy(password)
            return None
        verified = await self._hasher.verify(known.password_hash, password)
        if not verified.matches:
            return None
        if verified.needs_rehash:
            await self._rehash(known.user.user_id, known.password_hash, password, deadline)
        return known.user

    async def _rehash(
        self, user_id: str, old_hash: str, password: Password, deadline: Deadline
    ) -> None:
        # No reason to send anybody away: the next log-in is another occasion.
        with suppress(TooManyLogins, DatabaseUnavailable):
            new_hash = await self._hasher.hash(password)
            await self._store.rehash_password(user_id, old_hash, new_hash, deadline)
