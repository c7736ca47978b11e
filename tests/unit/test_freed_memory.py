"""Free memory goes back to the system."""

from __future__ import annotations

import asyncio
import ctypes
import mmap
import sys
from pathlib import Path

import pytest

from authsvc.rpc.freed_memory import find_give_back, keep_giving_back

MIB = 1024**2


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * mmap.PAGESIZE


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc, and glibc")
def test_what_was_freed_goes_back() -> None:
    give_back = find_give_back()
    if give_back is None:
        pytest.skip("this C library gives back by itself")
    give_back()
    # Given many pieces of which the last one stays, so that those before it cannot go by themselves
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    pieces = [libc.malloc(16 * 1024) for _ in range(4096)]
    for piece in pieces:
        ctypes.memset(piece, 1, 16 * 1024)
    last = pieces.pop()
    for piece in pieces:
        libc.free(piece)
    held = resident_bytes()

    give_back()

    assert resident_bytes() < held - 32 * MIB
    libc.free(last)


async def test_it_is_given_back_again_and_again() -> None:
    times = asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()

    task = asyncio.create_task(
        keep_giving_back(lambda: loop.call_soon_threadsafe(times.release), interval_seconds=0.001)
    )

    async with asyncio.timeout(30):
        for _ in range(3):
            await times.acquire()
    task.cancel()


async def test_where_there_is_nothing_to_do_nothing_is_done() -> None:
    async with asyncio.timeout(30):
        await keep_giving_back(None)
