"""A proxy in front of Postgres that tells what is asked, and loses what a test wants lost.

It reads the frames of the wire protocol (PostgreSQL documentation, "Message Formats") and knows the
follower's connection by its LISTEN.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from authsvc.domain.database_hosts import hosts_of

_LENGTH_BYTES = 4
_TYPE_BYTES = 1


class Frames:
    """Cuts a stream into frames; the first one from a client has no type."""

    def __init__(self, *, has_startup: bool) -> None:
        self._rest = b""
        self._type_bytes = 0 if has_startup else _TYPE_BYTES

    def add(self, data: bytes) -> list[bytes]:
        """Return the frames that are complete now, each with its type and length."""
        self._rest += data
        frames = []
        while len(self._rest) >= self._type_bytes + _LENGTH_BYTES:
            length = self._rest[self._type_bytes : self._type_bytes + _LENGTH_BYTES]
            end = self._type_bytes + int.from_bytes(length, "big")
            if len(self._rest) < end:
                break
            frames.append(self._rest[:end])
            self._rest = self._rest[end:]
            self._type_bytes = _TYPE_BYTES
        return frames


@dataclass(eq=False)
class Link:
    """One proxied connection."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    listens: bool = False
    is_black_hole: bool = False
    loses_answer: bool = False
    statements: dict[bytes, str] = field(default_factory=dict)

    def cut(self) -> None:
        self.client.close()
        self.server.close()


@dataclass(eq=False)
class PostgresProxy:
    """What passes on its way to a database."""

    target: str
    url: str = ""
    """The database's URL by way of the proxy."""
    executed: Counter[str] = field(default_factory=Counter)
    """How often each prepared statement was executed."""
    drops_notifications: bool = False
    notifications_dropped: int = 0
    swallows_listen: bool = False
    """Whether a connection becomes a black hole when it sends LISTEN."""
    loses_answer_to: str = ""
    """A part of the statement whose next answer is lost, with the connection."""
    answers_lost: int = 0
    links: set[Link] = field(default_factory=set)
    refuses: bool = False

    def refuse(self) -> None:
        """End every connection, and take no new one."""
        self.refuses = True
        for link in list(self.links):
            link.cut()

    def lose_answer_to(self, part: str) -> None:
        """Lose the next answer to a statement that has a part, once the statement is done."""
        self.loses_answer_to = part

    def accept(self) -> None:
        """Take connections again."""
        self.refuses = False

    def count_of(self, part: str) -> int:
        """Count the executions of statements that have a part."""
        return sum(count for text, count in self.executed.items() if part in text)

    @property
    def followers(self) -> list[Link]:
        """The connections that listen."""
        return [link for link in self.links if link.listens]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            server_reader, server_writer = await _dial(self.target)
        except OSError:
            writer.close()
            return
        link = Link(writer, server_writer)
        # Looked at last: who was on its way when the others were cut does not get through either.
        if self.refuses:
            link.cut()
            return
        self.links.add(link)
        try:
            await asyncio.gather(self._up(link, reader), self._down(link, server_reader))
        finally:
            self.links.discard(link)
            link.cut()

    async def _up(self, link: Link, reader: asyncio.StreamReader) -> None:
        frames = Frames(has_startup=True)
        with suppress(OSError):
            while data := await reader.read(65_536):
                for frame in frames.add(data):
                    self._look_at(link, frame)
                if not link.is_black_hole:
                    link.server.write(data)
        link.cut()

    async def _down(self, link: Link, reader: asyncio.StreamReader) -> None:
        frames = Frames(has_startup=False)
        with suppress(OSError):
            while data := await reader.read(65_536):
                for frame in frames.add(data):
                    if self.drops_notifications and frame[:1] == b"A":
                        self.notifications_dropped += 1
                    elif link.loses_answer:
                        # "Ready for query" comes when the statement is committed.
                        if frame[:1] == b"Z":
                            self.answers_lost += 1
                            link.cut()
                            return
                    elif not link.is_black_hole:
                        link.client.write(frame)
        link.cut()

    def _look_at(self, link: Link, frame: bytes) -> None:
        body = frame[_TYPE_BYTES + _LENGTH_BYTES :]
        if frame[:1] == b"P":
            name, text, _ = body.split(b"\0", 2)
            link.statements[name] = text.decode()
            if text.startswith(b"LISTEN"):
                link.listens = True
                link.is_black_hole = self.swallows_listen
        elif frame[:1] == b"B":
            name = body.split(b"\0", 2)[1]
            self.executed[link.statements[name]] += 1
            if self.loses_answer_to and self.loses_answer_to in link.statements[name]:
                self.loses_answer_to = ""
                link.loses_answer = True


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[PostgresProxy]:
    """Put a proxy in front of a database until the block ends."""
    proxy = PostgresProxy(url)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    parts = urlsplit(url)
    user = parts.username or "postgres"
    proxy.url = urlunsplit(
        parts._replace(netloc=f"{user}@127.0.0.1:{port}", query="sslmode=disable")
    )
    try:
        yield proxy
    finally:
        server.close()
        for link in list(proxy.links):
            link.cut()


async def _dial(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    (host, port), *_ = hosts_of(url) or [("127.0.0.1", 5432)]
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, port)
