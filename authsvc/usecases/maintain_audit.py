"""The months of the audit log are made ahead, in the background of each server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NoReturn, Protocol

import structlog

from authsvc.domain.clock import Deadline

INTERVAL_SECONDS: Final = 4 * 3600.0
"""Often enough, as two months are made ahead, and what has no month is kept all the same."""

log = structlog.get_logger()


class AuditMonths(Protocol):
    """Where the audit log is kept."""

    async def maintain(self, deadline: Deadline) -> None:
        """Make the tables of this month and the next two, if they are not there yet."""
        ...


async def keep_maintained(months: AuditMonths, new_deadline: Callable[[], Deadline]) -> NoReturn:
    """See to the months now and every few hours, until cancelled."""
    while True:
        try:
            await months.maintain(new_deadline())
        except Exception as error:  # noqa: BLE001 - whatever it was, the next time comes
            log.warning("months of the audit log not made", cause=repr(error.__cause__ or error))
        await asyncio.sleep(INTERVAL_SECONDS)
