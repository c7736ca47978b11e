"""How old an answer may be, and how old it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FreshnessSource(StrEnum):
    """Where the records behind an answer came from."""

    DATABASE = "DATABASE"
    CACHE = "CACHE"


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old an answer is: all that was committed before `as_of` is reflected in it."""

    source: FreshnessSource
    as_of: datetime
