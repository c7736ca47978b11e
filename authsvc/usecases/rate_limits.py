"""Rate limits of keys: what the use cases need of those who keep the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from authsvc.domain.denials import Denial, rate_limited
from authsvc.domain.keys import KeyRecord
from authsvc.domain.principals import Principal
from authsvc.domain.rate_limits import RateLimit
from authsvc.domain.takings import ONE_TAKEN, Taken, Wanted


class RateLimiter(Protocol):
    """Takes requests from the limits of keys; what does not pass takes nothing."""

    def take_now(self, key_id: str, limit: RateLimit) -> Taken | None:
        """Take one request without waiting; None when others have to be asked, by `take`."""
        ...

    async def take(self, wanted: Sequence[Wanted]) -> list[Taken]:
        """Take requests, waiting for a short time at most, and whatever is out of order.

        Args:
            wanted: At most one entry for each key.

        Returns:
            What each got, in the same order.
        """
        ...


class ReadableLimits(Protocol):
    """Tells what `RateLimiter` would give, and takes nothing."""

    def look_now(self, key_id: str, limit: RateLimit) -> Taken | None:
        """Tell what `take_now` would return."""
        ...

    async def look(self, key_id: str, limit: RateLimit) -> Taken:
        """Tell what `take` would return for one request."""
        ...


class OnlyRead:
    """A `RateLimiter` that takes nothing: to explain a key is not to use it."""

    def __init__(self, limits: ReadableLimits) -> None:
        """Take the limits to read."""
        self._limits = limits

    def take_now(self, key_id: str, limit: RateLimit) -> Taken | None:
        """Tell what would be taken."""
        return self._limits.look_now(key_id, limit)

    async def take(self, wanted: Sequence[Wanted]) -> list[Taken]:
        """Tell what would be taken if each were one request."""
        return [await self._limits.look(key_id, limit) for key_id, limit, _ in wanted]


class Unlimited:
    """A `RateLimiter` that lets everything pass, for a caller whose call was counted already."""

    def take_now(self, key_id: str, limit: RateLimit) -> Taken | None:  # noqa: ARG002 - a port's
        """Let it pass."""
        return ONE_TAKEN

    async def take(self, wanted: Sequence[Wanted]) -> list[Taken]:
        """Let them pass."""
        return [Taken(one.requests) for one in wanted]


def outcome_of(record: KeyRecord, limit: RateLimit, taken: Taken) -> Principal | Denial:
    """Return the outcome for one request of a good key."""
    return record.principal if taken.requests else rate_limited(limit, taken.retry_after)


async def take_in_order(
    limits: RateLimiter, limited: Sequence[tuple[KeyRecord, RateLimit]]
) -> list[Principal | Denial]:
    """Take one request for each of some good keys; the first that come get what there is.

    Args:
        limits: What to take from.
        limited: Keys with their limits. One may be there several times.

    Returns:
        The outcome of each, in the same order.
    """
    # The library cannot ask about many keys at once, but it can about many requests of a key.
    numbers = Counter(record.principal.key_id for record, _ in limited)
    limit_of = {record.principal.key_id: limit for record, limit in limited}
    wanted = [Wanted(key_id, limit, numbers[key_id]) for key_id, limit in limit_of.items()]
    left = dict(zip(limit_of, await limits.take(wanted), strict=True))
    outcomes: list[Principal | Denial] = []
    for record, limit in limited:
        key_id = record.principal.key_id
        taken = left[key_id]
        outcomes.append(outcome_of(record, limit, taken))
        left[key_id] = taken._replace(requests=max(0, taken.requests - 1))
    return outcomes
