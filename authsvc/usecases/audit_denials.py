"""Refused attempts at management, for the audit log.

Nobody gets another answer because of it: what cannot be written to the database is told to the log
of the process, whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import Final, Protocol

import structlog

from authsvc.domain.audit import AuditRecord
from authsvc.domain.clock import Deadline
from authsvc.domain.origin import ActorKind
from authsvc.domain.tallies import Tally
from authsvc.usecases.failure_limit import WINDOW_SECONDS, FailureLimit

ANONYMOUS_PER_MINUTE: Final = 60
"""How many attempts of nobody are written for each address: they cost their sender nothing."""
ALL_ANONYMOUS_PER_MINUTE: Final = 600
"""The same from all addresses together: whoever has an IPv6 network has as many as they like."""
KNOWN_PER_MINUTE: Final = 600
"""How many attempts are written for each account whose credentials make them."""

_NOBODY: Final = "nobody"

log = structlog.get_logger()


class AuditStore(Protocol):
    """Where audit records are kept."""

    async def append(self, record: AuditRecord, deadline: Deadline) -> None:
        """Write what changed nothing.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...


class AuditDenials:
    """Writes refused attempts."""

    def __init__(self, *, store: AuditStore, monotonic: Callable[[], float]) -> None:
        """Take the store, and seconds from a clock that never goes back."""
        self._store = store
        self._monotonic = monotonic
        self._anonymous = FailureLimit(
            failures_per_minute=ANONYMOUS_PER_MINUTE, monotonic=monotonic
        )
        self._all_anonymous = FailureLimit(
            failures_per_minute=ALL_ANONYMOUS_PER_MINUTE, monotonic=monotonic, group=str
        )
        self._known = FailureLimit(
            failures_per_minute=KNOWN_PER_MINUTE, monotonic=monotonic, group=str
        )
        self._left_out = 0
        self.left_out = Tally()
        """Attempts that were too many of one sender."""
        self.unwritten = Tally()
        """Attempts that the database did not take."""
        self._told_at = monotonic() - WINDOW_SECONDS
        self._writes: set[asyncio.Task[None]] = set()

    async def __call__(self, record: AuditRecord, deadline: Deadline) -> None:
        """Write an attempt, within the call's deadline; never raises for lack of a database."""
        if not self._takes(record):
            return
        write = asyncio.create_task(self._write(record, deadline))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        # A caller that hangs up meanwhile is not thereby unseen.
        await asyncio.shield(write)

    async def finish(self, deadline: Deadline) -> None:
        """Wait for what is still being written, and cut short what takes too long."""
        self._tell_left_out()
        if self._writes:
            _, late = await asyncio.wait(self._writes, timeout=max(0, deadline.remaining()))
            for write in late:
                write.cancel()
            if late:
                await asyncio.wait(late)

    async def _write(self, record: AuditRecord, deadline: Deadline) -> None:
        try:
            await self._store.append(record, deadline)
        except asyncio.CancelledError as error:
            self._miss(record, error)
            raise
        except Exception as error:  # noqa: BLE001 - the status that was decided on is sent
            self._miss(record, error)

    def _miss(self, record: AuditRecord, error: BaseException) -> None:
        self.unwritten.add()
        _tell_unwritten(record, error)

    def _takes(self, record: AuditRecord) -> bool:
        origin = record.origin
        if origin.actor_kind is ActorKind.ANONYMOUS:
            limits = [(self._anonymous, origin.address), (self._all_anonymous, _NOBODY)]
        else:
            limits = [(self._known, origin.actor_account_id or origin.actor_id)]
        is_taken = all(limit.wait_for(who) is None for limit, who in limits)
        if is_taken:
            for limit, who in limits:
                limit.count(who)
        else:
            self._left_out += 1
            self.left_out.add()
        if self._monotonic() - self._told_at >= WINDOW_SECONDS:
            self._tell_left_out()
        return is_taken

    def _tell_left_out(self) -> None:
        if self._left_out:
            log.warning("refused attempts left out of the audit log", attempts=self._left_out)
            self._left_out, self._told_at = 0, self._monotonic()


def _tell_unwritten(record: AuditRecord, error: BaseException) -> None:
    log.error(
        "refused attempt not in the audit log",
        **asdict(record.origin),
        target=record.target and asdict(record.target),
        account_id=record.account_id,
        outcome=record.outcome,
        cause=repr(error.__cause__ or error),
    )
