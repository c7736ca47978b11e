"""The end of keys: why, what is written of each of many, and how far one step got."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from authsvc.domain.bounds import Violations
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


def check_why(
    violations: Violations, reason: RevocationReason | None, note: str
) -> RevocationReason:
    """Check why keys are to be ended.

    Args:
        violations: Collects what is wrong.
        reason: None stands for a value that this version does not know.
        note: The words of who ends them; may be empty.

    Returns:
        The reason, which is good when nothing is wrong.
    """
    if reason is None:
        violations.add("reason", "is one of the values of RevocationReason")
    violations.check_note("note", note)
    return reason or RevocationReason.UNSPECIFIED
