"""Turns arguments into what goes over the wire, for all areas. Depends on protobuf.

What is checked is what the wire cannot carry or would turn into something else without a word;
bounds are the server's to check, so that they can change without a new client.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from orchestrator.auth.v1 import auth_service_pb2

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime, timedelta

    from orchestrator.auth._model import RequestContext


def scopes(given: Collection[str], argument: str) -> list[str]:
    """Return scopes.

    Raises:
        TypeError: They are a `str`; the text names the argument.
    """
    return _texts(given, argument, "scopes")


def addresses(given: Collection[str], argument: str) -> list[str]:
    """Return IP addresses and networks.

    Raises:
        TypeError: They are a `str`; the text names the argument.
    """
    return _texts(given, argument, "addresses")


def _texts(given: Collection[str], argument: str, what: str) -> list[str]:
    # A str is a collection of its characters; taken as one, it would ask for something else.
    if isinstance(given, str):
        raise TypeError(f"{argument} is a collection of {what}, not a str")
    return list(given)


def request_id(given: str | None) -> str:
    """Return the id of a request: the caller's own, or a new one for None.

    Raises:
        ValueError: It is empty.
    """
    # Without one, a retry after a lost answer would be another request.
    if given is None:
        return str(uuid.uuid4())
    if not given:
        raise ValueError("request_id is empty; leave it out to have one made")
    return given


def duration(span: timedelta) -> Duration:
    """Return a span of time."""
    message = Duration()
    message.FromTimedelta(span)
    return message


def timestamp(moment: datetime, argument: str) -> Timestamp:
    """Return a moment.

    Raises:
        ValueError: It is naive; the text names the argument.
    """
    # protobuf takes a naive datetime for UTC, while most naive ones are local.
    if moment.tzinfo is None:
        raise ValueError(f"{argument} has no time zone; use an aware datetime")
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def encodable(text: str | None) -> str:
    """Return the text, or "" for None, with `?` for what UTF-8 cannot express."""
    # Header values may hold lone surrogates (undecodable octets), which protobuf refuses with an
    # error that quotes the whole text. They become `?`, which no good credential contains.
    return (text or "").encode("utf-8", "replace").decode("utf-8")


def exact(text: str, argument: str) -> str:
    """Return a secret that must arrive as it is, or not at all.

    Raises:
        ValueError: UTF-8 cannot express it; the text names the argument and repeats nothing.
    """
    # protobuf's own error would quote it. To replace what it refuses, as for a header, would send
    # another secret than was given.
    if encodable(text) != text:
        raise ValueError(f"{argument} has characters that UTF-8 cannot express")
    return text


def context(given: RequestContext) -> auth_service_pb2.RequestContext:
    """Return what is known of the end client's request."""
    return auth_service_pb2.RequestContext(
        client_ip=encodable(given.client_ip),
        user_agent=encodable(given.user_agent),
        method=encodable(given.method),
    )
