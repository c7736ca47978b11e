"""Both clients, and both watches, behind the same awaitable methods."""
# A script may hold any message.
# ruff: noqa: ANN401

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from orchestrator.auth import AsyncAuthClient, AsyncWatch, AuthClient, Watch


class Reader:
    """Reads either watch by the same awaitable methods."""

    def __init__(self, watch: Watch | AsyncWatch) -> None:
        self.watch = watch

    async def next(self) -> Any:
        """Return the next event, or None at the end."""
        if isinstance(self.watch, AsyncWatch):
            return await anext(self.watch, None)
        return await asyncio.to_thread(next, self.watch, None)

    async def take(self, count: int) -> list[Any]:
        return [await self.next() for _ in range(count)]

    async def close(self) -> None:
        if isinstance(self.watch, AsyncWatch):
            await self.watch.close()
        else:
            await asyncio.to_thread(self.watch.close)


class Driver:
    """Drives either client by the same awaitable methods."""

    def __init__(self, client: AuthClient | AsyncAuthClient) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)
        is_async = isinstance(self.client, AsyncAuthClient)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if is_async:
                return await method(*args, **kwargs)
            return await asyncio.to_thread(method, *args, **kwargs)

        async def read_all(*args: Any, **kwargs: Any) -> list[Any]:
            if is_async:
                return [one async for one in method(*args, **kwargs)]
            return await asyncio.to_thread(lambda: list(method(*args, **kwargs)))

        return read_all if name.startswith("list_") else call

    def watch(self, after_revision: int = 0) -> Reader:
        return Reader(self.client.watch(after_revision))


class Connect(Protocol):
    """Makes a client of the kind under test."""

    def __call__(self, target: str | None = None, **settings: Any) -> Driver: ...
