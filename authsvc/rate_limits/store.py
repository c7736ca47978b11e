"""Counts that several processes share, in Valkey or Redis."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import BlockingConnectionPool

from authsvc.domain.rate_limits import RateLimit
from authsvc.domain.takings import ONE_TAKEN, Taken, Wanted
from authsvc.rate_limits.sliding_window import is_of_longer_period, item_of, room, wait

CONNECTIONS: Final = 8
"""The most connections to the store, and so the most questions under way. More would not be
quicker, for the time goes into this process and not into the store."""

_PREFIX: Final = "authsvc"
# Valkey speaks the same protocol, and its addresses differ by their scheme only.
_SCHEMES: Final = {
    "valkey": "redis",
    "valkeys": "rediss",
    "redis+unix": "unix",
    "valkey+unix": "unix",
}


class SharedWindows:
    """Takes from counts in the store. Whatever goes wrong there is raised as it comes."""

    def __init__(self, url: str) -> None:
        """Take the store's address; a connection is made when one is needed."""
        scheme = urlsplit(url).scheme
        # The pool waits as long as its caller does, and leaves it to that to try again.
        self._pool = BlockingConnectionPool.from_url(
            _SCHEMES.get(scheme, scheme) + url.removeprefix(scheme),
            max_connections=CONNECTIONS,
            timeout=None,
        )
        self._storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=_PREFIX,
            connection_pool=self._pool,  # type: ignore[arg-type] # documented, but not in the type
        )
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)

    async def take(self, wanted: Wanted) -> Taken:
        """Take as many of some requests as pass."""
        key_id, limit, requests = wanted
        item = item_of(limit)
        if await self._limiter.hit(item, key_id, cost=requests):
            return Taken(requests)
        # Not all of them pass. Others may take what is left before this call does: it asks again.
        window = await self._window(key_id, limit)
        if is_of_longer_period(item, window):
            # Kept for as long as that, such as a day, it would count against a shorter one.
            await self._storage.clear_sliding_window(item.key_for(key_id), item.get_expiry())
            window = await self._window(key_id, limit)
        while fitting := min(requests, room(item, window)):
            taken = await self._limiter.hit(item, key_id, cost=fitting)
            window = await self._window(key_id, limit)
            if taken:
                return Taken(fitting, wait(item, window) if fitting < requests else None)
        return Taken(0, wait(item, window))

    async def look(self, key_id: str, limit: RateLimit) -> Taken:
        """Tell what one request would get."""
        item, window = item_of(limit), await self._window(key_id, limit)
        if room(item, window) or is_of_longer_period(item, window):
            return ONE_TAKEN
        return Taken(0, wait(item, window))

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.disconnect()

    async def _window(self, key_id: str, limit: RateLimit) -> tuple[int, float, int, float]:
        item = item_of(limit)
        return await self._storage.get_sliding_window(item.key_for(key_id), item.get_expiry())
