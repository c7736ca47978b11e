"""Periods of usage, and which sources are new."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from authsvc.domain.bounds import Violations
from authsvc.domain.errors import InvalidRequest
from authsvc.domain.usage import (
    Granularity,
    KeySource,
    UsageInterval,
    UsagePeriod,
    UsagePeriodQuery,
    is_new,
)
from authsvc.domain.usage_batches import SourceKind

NOW = datetime(2026, 3, 15, 12, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def resolved(query: UsagePeriodQuery) -> UsagePeriod:
    violations = Violations()
    period = query.resolve(NOW, violations)
    violations.raise_if_any()
    return period


@pytest.mark.parametrize(
    ("query", "start", "end", "granularity"),
    [
        pytest.param(
            UsagePeriodQuery(), "2026-03-14T12:00", "2026-03-15T13:00", Granularity.HOUR, id="none"
        ),
        pytest.param(
            UsagePeriodQuery(granularity=Granularity.DAY),
            "2026-02-13T00:00",
            "2026-03-16T00:00",
            Granularity.DAY,
            id="days",
        ),
        pytest.param(
            UsagePeriodQuery(start=NOW - 31 * DAY),
            "2026-02-12T12:00",
            "2026-03-15T13:00",
            Granularity.HOUR,
            id="31 days",
        ),
        pytest.param(
            UsagePeriodQuery(start=NOW - 31 * DAY - timedelta(microseconds=1)),
            "2026-02-12T00:00",
            "2026-03-16T00:00",
            Granularity.DAY,
            id="more than 31 days",
        ),
        pytest.param(
            UsagePeriodQuery(
                start=datetime(2026, 3, 1, tzinfo=UTC), end=datetime(2026, 3, 1, 5, tzinfo=UTC)
            ),
            "2026-03-01T00:00",
            "2026-03-01T05:00",
            Granularity.HOUR,
            id="whole hours have no interval after them",
        ),
        pytest.param(
            UsagePeriodQuery(end=datetime.max.replace(tzinfo=UTC)),
            "2026-03-14T12:00",
            "2026-03-15T13:00",
            Granularity.HOUR,
            id="an end in the future is now",
        ),
    ],
)
def test_a_period_has_whole_intervals(
    query: UsagePeriodQuery, start: str, end: str, granularity: Granularity
) -> None:
    assert resolved(query) == UsagePeriod(
        datetime.fromisoformat(f"{start}+00:00"),
        datetime.fromisoformat(f"{end}+00:00"),
        granularity,
    )


def test_intervals_follow_one_another_without_a_gap() -> None:
    starts = resolved(UsagePeriodQuery()).interval_starts()

    assert len(starts) == 25
    assert {later - earlier for earlier, later in pairwise(starts)} == {timedelta(hours=1)}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (UsagePeriodQuery(start=NOW), "start_time"),
        (UsagePeriodQuery(start=NOW + DAY, end=NOW + 2 * DAY), "start_time"),
        (UsagePeriodQuery(start=NOW - DAY, end=NOW - 2 * DAY), "start_time"),
        (UsagePeriodQuery(start=NOW - 32 * DAY, granularity=Granularity.HOUR), "start_time"),
        (UsagePeriodQuery(start=NOW - 401 * DAY), "start_time"),
        (UsagePeriodQuery(start=datetime.min.replace(tzinfo=UTC)), "start_time"),
        (UsagePeriodQuery(end=datetime.min.replace(tzinfo=UTC)), "end_time"),
        (UsagePeriodQuery(has_unknown_granularity=True), "granularity"),
    ],
)
def test_a_period_out_of_bounds_is_named(query: UsagePeriodQuery, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        resolved(query)

    assert [violation.field for violation in caught.value.violations] == [field]


def test_denials_come_with_the_most_frequent_first() -> None:
    interval = UsageInterval(
        NOW, {"KEY_REVOKED": 2, "OK": 9, "KEY_DISABLED": 2, "INSUFFICIENT_SCOPE": 5}
    )

    assert (interval.granted, interval.denials) == (
        9,
        [("INSUFFICIENT_SCOPE", 5), ("KEY_DISABLED", 2), ("KEY_REVOKED", 2)],
    )


@pytest.mark.parametrize(
    ("first_seen_days_ago", "others_days_ago", "expected"),
    [
        pytest.param(1, [30], True, id="a stranger"),
        pytest.param(7, [30], True, id="seven days are recent"),
        pytest.param(7.1, [30], False, id="known for long enough"),
        pytest.param(1, [7.9], False, id="a young key"),
        pytest.param(1, [8], False, id="seven days before are not more than seven"),
        pytest.param(1, [8.1, 2], True, id="the oldest source counts"),
        pytest.param(1, [], False, id="the first use of all"),
    ],
)
def test_which_sources_are_new(
    first_seen_days_ago: float, others_days_ago: list[float], expected: object
) -> None:
    def source(days_ago: float) -> KeySource:
        first_seen = NOW - timedelta(days=days_ago)
        return KeySource(SourceKind.ADDRESS, "192.0.2.1", first_seen, NOW, 1)

    one = source(first_seen_days_ago)

    assert is_new(one, [one, *map(source, others_days_ago)], NOW) is expected
