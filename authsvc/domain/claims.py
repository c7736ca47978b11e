"""The reading of single claims (RFC 7519), strict about their types and bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

MAX_TEXT_CLAIM: Final = 255
# The last second that a datetime can hold; a time beyond it is nobody's expiry.
_LAST_SECOND: Final = datetime.max.replace(tzinfo=UTC).timestamp() - 1
_MAX_SECONDS_TOLD: Final = 2**31 - 1


def text_claim(claims: Mapping[str, object], name: str) -> str | None:
    """Return a claim that is a short printable text, or None."""
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT_CLAIM:
        return None
    return value if value.isprintable() else None


def time_claim(claims: Mapping[str, object], name: str) -> datetime | None:
    """Return a NumericDate, or None; a bool is a number to Python but not to RFC 7519."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Refuses NaN and the infinities too, and compares an int that no float can hold.
    if not 0 <= value <= _LAST_SECOND:
        return None
    return datetime.fromtimestamp(value, UTC)


def whole_seconds(span: timedelta) -> int:
    """Return whole seconds, rounded up, as many as the wire can tell."""
    return min(math.ceil(span.total_seconds()), _MAX_SECONDS_TOLD)
