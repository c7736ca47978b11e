"""How old an answer may be, and how old it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from authsvc.domain.presentation import Presentable


class FreshnessSource(StrEnum):
    """Where the records behind an answer came from."""

    DATABASE = "DATABASE"
    CACHE = "CACHE"
    STALE = "STALE"


@dataclass(frozen=True, slots=True)
class Freshness(Presentable):
    """How old an answer is: all that was committed before `as_of` is reflected in it."""

    source: FreshnessSource
    as_of: datetime


@dataclass(frozen=True, slots=True)
class FreshnessDemand:
    """How fresh an answer must be."""

    authoritative: bool = False
    """Every record is read from the database for this call."""
    at_least_revision: int | None = None
    """The answer reflects at least this revision."""


NO_DEMAND = FreshnessDemand()
AUTHORITATIVE = FreshnessDemand(authoritative=True)
