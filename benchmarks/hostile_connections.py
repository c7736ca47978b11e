"""Connections that hostile or broken clients make, and what becomes of each.

Depends on `benchmarks.http2`.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

import grpc

from benchmarks.http2 import (
    END_STREAM,
    ERRORS,
    GOAWAY,
    HEAD_BYTES,
    HEADERS,
    PREFACE,
    RESET,
    SETTINGS,
    frame,
)

LEFT_OPEN: Final = "left open"
CLOSED: Final = "closed"

_AT_ONCE: Final = 100
_READ_BYTES: Final = 64 * 1024
_CODES: Final = {each.value[0]: each.name for each in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Victim:
    """What is attacked, and what the attacker has."""

    address: str
    """Of gRPC."""
    http_address: str
    sources: Sequence[str]
    """The attacker's own addresses, which it uses in turn."""
    caller_key: str = field(repr=False)
    """With `authsvc:validate`, for callers may break too."""
    manager_key: str = field(repr=False)
    """With `authsvc:keys`."""
    credential: str = field(repr=False)
    """A good key, to be asked about."""
    seconds: float = 15.0
    """How long connections are held that nobody closes."""


class Attacker:
    """Makes connections and tells what the server did with them."""

    def __init__(self, victim: Victim) -> None:
        """Take what is attacked."""
        self.victim = victim
        self._sources = cycle(victim.sources)

    @asynccontextmanager
    async def connected(
        self, address: str = ""
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Open a connection, to gRPC by default, and drop it at the end of the block."""
        host, _, port = (address or self.victim.address).rpartition(":")
        reader, writer = await asyncio.open_connection(
            host, int(port), local_addr=(next(self._sources), 0)
        )
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def say(self, data: bytes, seconds: float, *, address: str = "") -> str:
        """Write bytes on a connection of their own, and return what became of it."""
        async with self.connected(address) as (reader, writer):
            writer.write(data)
            return await fate_of(reader, seconds)

    async def trickle(self, data: bytes, *, address: str = "", at_once: int = 0) -> str:
        """Write bytes one by one over the whole time, and return what became of the connection."""
        async with self.connected(address) as (reader, writer):
            writer.write(data[:at_once])
            rest = data[at_once:]
            pause = self.victim.seconds / (len(rest) + 1)
            fate = asyncio.create_task(fate_of(reader, self.victim.seconds))
            for byte in rest:
                await asyncio.wait([fate], timeout=pause)
                if fate.done():
                    break
                writer.write(bytes([byte]))
            return await fate

    async def say_nothing(self, data: bytes = b"") -> str:
        """Open a connection, write no more than a greeting, and return what became of it."""
        return await self.say(data, self.victim.seconds)

    async def greet(self) -> str:
        """Open a connection that speaks HTTP/2 and asks nothing."""
        return await self.say_nothing(PREFACE + frame(SETTINGS))


async def fate_of(reader: asyncio.StreamReader, seconds: float) -> str:
    """Return what the server does with a connection within so many seconds."""
    got, fate = b"", LEFT_OPEN
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            with suppress(ConnectionError):
                while data := await reader.read(_READ_BYTES):
                    # Only the beginning and the end are of interest.
                    got = got[:_READ_BYTES] + data
            fate = CLOSED
    return _described(got, fate)


def _described(got: bytes, fate: str) -> str:
    if got.startswith(b"HTTP/1"):
        return f"HTTP {got[9:12].decode()}, {fate}"
    answered = None
    for kind, flags, payload in _frames(got):
        if kind == GOAWAY:
            return f"GOAWAY {_error(payload[4:8])}, {fate}"
        if kind == RESET and not answered:
            answered = f"RST_STREAM {_error(payload)}"
        if kind == HEADERS and flags & END_STREAM:
            status = re.search(rb"grpc-status.(\d+)", payload)
            answered = _CODES[int(status[1])] if status else "answered"
    return f"{answered}, {fate}" if answered else fate


def _frames(data: bytes) -> list[tuple[int, int, bytes]]:
    frames, at = [], 0
    while len(data) - at >= HEAD_BYTES:
        end = at + HEAD_BYTES + int.from_bytes(data[at : at + 3], "big")
        frames.append((data[at + 3], data[at + 4], data[at + HEAD_BYTES : end]))
        at = end
    return frames


def _error(code: bytes) -> str:
    number = int.from_bytes(code, "big")
    return ERRORS[number] if number < len(ERRORS) else f"{number:#x}"


async def counted(doings: Sequence[Awaitable[str]], at_once: int = _AT_ONCE) -> Counter[str]:
    """Do many things, so many at once, and count how they end."""
    room = asyncio.Semaphore(at_once)

    async def do(one: Awaitable[str]) -> str:
        async with room:
            return await one

    return Counter(await asyncio.gather(*map(do, doings)))
