"""A long-running command: its event loop, and its end on a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import uvloop


def run_until_signal(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run a coroutine that ends when its event is set, by SIGTERM or SIGINT.

    A second signal does not wait for the orderly end.

    Args:
        main: Takes the event.
    """
    uvloop.run(_run(main))


async def _run(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    task = asyncio.ensure_future(main(stop))

    def on_signal() -> None:
        if stop.is_set():
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
