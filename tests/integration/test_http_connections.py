"""Connections without a request, or with half of one, do not keep the HTTP port from others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from authsvc.http.server import serving_http
from tests.integration.support_http import FREE_ADDRESS, fetch
from tests.integration.support_http2 import tcp

GENEROUS_SECONDS: Final = 25
NEVER_SECONDS: Final = 3600

GET: Final = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def _hello(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


@asynccontextmanager
async def serving(request_seconds: float, max_connections: int = 1000) -> AsyncIterator[str]:
    application = Starlette(routes=[Route("/", _hello)])
    async with serving_http(
        application,
        FREE_ADDRESS,
        shares_port=False,
        request_seconds=request_seconds,
        max_connections=max_connections,
    ) as address:
        yield address


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        GET[:-2],
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbody",
        GET + GET[:-2],
    ],
    ids=["nothing", "half a head", "half a body", "half a second request"],
)
async def test_a_connection_without_a_whole_request_is_closed(sent: bytes) -> None:
    async with serving(0.2) as address, tcp(address) as (reader, writer):
        writer.write(sent)
        async with asyncio.timeout(GENEROUS_SECONDS):
            await _end(reader)


async def test_bytes_that_trickle_in_do_not_put_the_end_off() -> None:
    async with serving(0.5) as address, tcp(address) as (reader, writer):
        ended = asyncio.create_task(_end(reader))
        async with asyncio.timeout(GENEROUS_SECONDS):
            writer.write(GET[:-2] + b"X-Slow: ")
            while not ended.done():
                writer.write(b"a")
                await asyncio.wait([ended], timeout=0.05)


async def test_a_connection_is_kept_between_requests() -> None:
    async with serving(NEVER_SECONDS) as address, tcp(address) as (reader, writer):
        for _ in range(3):
            await _ask(reader, writer)


async def test_idle_connections_cost_nobody_an_answer() -> None:
    # Given as many idle connections as there may be, of which one was used last
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(serving(NEVER_SECONDS, max_connections=3))
        idle = [await stack.enter_async_context(tcp(address)) for _ in range(3)]
        await _ask(*idle[0])

        # When another asks, then it is answered
        assert (await fetch(address, "/")).status == 200

        # And the one was closed that was quiet for the longest time
        async with asyncio.timeout(GENEROUS_SECONDS):
            await _end(idle[1][0])
        for _ in range(2):
            await _ask(*idle[0])


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(GET)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert await reader.readexactly(5) == b"hello"


async def _end(reader: asyncio.StreamReader) -> None:
    try:
        await reader.read()
    except ConnectionResetError:
        return
