"""How the limits are being kept, for who watches the service."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class RateLimitState:
    """Counts since the start of this process."""

    fallback: bool = False
    """Whether the shared store is away, so that this process counts by itself."""
    store_errors: int = 0
    """How often the store gave no answer, in time or at all."""
    decided_by_store: int = 0
    """How many requests were let pass or denied by the shared count."""
    decided_in_process: int = 0
    """How many were by the count of this process."""
