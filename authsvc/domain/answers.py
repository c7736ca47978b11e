"""What is kept of the answer to a request that may be repeated (AIP-155, docs/adr/0008)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The answer to a request that made a key; the request id is no part of it."""

    digest: bytes
    """Of method, caller and request id, keyed; 32 bytes."""
    fingerprint: bytes
    """Of the arguments, keyed; 32 bytes."""
    key_id: str
    sealed_secret: bytes = field(repr=False)
    delete_time: datetime
    """From when on it answers nothing."""
    revision: int = 0
    """Yet to be given when the key is yet to be kept."""
