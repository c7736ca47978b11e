"""Turns what came over the wire into Python's own values, for all areas. Depends on protobuf.

Fails closed: what the contract calls always set and is not is a `MalformedResponse`.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, TypeVar

from orchestrator.auth._errors import MalformedResponse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

    from orchestrator.auth._word import Word

_Word = TypeVar("_Word", bound="Word")


def table(kind: type[_Word], values: Iterable[tuple[str, int]], prefix: str) -> dict[int, _Word]:
    """Return the words for the values of a proto enum, by their numbers."""
    return {number: kind(name.removeprefix(prefix)) for name, number in values}


def require(message: Message, field: str) -> None:
    """Check that a message has a field.

    Raises:
        MalformedResponse: It has none.
    """
    if not message.HasField(field):
        raise MalformedResponse(f"the {message.DESCRIPTOR.name} has no {field}")


def moment(message: Message, field: str, timestamp: Timestamp) -> datetime:
    """Return the moment in a field that is always set.

    Raises:
        MalformedResponse: It is not set, or no moment that exists.
    """
    require(message, field)
    try:
        return timestamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedResponse(f"{field} is not a moment that exists") from error


def optional_moment(message: Message, field: str, timestamp: Timestamp) -> datetime | None:
    """Return the moment in a field, or None when it is not set.

    Raises:
        MalformedResponse: It is no moment that exists.
    """
    return moment(message, field, timestamp) if message.HasField(field) else None


def span(field: str, duration: Duration) -> timedelta:
    """Return the span of time in a field.

    Raises:
        MalformedResponse: It is none that exists.
    """
    try:
        return duration.ToTimedelta()
    except (ValueError, OverflowError) as error:
        raise MalformedResponse(f"{field} is not a span that exists") from error
