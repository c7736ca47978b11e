"""A service that watches by both clients; read by mypy --strict, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import assert_never, assert_type

from orchestrator.auth import (
    AccountChanged,
    AsyncAuthClient,
    AsyncWatch,
    AuthClient,
    Event,
    Heartbeat,
    KeyChanged,
    KeyRevoked,
    Reset,
    SessionRevoked,
    UserChanged,
    Watch,
)


def tell(event: Event) -> str:
    assert_type(event.revision, int)
    match event:
        case KeyRevoked() | KeyChanged():
            return event.key_id + event.account_id
        case AccountChanged():
            return event.account_id
        case UserChanged():
            return event.user_id + event.account_id
        case SessionRevoked():
            return event.session_id + event.user_id + event.account_id
        case Heartbeat():
            assert_type(event.as_of, datetime)
            return "heartbeat"
        case Reset():
            return "reset"
        case other:
            assert_never(other)


def watch(client: AuthClient) -> None:
    events: Iterator[Event] = client.watch(after_revision=4)
    for event in events:
        tell(event)
    with client.watch() as watched:
        assert_type(watched, Watch)
        assert_type(next(watched), Event)
        watched.close()


async def watch_async(client: AsyncAuthClient) -> None:
    events: AsyncIterator[Event] = client.watch(4)
    async for event in events:
        tell(event)
    async with client.watch() as watched:
        assert_type(watched, AsyncWatch)
        await watched.close()
