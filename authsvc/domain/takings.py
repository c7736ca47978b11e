"""What is asked of the rate limit of a key, and what it gives."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

from authsvc.domain.rate_limits import RateLimit


class Wanted(NamedTuple):
    """A number of requests that a key is to be let make."""

    key_id: str
    limit: RateLimit
    requests: int = 1
    """At least 1."""


class Taken(NamedTuple):
    """How many of the requests that were wanted the limit lets pass."""

    requests: int
    retry_after: timedelta | None = None
    """How long until one more will pass; None when all that were wanted did."""


ONE_TAKEN: Final = Taken(1)
"""What a single request gets that passes: made once, for there are many."""
