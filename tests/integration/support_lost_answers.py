"""A proxy between client and server that loses answers which the server has given.

It reads the frames of HTTP/2 (RFC 9113, section 4.1): a HEADERS frame from the server begins an
answer, and when it is sent the call's work is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

_FRAME_HEADER_BYTES = 9
_HEADERS = 1


@dataclass(eq=False)
class LossyProxy:
    """What passes between clients and a server."""

    target: str
    address: str = ""
    """The server's address by way of the proxy."""
    answers_to_lose: int = 0
    """How many of the next answers are lost, each with its connection."""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        host, _, port = self.target.rpartition(":")
        server_reader, server_writer = await asyncio.open_connection(host, int(port))

        async def up() -> None:
            while data := await reader.read(65_536):
                server_writer.write(data)

        async def down() -> None:
            rest = b""
            while data := await server_reader.read(65_536):
                rest += data
                while len(rest) >= _FRAME_HEADER_BYTES:
                    end = _FRAME_HEADER_BYTES + int.from_bytes(rest[:3], "big")
                    if len(rest) < end:
                        break
                    if rest[3] == _HEADERS and self.answers_to_lose:
                        self.answers_to_lose -= 1
                        return
                    writer.write(rest[:end])
                    rest = rest[end:]

        ways = [asyncio.create_task(up()), asyncio.create_task(down())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in (writer, server_writer):
                end.close()
            for way in ways:
                way.cancel()
                with suppress(OSError, asyncio.CancelledError):
                    await way


@asynccontextmanager
async def lossy(address: str) -> AsyncIterator[LossyProxy]:
    """Put a proxy in front of a server until the block ends."""
    proxy = LossyProxy(address)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    proxy.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
