"""Failed log-ins make wait: counted in the database, so for all servers together."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Protocol

from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.emails import MAX_EMAIL_LENGTH, read_email
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.login_limits import CountedAttempt, LoginAttempt, LoginLimit
from authsvc.domain.networks import network_of


class Digests(Protocol):
    """Names counts so that nobody can read what they are of."""

    def digest(self, limit: LoginLimit, *parts: str) -> bytes:
        """Return under what a count is kept: 32 bytes."""
        ...


class LoginCounts(Protocol):
    """Where failures are counted."""

    async def count_attempt(
        self, attempt: LoginAttempt, now: datetime, deadline: Deadline
    ) -> CountedAttempt:
        """Count an attempt as a failure, unless it must wait.

        Raises:
            TooManyFailedLogins: It must wait; it is not counted.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...

    async def forget_attempt(self, counted: CountedAttempt, deadline: Deadline) -> None:
        """Take back what was counted.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...


class LimitLogins:
    """Lets attempts to log in pass, or makes them wait."""

    def __init__(self, *, counts: LoginCounts, digests: Digests, clock: Clock) -> None:
        """Take the counts, what names them, and the time."""
        self._counts = counts
        self._digests = digests
        self._clock = clock

    async def begin(self, email: str, address: str, deadline: Deadline) -> CountedAttempt:
        """Count an attempt before anything is spent on it.

        It counts as a failure from here on: of many attempts at once, no more pass than one after
        the other.

        Args:
            email: The address as it was typed, well-formed or not.
            address: The client's IP address; empty when it is not known.
            deadline: How long it may take.

        Raises:
            TooManyFailedLogins: It must wait.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        attempt = self._attempt(email, address)
        return await self._counts.count_attempt(attempt, self._clock(), deadline)

    async def begin_own(self, user_id: str, session_id: str, deadline: Deadline) -> CountedAttempt:
        """Count, as `begin` does, an attempt at the current password by who is logged in.

        By sessions, so that who has stolen one holds nobody up in the user's others.

        Args:
            user_id: The user.
            session_id: The session it calls in; empty where there is none.
            deadline: How long it may take.

        Raises:
            TooManyFailedLogins: It must wait.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        digest = self._digests.digest(LoginLimit.PAIR, user_id, session_id)
        attempt = LoginAttempt("", "", {LoginLimit.PAIR: digest})
        return await self._counts.count_attempt(attempt, self._clock(), deadline)

    async def take_back(self, counted: CountedAttempt, deadline: Deadline) -> None:
        """Take back an attempt that nobody came to look at, as far as that is possible."""
        with suppress(DatabaseUnavailable):
            await self._counts.forget_attempt(counted, deadline)

    def _attempt(self, email: str, address: str) -> LoginAttempt:
        read = read_email(email)
        key = email[:MAX_EMAIL_LENGTH].casefold() if read is None else read.key
        network = network_of(address) if address else ""
        digest = self._digests.digest
        digests = {
            LoginLimit.PAIR: digest(LoginLimit.PAIR, key, network),
            LoginLimit.EMAIL: digest(LoginLimit.EMAIL, key),
        }
        if network:
            digests[LoginLimit.NETWORK] = digest(LoginLimit.NETWORK, network)
        return LoginAttempt("" if read is None else key, network, digests)
