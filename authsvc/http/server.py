"""The HTTP server: its port, its limits, and its orderly end. It shares gRPC's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from authsvc.domain.last_steps import HTTP_SECONDS
from authsvc.http.bounded_protocol import bounded_protocol
from authsvc.listening import bind

ADDRESS_SETTING: Final = "AUTHSVC_HTTP_ADDRESS"

_KEEP_ALIVE_SECONDS: Final = 30
_REQUEST_SECONDS: Final = 10
"""Requests are a few hundred bytes; a slow network takes no longer."""
_MAX_CONNECTIONS: Final = 1000
"""For more, older ones are closed, so that nobody holds gRPC's loop with open connections."""


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving_http(
    application: ASGIApp,
    address: str,
    *,
    shares_port: bool,
    request_seconds: float = _REQUEST_SECONDS,
    max_connections: int = _MAX_CONNECTIONS,
) -> AsyncIterator[str]:
    """Serve HTTP until the end of the block.

    Args:
        application: What to serve.
        address: `host:port`; port 0 takes a free one.
        shares_port: Whether other processes of this service listen on the same port.
        request_seconds: How long a request may take to arrive; a connection on which it takes
            longer is closed.
        max_connections: How many connections are open at once; for a further one, that is closed
            on which no request came for the longest time.

    Returns:
        The address with its actual port.

    Raises:
        AddressInUse: The address cannot be listened on.
    """
    listener, actual = bind(address, setting=ADDRESS_SETTING, shares_port=shares_port)
    config = uvicorn.Config(
        application,
        http=bounded_protocol(request_seconds, max_connections),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=HTTP_SECONDS,
    )
    server = _Server(config)
    # Connections are taken from here on; they wait until the server is up.
    listener.listen(config.backlog)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield actual
    finally:
        server.should_exit = True
        await task
