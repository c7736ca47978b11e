"""Sends large messages over HTTP/2, and ends no sooner than it is told to.

Depends on `benchmarks.http2`.
"""

from __future__ import annotations

import asyncio
from typing import Final

from benchmarks.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    FIRST_WINDOW,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_BYTES,
    MORE_WINDOW,
    PING,
    PREFACE,
    SETTINGS,
    WINDOW,
    Frame,
    frame,
    read_frame,
)

_MIB: Final = 1024**2


class Sender:
    """Sends large messages as fast as the server's windows allow."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, settings: bytes = b""
    ) -> None:
        """Begin to speak HTTP/2, with settings of the client's own."""
        self._reader = reader
        self._writer = writer
        self._rooms: dict[int, int] = {}
        self._connection_room = FIRST_WINDOW
        self._first_room = FIRST_WINDOW
        self._more = asyncio.Event()
        writer.write(PREFACE + frame(SETTINGS, settings) + MORE_WINDOW)

    async def run(
        self, block: bytes, data: bytes, streams: int, seconds: float, *, end: bool = False
    ) -> str:
        """Send the same message on every stream, and return what became of the connection."""
        reading = asyncio.create_task(self._read())
        self._rooms = {2 * number + 1: self._first_room for number in range(streams)}
        for stream in self._rooms:
            self._writer.write(frame(HEADERS, block, flags=END_HEADERS, stream=stream))
        sent = dict.fromkeys(self._rooms, 0)
        sending = asyncio.create_task(self._send(data, sent, end=end))
        await asyncio.wait([reading], timeout=seconds)
        closed = reading.done()
        for task in (reading, sending):
            task.cancel()
        await asyncio.gather(reading, sending, return_exceptions=True)
        megabytes = sum(sent.values()) / _MIB
        return f"{megabytes:,.0f} MiB taken, {'closed' if closed else 'left open'}"

    async def _send(self, data: bytes, sent: dict[int, int], *, end: bool) -> None:
        open_streams = list(sent)
        while open_streams:
            self._more.clear()
            moved = False
            for stream in list(open_streams):
                at = sent[stream]
                room = min(self._rooms[stream], self._connection_room, MAX_FRAME_BYTES)
                part = data[at : at + room]
                if not part:
                    continue
                moved = True
                last = at + len(part) == len(data)
                flags = END_STREAM if last and end else 0
                self._writer.write(frame(DATA, part, flags=flags, stream=stream))
                sent[stream] += len(part)
                self._rooms[stream] -= len(part)
                self._connection_room -= len(part)
                if last:
                    open_streams.remove(stream)
            await self._writer.drain()
            if not moved:
                await self._more.wait()

    async def _read(self) -> None:
        try:
            while True:
                self._frame_received(await read_frame(self._reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    def _frame_received(self, received: Frame) -> None:
        kind, flags, stream, payload = received
        if kind == WINDOW and stream == 0:
            self._connection_room += int.from_bytes(payload, "big")
        elif kind == WINDOW and stream in self._rooms:
            self._rooms[stream] += int.from_bytes(payload, "big")
        elif kind == SETTINGS and not flags & ACK:
            room = received.settings.get(INITIAL_WINDOW_SIZE, self._first_room)
            for each in self._rooms:
                self._rooms[each] += room - self._first_room
            self._first_room = room
            self._writer.write(frame(SETTINGS, flags=ACK))
        elif kind == PING and not flags & ACK:
            self._writer.write(frame(PING, payload, flags=ACK))
        self._more.set()
