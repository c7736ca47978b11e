"""A real Redis for tests of shared rate limits, to be killed and started again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

REDIS_SERVER = shutil.which("redis-server")
needs_redis = pytest.mark.skipif(
    REDIS_SERVER is None, reason="redis-server is not installed: apt-get install redis-server"
)


class RedisServer:
    """A Redis on a socket in a directory of its own; it keeps nothing when it ends."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.socket = directory / "redis.sock"
        self._options = options
        self._process: asyncio.subprocess.Process | None = None

    def url(self, credentials: str = "") -> str:
        """Return its address; `credentials` is empty or `user:password@`."""
        return f"redis+unix://{credentials}{self.socket}"

    async def start(self) -> None:
        assert REDIS_SERVER is not None
        place = ("--port", "0", "--unixsocket", str(self.socket))
        kept = ("--save", "", "--appendonly", "no", "--dir", str(self.socket.parent))
        self._process = await asyncio.create_subprocess_exec(
            REDIS_SERVER, *place, *kept, *self._options, stdout=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(15):
            while not await self._answers():  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        """End it as a crash would."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            await self._process.wait()
            self._process = None
        self.socket.unlink(missing_ok=True)

    def hang(self) -> None:
        """Let it take connections and questions, and answer none."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            os.kill(self._process.pid, number)

    async def _answers(self) -> bool:
        with suppress(OSError):
            reader, writer = await asyncio.open_unix_connection(self.socket)
            writer.write(b"PING\r\n")
            answer = await reader.readline()
            writer.close()
            await writer.wait_closed()
            return bool(answer)
        return False


@asynccontextmanager
async def redis_server(directory: Path, *options: str) -> AsyncIterator[RedisServer]:
    """Run a Redis until the block ends."""
    server = RedisServer(directory, *options)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
