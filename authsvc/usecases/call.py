"""What every use case is told about the call it serves."""

from __future__ import annotations

from collections.abc import Callable
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


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that needs no caller, and is not told of one."""

    deadline: Deadline
    address: str
    """The IP address that calls; empty when not known."""
    origin: Origin
    """What the audit log is told of the call."""
    new_deadline: Callable[[], Deadline] | None = None
    """Counts the time for the database anew; None: that cannot be."""

    def deadline_from_now(self) -> Deadline:
        """Return the deadline of what comes after work that is not the database's, such as a hash.

        The call's own deadline stays what it is.
        """
        return self.deadline if self.new_deadline is None else self.new_deadline()
