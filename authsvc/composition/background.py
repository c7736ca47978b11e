"""What goes on beside the calls: begun with the server, ended when its last call has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

import structlog

Work = Callable[[], Awaitable[None]]
"""Goes on until cancelled, or returns when there is nothing to do; may be begun anew."""

_PAUSE_SECONDS: Final = 1.0

log = structlog.get_logger()


def begin(works: Mapping[str, Work]) -> list[asyncio.Task[None]]:
    """Begin works, each under the name by which the log knows it."""
    return [asyncio.create_task(_kept_going(name, work)) for name, work in works.items()]


async def end(works: Collection[asyncio.Task[None]], *, within_seconds: float) -> None:
    """Cancel works, and cut what they still finish when it takes too long.

    What is cut ends soon, but is not waited for.
    """
    for work in works:
        work.cancel()
    _, late = await asyncio.wait(works, timeout=within_seconds)
    for work in late:
        work.cancel()


async def _kept_going(name: str, work: Work) -> None:
    """Do a work until cancelled.

    Each catches the failures that it knows of. One that it does not know of is a fault in the
    program, and without this, nobody would hear of it or do the work before the next start.
    """
    task = asyncio.current_task()
    while True:
        try:
            await work()
        except (Exception, asyncio.CancelledError):
            if task is None or task.cancelling():
                raise
            log.exception("background work failed, another try follows", work=name)
        else:
            return
        await asyncio.sleep(_PAUSE_SECONDS)
