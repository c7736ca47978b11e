"""WatchRevocations: what was revoked, disabled or changed, told as it happens.

Each stream has a buffer of its own, and a bound on it: who reads too slowly is told to start again
instead of being waited for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from authsvc.domain.bounds import Violations
from authsvc.domain.changes import Change, ChangeKind, ChangeLogPage, Watermark
from authsvc.domain.clock import Deadline
from authsvc.domain.errors import ServerStopping, TooManyStreams
from authsvc.domain.scopes import VALIDATE
from authsvc.domain.tallies import Tally
from authsvc.usecases.call import Call

_PAGE_SIZE: Final = 1000
# A little less than the second between two reads of a quiet log.
_HEARTBEAT_SECONDS: Final = 0.9
# What comes to exist ends nothing, so no cache need hear of it. And who keeps public keys asks for
# them again when it meets one that it does not know.
_UNTOLD: Final = frozenset(
    {
        ChangeKind.ACCOUNT_CREATED,
        ChangeKind.KEY_CREATED,
        ChangeKind.USER_CREATED,
        ChangeKind.KEYRING_CHANGED,
    }
)


@dataclass(frozen=True, slots=True)
class Reset:
    """Events may have been missed."""

    revision: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Everything up to a moment has been told."""

    revision: int
    as_of: datetime


Event = Change | Heartbeat | Reset


class ChangeLog(Protocol):
    """Where past changes are read."""

    async def read_changes(self, after: int, limit: int, deadline: Deadline) -> ChangeLogPage:
        """Return the oldest changes after a revision.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...


class _Subscription:
    """What waits to be told on one stream."""

    def __init__(self, capacity: int) -> None:
        self.events: deque[Change] = deque()
        self.watermark: Watermark | None = None
        self.overflowed = False
        self.stopping = False
        self.owes_heartbeat = True
        """Whether events were told since the last heartbeat."""
        self.heard: Watermark | None = None
        """What the last heartbeat said."""
        self.wake = asyncio.Event()
        self._capacity = capacity

    def add(self, changes: Sequence[Change]) -> None:
        if len(self.events) + len(changes) > self._capacity:
            self.overflow()
        elif not self.overflowed:
            self.events.extend(changes)
        self.wake.set()

    def move_on(self, watermark: Watermark) -> None:
        self.watermark = watermark
        if self.events or self.overflowed or self.heartbeat_is_due(watermark):
            self.wake.set()

    def heartbeat_is_due(self, watermark: Watermark) -> bool:
        if self.heard is None or self.owes_heartbeat:
            return watermark is not self.heard
        return watermark.as_of_monotonic - self.heard.as_of_monotonic >= _HEARTBEAT_SECONDS

    def overflow(self) -> None:
        self.events.clear()
        self.overflowed = True
        self.wake.set()


class RevocationFeed:
    """Passes changes on to streams."""

    def __init__(self, *, max_streams: int, buffer: int) -> None:
        """Bound the streams.

        Args:
            max_streams: How many there may be.
            buffer: How many events may wait on each.
        """
        self._max_streams = max_streams
        self._buffer = buffer
        self._subscriptions: set[_Subscription] = set()
        self._watermark: Watermark | None = None
        self._stopping = False
        self.resets = Tally()
        """How often a stream was told to start again."""

    @property
    def streams(self) -> int:
        """How many there are."""
        return len(self._subscriptions)

    def on_changes(self, changes: Sequence[Change]) -> None:
        """Pass changes on, but for those that no stream tells of."""
        told = [change for change in changes if change.kind not in _UNTOLD]
        if told:
            for subscription in self._subscriptions:
                subscription.add(told)

    def on_caught_up(self, watermark: Watermark) -> None:
        """Let every stream say that there was nothing more."""
        self._watermark = watermark
        for subscription in self._subscriptions:
            subscription.move_on(watermark)

    def on_gap(self) -> None:
        """Let every stream start again."""
        for subscription in self._subscriptions:
            subscription.overflow()

    def stop(self) -> None:
        """End every stream, and take no new one."""
        self._stopping = True
        for subscription in self._subscriptions:
            subscription.stopping = True
            subscription.wake.set()

    def subscribe(self) -> _Subscription:
        """Begin to keep events for a stream.

        Raises:
            TooManyStreams: There are as many as there may be.
            ServerStopping: The server stops.
        """
        if self._stopping:
            raise ServerStopping
        if len(self._subscriptions) >= self._max_streams:
            raise TooManyStreams
        subscription = _Subscription(self._buffer)
        subscription.watermark = self._watermark
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: _Subscription) -> None:
        """Keep no more events for a stream."""
        self._subscriptions.discard(subscription)


class WatchRevocations:
    """Tells of revocations and other changes."""

    def __init__(self, *, feed: RevocationFeed, log: ChangeLog) -> None:
        """Take what passes new changes on, and where past ones are read."""
        self._feed = feed
        self._log = log

    async def __call__(self, after_revision: int, call: Call) -> AsyncIterator[Event]:
        """Tell what came after a revision, without end.

        Args:
            after_revision: What the caller has seen; 0: from now on.
            call: The call.

        Raises:
            CallerNotPermitted: The caller lacks `authsvc:validate`, now or later.
            InvalidRequest: The revision is negative.
            TooManyStreams: There are as many as there may be.
            ServerStopping: The server stops.
            DatabaseUnavailable: What was missed cannot be read.
        """
        call.caller.require(VALIDATE)
        violations = Violations()
        if after_revision < 0:
            violations.add("after_revision", "is not negative")
        violations.raise_if_any()
        # New events are kept before old ones are read: none falls in between.
        subscription = self._feed.subscribe()
        try:
            told = after_revision
            if after_revision:
                async for event in self._catch_up(after_revision, call.deadline):
                    told = event.revision
                    if isinstance(event, Reset):
                        self._feed.resets.add()
                    yield event
                    call.caller.require(VALIDATE)
            async for event in _live(subscription, told):
                if isinstance(event, Reset):
                    self._feed.resets.add()
                yield event
                # What the caller may do can change while it listens.
                call.caller.require(VALIDATE)
        finally:
            self._feed.unsubscribe(subscription)

    async def _catch_up(self, revision: int, deadline: Deadline) -> AsyncIterator[Event]:
        while True:
            page = await self._log.read_changes(revision, _PAGE_SIZE, deadline)
            if not page.follows(revision):
                yield Reset(page.newest)
                return
            for change in page.changes:
                if change.kind not in _UNTOLD:
                    yield change
            if len(page.changes) < _PAGE_SIZE:
                return
            revision = page.changes[-1].revision


async def _live(subscription: _Subscription, told: int) -> AsyncIterator[Event]:
    while True:
        subscription.wake.clear()
        if subscription.stopping:
            raise ServerStopping
        if subscription.overflowed:
            subscription.overflowed = False
            # Not the greater of the two: a database that was restored counts from further back.
            told = subscription.watermark.revision if subscription.watermark else 0
            subscription.owes_heartbeat = True
            yield Reset(told)
        while subscription.events:
            change = subscription.events.popleft()
            if change.revision > told:
                told = change.revision
                subscription.owes_heartbeat = True
                yield change
        watermark = subscription.watermark
        # An overflow while the reader was waited for took events with it.
        if (
            watermark is not None
            and subscription.heartbeat_is_due(watermark)
            and not subscription.overflowed
        ):
            subscription.heard = watermark
            subscription.owes_heartbeat = False
            told = max(told, watermark.revision)
            yield Heartbeat(told, watermark.as_of)
        await subscription.wake.wait()
