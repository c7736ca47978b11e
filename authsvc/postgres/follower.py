"""The follower of the change log: one per process, on a connection of its own.

NOTIFY only wakes it; it also reads each second. What it has seen is true as of the moment when its
last read *began*. When its connection fails it takes a new one and goes on where it was, so nothing
is missed but time, and the watermark shows how much.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog

from authsvc.domain.changes import ChangeListener, Watermark
from authsvc.domain.clock import Clock
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.postgres.answered_requests import prune_answers
from authsvc.postgres.changes import CHANNEL, PRUNE_LIMIT, prune_changes, read_changes
from authsvc.postgres.connection import Connection, connect
from authsvc.postgres.errors import translate
from authsvc.postgres.history import UNTOLD, History, NotThePrimary
from authsvc.postgres.session_limits import SessionLimits

PAGE_SIZE: Final = 1000
POLL_SECONDS: Final = 1.0

_READ_TIMEOUT_SECONDS: Final = 2.0
# What is cut here must not go on there: a new connection reads the same again.
_LIMITS: Final = SessionLimits.all_of(timedelta(seconds=_READ_TIMEOUT_SECONDS))
_FIRST_BACKOFF_SECONDS: Final = 0.05
_LAST_BACKOFF_SECONDS: Final = 2.0
_PRUNE_INTERVAL_SECONDS: Final = 10.0

log = structlog.get_logger()


class ChangeFollower:
    """Tells listeners of every change."""

    def __init__(
        self,
        url: str,
        listeners: Sequence[ChangeListener],
        *,
        history: History,
        leave_server: Callable[[], Awaitable[None]],
        retention: timedelta,
        clock: Clock,
        monotonic: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        """Follow the log of one database.

        Args:
            url: The database.
            listeners: Are told of changes, on the event loop.
            history: What this process has met of the database; its pool has met some already.
            leave_server: Is called when another server may have become the primary without its
                timeline telling it, before anything is read from it.
            retention: How old changes become before they are pruned.
            clock: Tells when a read began.
            monotonic: Tells the same in seconds of a clock that never goes back.
            jitter: Returns a random number from 0 to 1, to spread reconnections.
        """
        self._url = url
        self._listeners = listeners
        self._history = history
        self._leave_server = leave_server
        self._retention = retention
        self._clock = clock
        self._monotonic = monotonic
        self._jitter = jitter
        self._position: int | None = None
        self._timeline = history.newest
        self._has_read = False
        self._pruned_at = monotonic()
        self.is_connected = False
        self.connections = 0
        """How many it has taken since the start."""
        self.changes = 0
        """How many it has told of."""
        self.gaps = 0
        """How often it may have missed some."""

    async def run(self) -> None:
        """Follow until cancelled."""
        failures = 0
        while True:
            self._has_read = False
            try:
                await self._follow_once()
            except Exception as error:  # noqa: BLE001 - following goes on, whatever it was
                failures = 0 if self._has_read else min(failures + 1, 10)
                self._log(translate(error), error, failures)
            backoff = min(_LAST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2**failures)
            await asyncio.sleep(backoff * (0.5 + self._jitter() / 2))

    async def _follow_once(self) -> None:
        """Follow on one connection until it fails."""
        connection = await connect(self._url, _LIMITS, history=self._history)
        self.is_connected = True
        self.connections += 1
        try:
            wake = asyncio.Event()
            async with asyncio.timeout(_READ_TIMEOUT_SECONDS):
                await self._notice_failover(connection)
                await connection.add_listener(CHANNEL, lambda *_: wake.set())
            connection.add_termination_listener(lambda _: wake.set())
            while True:
                wake.clear()
                if self._history.newest != self._timeline:
                    raise NotThePrimary("a connection of this process has met a newer primary")
                async with asyncio.timeout(_READ_TIMEOUT_SECONDS):
                    await self._read(connection)
                    await self._prune(connection)
                # Before Python 3.12, wait_for loses a cancellation that comes with the event.
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await wake.wait()
        finally:
            self.is_connected = False
            # Orderly closing would wait for a server that may be gone.
            connection.terminate()

    async def _notice_failover(self, connection: Connection) -> None:
        """Forget everything when this is not the history that was followed before.

        A standby that was promoted may lack the latest changes and give their numbers to others,
        so the numbers alone do not show it. Where the database does not tell its timeline, every
        new connection may be one to another history.
        """
        # Asked once more: the pool may have met a newer one since this connection was opened.
        met = await self._history.admit(connection)
        if self._timeline is not None and (met == UNTOLD or met != self._timeline):
            if met == UNTOLD:
                await self._leave_server()
            else:
                log.warning("database failed over", timeline=met.number)
            self._position = None
        self._timeline = met

    async def _read(self, connection: Connection) -> None:
        """Read until nothing is left to read."""
        while True:
            as_of, as_of_monotonic = self._clock(), self._monotonic()
            page = await read_changes(connection, self._position or 0, PAGE_SIZE)
            if self._position is None or not page.follows(self._position):
                for listener in self._listeners:
                    listener.on_gap()
                # The first read begins with one, and nothing was missed.
                self.gaps += self._position is not None
                self._position = page.newest
            elif page.changes:
                for listener in self._listeners:
                    listener.on_changes(page.changes)
                self.changes += len(page.changes)
                self._position = page.changes[-1].revision
            if self._position >= page.newest:
                watermark = Watermark(self._position, as_of, as_of_monotonic)
                for listener in self._listeners:
                    listener.on_caught_up(watermark)
                self._has_read = True
                return

    async def _prune(self, connection: Connection) -> None:
        if self._monotonic() - self._pruned_at >= _PRUNE_INTERVAL_SECONDS:
            self._pruned_at = self._monotonic()
            await prune_changes(connection, self._retention, PRUNE_LIMIT)
            try:
                async with asyncio.timeout(_READ_TIMEOUT_SECONDS / 2):
                    await prune_answers(connection, self._clock(), PRUNE_LIMIT)
            except Exception as error:  # noqa: BLE001 - freshness does not depend on it
                log.warning("answers to repeats not pruned", cause=repr(translate(error)))

    def _log(self, problem: Exception, error: Exception, failures: int) -> None:
        if not isinstance(problem, DatabaseUnavailable):
            log.error("change log cannot be followed", exc_info=error)
        elif failures <= 1:
            log.warning("change log out of reach", cause=repr(error.__cause__ or error))
