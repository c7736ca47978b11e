"""In which order and when the hosts of a database's URL are asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from authsvc.postgres import connecting

Answer = Callable[[asyncio.StreamWriter], None]


@asynccontextmanager
async def host(answer: Answer) -> AsyncIterator[int]:
    """Be a host of the database on a port that this gives, until the block ends."""
    writers: list[asyncio.StreamWriter] = []

    async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        answer(writer)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()


async def test_after_a_silent_host_one_that_fails_at_once_costs_no_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = asyncio.Event()

    def keep_silent(_writer: asyncio.StreamWriter) -> None:
        # Should another host be waited for as well, the test would not live to see the end of it.
        monkeypatch.setattr(connecting, "_SILENCE_SECONDS", 3600.0)

    def fail(writer: asyncio.StreamWriter) -> None:
        writer.close()

    def be_asked(_writer: asyncio.StreamWriter) -> None:
        asked.set()

    monkeypatch.setattr(connecting, "_SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(connecting, "_HOST_SECONDS", 3600.0)
    async with host(keep_silent) as silent, host(fail) as failing, host(be_asked) as third:
        hosts = ",".join(f"127.0.0.1:{port}" for port in (silent, failing, third))
        url = f"postgresql://u:p@{hosts}/db?sslmode=disable"
        connection = asyncio.create_task(connecting.connect_to_primary(url))

        async with asyncio.timeout(15):
            await asked.wait()

        connection.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connection
