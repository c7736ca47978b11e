"""Recorded usage as it is told: periods, intervals, and where uses of a key came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from authsvc.domain.bounds import Violations
from authsvc.domain.usage_batches import GRANTED, SourceKind

NEW_FOR: Final = timedelta(days=7)
"""For how long an address is new, and how long before it a key must have been in use."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Granularity(StrEnum):
    """How long an interval is."""

    HOUR = "HOUR"
    DAY = "DAY"

    @property
    def step(self) -> timedelta:
        """The length of an interval."""
        return timedelta(hours=1) if self is Granularity.HOUR else timedelta(days=1)


MAX_SPANS: Final = MappingProxyType(
    {Granularity.HOUR: timedelta(days=31), Granularity.DAY: timedelta(days=400)}
)
"""How long a period may be."""
DEFAULT_SPANS: Final = MappingProxyType(
    {Granularity.HOUR: timedelta(hours=24), Granularity.DAY: timedelta(days=30)}
)
"""How long it is when its start is not given."""


@dataclass(frozen=True, slots=True)
class UsagePeriod:
    """Some whole intervals, one after the other."""

    start: datetime
    """The beginning of the first one."""
    end: datetime
    """The end of the last one."""
    granularity: Granularity

    def interval_starts(self) -> list[datetime]:
        """Return the beginnings of all intervals, oldest first."""
        step = self.granularity.step
        return [self.start + number * step for number in range((self.end - self.start) // step)]


@dataclass(frozen=True, slots=True)
class UsagePeriodQuery:
    """The period that is asked for."""

    start: datetime | None = None
    end: datetime | None = None
    granularity: Granularity | None = None
    """None: by the length of the period."""
    has_unknown_granularity: bool = False

    def resolve(self, now: datetime, violations: Violations) -> UsagePeriod:
        """Return the period, with what is left out filled in, or note what is wrong with it.

        Args:
            now: The present, which is the latest end.
            violations: Takes what is wrong; the period makes no sense then.
        """
        if self.has_unknown_granularity:
            violations.add("granularity", "is one of the values of UsageGranularity")
        end = now if self.end is None else min(self.end, now)
        if end < _EPOCH:
            violations.add("end_time", "is not before 1970")
            end = now
        granularity = self.granularity or Granularity.HOUR
        start = end - DEFAULT_SPANS[granularity] if self.start is None else self.start
        if self.granularity is None and end - start > MAX_SPANS[granularity]:
            granularity = Granularity.DAY
        if start >= end:
            violations.add("start_time", "is before end_time, and in the past")
        elif end - start > MAX_SPANS[granularity]:
            violations.add(
                "start_time",
                f"is at most {MAX_SPANS[granularity].days} days before the end for intervals of "
                f"{'an hour' if granularity is Granularity.HOUR else 'a day'}",
            )
            start = end
        return UsagePeriod(
            start=_floor(start, granularity.step),
            # The interval with the last moment before the end is the last one.
            end=_floor(end - timedelta(microseconds=1), granularity.step) + granularity.step,
            granularity=granularity,
        )


@dataclass(frozen=True, slots=True)
class UsageInterval:
    """What was counted in an interval."""

    start: datetime
    outcomes: Mapping[str, int]
    """How often, by `OK` or the name of a denial's reason."""

    @property
    def granted(self) -> int:
        """How often a key was found good."""
        return self.outcomes.get(GRANTED, 0)

    @property
    def denials(self) -> list[tuple[str, int]]:
        """How often it was refused for each reason, most frequent first."""
        refused = ((name, count) for name, count in self.outcomes.items() if name != GRANTED)
        return sorted(refused, key=lambda denial: (-denial[1], denial[0]))


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where uses of a key came from: a client's address, or a caller that asked about it."""

    kind: SourceKind
    source: str
    first_seen: datetime
    last_seen: datetime
    count: int
    name: str = ""
    """The name of a caller's key; empty when there is none."""
    account_id: str = ""
    """The account of a caller's key; empty when there is none."""
    is_system: bool = False
    """Whether that is the system account."""


def is_new(source: KeySource, all_sources: Sequence[KeySource], now: datetime) -> bool:
    """Tell whether a source of a key may be a stranger.

    It was first seen within the last 7 days, and the key had another source more than 7 days
    before that. So neither a young key nor one that is used for the first time has new ones.
    """
    in_use_since = min(each.first_seen for each in all_sources)
    return now - source.first_seen <= NEW_FOR < source.first_seen - in_use_since


def _floor(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - _EPOCH) % step
