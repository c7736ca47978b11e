"""The yardstick: a grpc.aio server on uvloop, configured as authsvc's, whose one handler is empty.

Run as `python -m benchmarks.bare_server`; it takes a free port of the loopback, tells it in a line
of JSON, and serves until SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Final

import grpc
import uvloop

from authsvc.rpc.server import CHANNEL_OPTIONS

SERVICE: Final = "bench.Bench"
METHOD: Final = "Empty"

_ANSWER: Final = b""


async def _empty(_request: bytes, _context: object) -> bytes:
    return _ANSWER


async def _main() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = grpc.aio.server(options=CHANNEL_OPTIONS)
    server.add_registered_method_handlers(
        SERVICE, {METHOD: grpc.unary_unary_rpc_method_handler(_empty)}
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"event": "serving", "address": f"127.0.0.1:{port}"}), flush=True)
    await stop.wait()
    await server.stop(grace=None)


if __name__ == "__main__":
    uvloop.run(_main())
