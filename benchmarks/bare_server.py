"""The yardsticks: a grpc.aio server on uvloop, configured as authsvc's, with two bare handlers.

`Empty` does nothing. `Fetch` takes the id of a key and returns its name by one primary-key look-up,
on an asyncpg pool like authsvc's: as many connections, and no reset between two uses.

Run as `python -m benchmarks.bare_server` with the URL of the database in `BENCH_DATABASE_URL`; it
takes a free port of the loopback, tells it in a line of JSON, and serves until SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import Final

import asyncpg
import grpc
import uvloop

from authsvc.rpc.channel_limits import ChannelLimits

SERVICE: Final = "bench.Bench"
EMPTY: Final = "Empty"
FETCH: Final = "Fetch"
DATABASE_VARIABLE: Final = "BENCH_DATABASE_URL"

_ANSWER: Final = b""
_POOL_SIZE: Final = 10
# asyncpg prepares it once on each connection.
_SELECT: Final = "SELECT name FROM authsvc.keys WHERE key_id = $1"


async def _empty(_request: bytes, _context: object) -> bytes:
    return _ANSWER


async def _keep_session(_connection: object) -> None:
    """Reset nothing, as authsvc."""


async def _main() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with asyncpg.create_pool(
        os.environ[DATABASE_VARIABLE], min_size=1, max_size=_POOL_SIZE, reset=_keep_session
    ) as pool:

        async def fetch(request: bytes, _context: object) -> bytes:
            row = await pool.fetchrow(_SELECT, request.decode())
            return b"" if row is None else row["name"].encode()

        server = grpc.aio.server(options=ChannelLimits().as_options())
        server.add_registered_method_handlers(
            SERVICE,
            {
                EMPTY: grpc.unary_unary_rpc_method_handler(_empty),
                FETCH: grpc.unary_unary_rpc_method_handler(fetch),
            },
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        print(json.dumps({"event": "serving", "address": f"127.0.0.1:{port}"}), flush=True)
        await stop.wait()
        await server.stop(grace=None)


if __name__ == "__main__":
    uvloop.run(_main())
