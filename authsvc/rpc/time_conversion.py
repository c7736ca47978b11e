"""Between the timestamps and durations of the wire and those of Python, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

_NANOS: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


def timestamp(moment: datetime) -> Timestamp:
    """Convert an aware datetime."""
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000)


def optional_timestamp(moment: datetime | None) -> Timestamp | None:
    """Convert a moment that may be missing."""
    return None if moment is None else timestamp(moment)


def to_datetime(value: Timestamp) -> datetime:
    """Convert a timestamp; one that no datetime can hold becomes the first or the last one.

    So bounds are checked in one place, where the request is, and conversion cannot fail.
    """
    if not 0 <= value.nanos < _NANOS:
        return _FIRST
    try:
        return _EPOCH + timedelta(seconds=value.seconds, microseconds=value.nanos // 1_000)
    except OverflowError:
        return _FIRST if value.seconds < 0 else _LAST


def duration(span: timedelta) -> Duration:
    """Convert a timedelta."""
    message = Duration()
    message.FromTimedelta(span)
    return message


def to_timedelta(value: Duration) -> timedelta:
    """Convert a duration; one that no timedelta can hold becomes the least or the greatest."""
    if abs(value.nanos) >= _NANOS:
        return timedelta.min
    try:
        return timedelta(seconds=value.seconds, microseconds=value.nanos // 1_000)
    except OverflowError:
        return timedelta.min if value.seconds < 0 else timedelta.max
