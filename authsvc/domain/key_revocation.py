"""The end of many keys at once: what is written of each, and how far one step got."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from authsvc.domain.keys import RevocationReason
from authsvc.domain.origin import Origin


@dataclass(frozen=True, slots=True)
class Revocation:
    """What is written of each key, and which are left as they are."""

    account_id: str
    revoke_time: datetime
    reason: RevocationReason
    note: str
    origin: Origin
    except_key_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class RevokedChunk:
    """What one step has ended."""

    count: int
    last_key_id: str
    """The greatest id among them; empty when there are none."""
    revision: int
    """The revision of the last change; 0 when there are none."""
