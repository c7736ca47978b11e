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
from authsvc.usecases.failure_limit import WINDOW_SECONDS, FailureLimit

ANONYMOUS_PER_MINUTE: Final = 60
"""How many attempts of nobody are written for each address: they cost their sender nothing."""

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
        self._left_out = 0
        self._told_at = monotonic() - WINDOW_SECONDS
        self._writes: set[asyncio.Task[None]] = set()

    async def __call__(self, record: AuditRecord, deadline: Deadline) -> None:
        """Write an attempt, within the call's deadline; never raises for lack of a database."""
        if record.origin.actor_kind is ActorKind.ANONYMOUS and not self._takes(record):
            return
        write = asyncio.create_task(self._write(record, deadline))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        # A caller that hangs up meanwhile is not thereby unseen.
        await asyncio.shield(write)

    async def finish(self) -> None:
        """Wait for what is still being written; each has its deadline."""
        if self._writes:
            await asyncio.wait(self._writes)

    async def _write(self, record: AuditRecord, deadline: Deadline) -> None:
        try:
            await self._store.append(record, deadline)
        except Exception as error:  # noqa: BLE001 - the status that was decided on is sent
            log.error(  # noqa: TRY400 - the cause says enough; the row is what matters
                "refused attempt not in the audit log",
                **asdict(record.origin),
                target=record.target and asdict(record.target),
                account_id=record.account_id,
                outcome=record.outcome,
                cause=repr(error.__cause__ or error),
            )

    def _takes(self, record: AuditRecord) -> bool:
        address = record.origin.address
        is_taken = self._anonymous.wait_for(address) is None
        if is_taken:
            self._anonymous.count(address)
        else:
            self._left_out += 1
        if self._left_out and self._monotonic() - self._told_at >= WINDOW_SECONDS:
            log.warning(
                "refused attempts of nobody left out of the audit log", attempts=self._left_out
            )
            self._left_out, self._told_at = 0, self._monotonic()
        return is_taken
