"""What every use case is told about the call it serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline
from authsvc.domain.origin import Origin


@dataclass(slots=True)
class Call:
    """An authenticated call."""

    caller: Caller
    """Who calls. During a stream, who that was when the latest answer was sent."""
    deadline: Deadline
    origin: Origin
    """What the audit log is told of the call."""
    new_deadline: Callable[[], Deadline] | None = None
    """Counts the time for the database anew; None: that cannot be."""

    def deadline_from_now(self) -> Deadline:
        """Return the deadline of what comes after work that is not the database's, such as a hash.

        The call's own deadline stays what it is.
        """
        return self.deadline if self.new_deadline is None else self.new_deadline()


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that needs no caller. It may carry a credential, which few methods look at."""

    deadline: Deadline
    address: str
    """The IP address that calls; empty when not known."""
    origin: Origin
    """What the audit log is told of the call."""
    new_deadline: Callable[[], Deadline] | None = None
    """Counts the time for the database anew; None: that cannot be."""
    find_caller: Callable[[], Awaitable[Caller]] | None = None
    """Authenticates who calls; None: the call carries no credential."""

    def deadline_from_now(self) -> Deadline:
        """Return the deadline of what comes after work that is not the database's: see `Call`."""
        return self.deadline if self.new_deadline is None else self.new_deadline()

    async def client_address(self, claimed: str) -> str:
        """Return the address that a person calls from.

        Anybody could claim any. So a claim counts only from who may ask about credentials, such as
        the dashboard's back end. Without a claim, a credential of the call is not looked at: a
        browser that refreshes may send its expired access token along.

        Args:
            claimed: What the call says it is; may be empty.

        Returns:
            What is claimed by one who may; else where the call comes from, empty when not known.

        Raises:
            CallerCredentialInvalid: The call claims an address with a credential that is refused.
            CallerRateLimited: Its key is over its own limit.
            DatabaseUnavailable: It could not be looked up before the deadline.
            TooManyLookups: Too many credentials are being looked up, or too many guesses came from
                there.
        """
        if not claimed or self.find_caller is None:
            return self.address
        caller = await self.find_caller()
        return claimed if caller.may_validate() else self.address
