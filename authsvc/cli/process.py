"""A long-running command: its event loop, and its end on a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import uvloop


def run_until_signal(
    main: Callable[[asyncio.Event], Awaitable[None]], *, second_cuts: bool = True
) -> None:
    """Run a coroutine that ends when its event is set, by SIGTERM or SIGINT.

    Args:
        main: Takes the event.
        second_cuts: Whether a second signal does not wait for the orderly end. Not so for a process
            that may be told the same thing twice, by its parent and by who signals the group.
    """
    uvloop.run(_run(main, second_cuts=second_cuts))


async def _run(main: Callable[[asyncio.Event], Awaitable[None]], *, second_cuts: bool) -> None:
    stop = asyncio.Event()
    task = asyncio.ensure_future(main(stop))

    def on_signal() -> None:
        if stop.is_set() and second_cuts:
            task.cancel()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        await task
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
