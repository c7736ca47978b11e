"""Gives memory back to the system that calls have freed.

glibc keeps what was freed for the next time. After a burst of large messages that is most of what
they took: a hundred of 16 MiB left a gigabyte. Where memory is limited, that is another process's,
or the end of this one at the next burst.

Depends on the standard library.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable
from typing import Final

_INTERVAL_SECONDS: Final = 30.0

GiveBack = Callable[[], object]


def find_give_back() -> GiveBack | None:
    """Return what gives free memory back, or None where the C library does so by itself."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return None if trim is None else lambda: trim(0)


async def keep_giving_back(
    give_back: GiveBack | None, interval_seconds: float = _INTERVAL_SECONDS
) -> None:
    """Give free memory back now and then, until cancelled.

    In a thread of its own, as a gigabyte takes a tenth of a second.
    """
    while give_back is not None:
        await asyncio.sleep(interval_seconds)
        await asyncio.to_thread(give_back)
