"""Times and spans on the wire, however odd."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from authsvc.rpc import (
    time_conversion,
)
from tests.unit.examples import (
    NOW,
)

int64 = st.integers(-(2**63), 2**63 - 1)

int32 = st.integers(-(2**31), 2**31 - 1)

T_2026 = int(NOW.timestamp())


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_moment_comes_back_as_it_was(moment: datetime) -> None:
    assert time_conversion.to_datetime(time_conversion.timestamp(moment)) == moment


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    moment = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert time_conversion.timestamp(moment) == time_conversion.timestamp(NOW)


@given(st.datetimes(timezones=st.just(UTC)))
def test_the_nanoseconds_of_a_moment_are_never_negative(moment: datetime) -> None:
    assert 0 <= time_conversion.timestamp(moment).nanos < 1_000_000_000


@given(int64, int32)
def test_every_timestamp_is_a_moment(seconds: int, nanos: int) -> None:
    assert time_conversion.to_datetime(Timestamp(seconds=seconds, nanos=nanos)).tzinfo is UTC


@given(int64, int32)
def test_every_duration_is_a_timedelta(seconds: int, nanos: int) -> None:
    converted = time_conversion.to_timedelta(Duration(seconds=seconds, nanos=nanos))

    assert timedelta.min <= converted <= timedelta.max


@pytest.mark.parametrize(
    ("seconds", "moment"),
    [
        (2**63 - 1, datetime.max.replace(tzinfo=UTC)),
        (-(2**63), datetime.min.replace(tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_timestamp_beyond_the_calendar_is_its_end(seconds: int, moment: datetime) -> None:
    assert time_conversion.to_datetime(Timestamp(seconds=seconds)) == moment


@pytest.mark.parametrize(
    ("seconds", "span"),
    [(2**63 - 1, timedelta.max), (-(2**63), timedelta.min), (90, timedelta(seconds=90))],
)
def test_a_duration_beyond_all_bounds_is_the_greatest(seconds: int, span: timedelta) -> None:
    assert time_conversion.to_timedelta(Duration(seconds=seconds)) == span


@pytest.mark.parametrize("nanos", [-(2**31), -1, 1_000_000_000, 2**31 - 1])
def test_a_timestamp_with_nanos_out_of_range_is_no_moment_of_use(nanos: int) -> None:
    converted = time_conversion.to_datetime(Timestamp(seconds=T_2026, nanos=nanos))

    assert converted == datetime.min.replace(tzinfo=UTC)


@pytest.mark.parametrize("nanos", [-(2**31), -1_000_000_000, 1_000_000_000, 2**31 - 1])
def test_a_duration_with_nanos_out_of_range_is_no_span_of_use(nanos: int) -> None:
    assert time_conversion.to_timedelta(Duration(seconds=90, nanos=nanos)) == timedelta.min


def test_the_greatest_nanos_are_in_range() -> None:
    nanos = 999_999_999

    assert time_conversion.to_datetime(Timestamp(nanos=nanos)).microsecond == 999_999
    assert time_conversion.to_timedelta(Duration(nanos=nanos)) == timedelta(microseconds=999_999)
    assert time_conversion.to_timedelta(Duration(nanos=-nanos)) <= timedelta(microseconds=-999_999)
