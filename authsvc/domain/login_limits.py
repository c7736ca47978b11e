"""How long failed log-ins make wait.

Three counts for each attempt, so that guessing is slow whichever way it goes, and nobody is shut
out for good: of one email address from one client address, of the email address from anywhere, and
of the client address for anybody. A person who logs in from where it did before is held up by the
first alone, which others cannot add to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

KNOWN_NETWORK_DAYS: Final = 90
"""For how long after a log-in its client address counts as known to the user."""


class LoginLimit(Enum):
    """What is counted, and what it leads to: failures let pass, longest delay, memory."""

    PAIR = (5, timedelta(minutes=5), timedelta(days=1))
    EMAIL = (20, timedelta(minutes=1), timedelta(hours=1))
    NETWORK = (50, timedelta(minutes=1), timedelta(hours=1))

    def __init__(self, threshold: int, longest: timedelta, memory: timedelta) -> None:
        """Keep the row of the table under readable names."""
        self.threshold = threshold
        self.longest = longest
        self.memory = memory
        """How long after its first failure a count begins anew."""

    def delay(self, failures: int) -> timedelta:
        """Return how long the next attempt has to wait after so many failures.

        One second after the threshold is reached, and twice as long after each further failure.
        """
        over = failures - self.threshold
        if over < 0:
            return timedelta(0)
        # The power is bounded as well: a count has no bound.
        return min(timedelta(seconds=2 ** min(over, 16)), self.longest)


@dataclass(frozen=True, slots=True)
class LoginCount:
    """The failures of one email address, client address, or both together."""

    limit: LoginLimit
    digest: bytes
    """What it is kept under."""
    failures: int
    last_failure_time: datetime

    def wait_at(self, now: datetime) -> timedelta:
        """Return how long an attempt has to wait; zero or less when it has not."""
        delay = self.limit.delay(self.failures)
        # The clock of the replica that counted last may be ahead of this one.
        return min(delay, self.last_failure_time + delay - now)


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """Who tries to log in, from where, and under what its failures are counted."""

    email_key: str
    """Empty for what is no address, and so nobody's."""
    network: str
    """What the client address belongs to; empty when it is not known."""
    digests: Mapping[LoginLimit, bytes]


@dataclass(frozen=True, slots=True)
class CountedAttempt:
    """An attempt that is looked at, counted as a failure until it turns out to be none."""

    attempt: LoginAttempt
    counted: frozenset[LoginLimit]
