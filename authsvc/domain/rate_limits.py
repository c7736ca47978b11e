"""How often a key may be used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A number of requests in each period."""

    requests: int
    """1 to 1,000,000."""
    period: timedelta
    """Whole seconds, from one second to one day."""
