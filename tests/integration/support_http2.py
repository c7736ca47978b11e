"""A client of HTTP/2 frames (RFC 9113), for what no gRPC library would send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from benchmarks.http2 import ACK, PING, PREFACE, SETTINGS, Frame, frame, read_frame

MAX_CONCURRENT_STREAMS: Final = 3
MAX_HEADER_LIST_SIZE: Final = 6

NO_ERROR: Final = 0
ENHANCE_YOUR_CALM: Final = 11


class Http2:
    """One connection, on which pings of the server are answered."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, kind: int, payload: bytes = b"", flags: int = 0) -> None:
        """Send a frame of the whole connection."""
        self._writer.write(frame(kind, payload, flags=flags))

    async def read(self) -> Frame:
        """Read the next frame.

        Raises:
            IncompleteReadError: The server has closed the connection.
        """
        received = await read_frame(self._reader)
        if received.kind == PING and not received.flags & ACK:
            self.send(PING, received.payload, ACK)
        return received

    async def until(self, kind: int) -> Frame:
        """Read until there is a frame of a kind."""
        while (received := await self.read()).kind != kind:
            pass
        return received


@asynccontextmanager
async def tcp(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection and say nothing."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


@asynccontextmanager
async def http2(address: str) -> AsyncIterator[Http2]:
    """Open a connection that speaks HTTP/2."""
    async with tcp(address) as (reader, writer):
        writer.write(PREFACE)
        connection = Http2(reader, writer)
        connection.send(SETTINGS)
        yield connection
