"""Rate limits that several processes share, and what becomes of them without the store.

The service does not depend on the store: while it gives no answer, each process counts by itself.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from authsvc.domain.rate_limits import RateLimit
from authsvc.domain.takings import Taken, Wanted
from authsvc.rate_limits.in_process import InProcessLimits
from authsvc.rate_limits.state import RateLimitState
from authsvc.rate_limits.store import CONNECTIONS, SharedWindows

BATCH_PATIENCE: Final = 10
"""How many times as long as a single call a batch may wait that asks about many keys."""
USED_UP_SECONDS: Final = 1.0
"""For how long the store is not asked again about a key that it gave nothing. Else a key over its
limit could keep all connections busy, until others wait too long and each process counts alone."""
MAX_USED_UP: Final = 10_000
"""The most such keys."""
PROBE_INTERVAL_SECONDS: Final = 1.0
"""How often a store that is away is tried."""

# Nobody waits for it, and a new connection with TLS takes its time.
_PROBE_PATIENCE_SECONDS: Final = 1.0
_PROBE: Final = Wanted("probe", RateLimit(1_000_000, timedelta(seconds=1)))

log = structlog.get_logger()


class SharedLimits:
    """Takes from counts in the store; from those of this process while it is away."""

    def __init__(
        self, *, store: SharedWindows, in_process: InProcessLimits, patience: timedelta
    ) -> None:
        """Take who counts.

        Args:
            store: Counts for all processes.
            in_process: Counts without the store; its state is the state here.
            patience: How long a call waits for the store.
        """
        self._store = store
        self._in_process = in_process
        self._patience = patience.total_seconds()
        self._probing: asyncio.Task[None] | None = None
        self._asking = asyncio.Semaphore(CONNECTIONS)
        # The limit, until when this is good, and when a request will pass.
        self._used_up: OrderedDict[str, tuple[RateLimit, float, float]] = OrderedDict()

    @property
    def state(self) -> RateLimitState:
        """How the limits are being kept."""
        return self._in_process.state

    def take_now(self, key_id: str, limit: RateLimit) -> Taken | None:
        """Take one request while the store is away; None while it has to be asked."""
        if self.state.fallback:
            return self._in_process.take_now(key_id, limit)
        return self._refuse_now(key_id, limit)

    async def take(self, wanted: Sequence[Wanted]) -> list[Taken]:
        """Take requests, waiting for the store for a short time at most."""
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + BATCH_PATIENCE * self._patience
        taken: list[Taken] = []
        for start in range(0, len(wanted), CONNECTIONS):
            group = wanted[start : start + CONNECTIONS]
            if clock() < give_up_at:
                taken += await asyncio.gather(*(self._take(one) for one in group))
            else:
                taken += await self._in_process.take(group)
        return taken

    def look_now(self, key_id: str, limit: RateLimit) -> Taken | None:
        """Tell what `take_now` would return."""
        return self._in_process.look_now(key_id, limit) if self.state.fallback else None

    async def look(self, key_id: str, limit: RateLimit) -> Taken:
        """Tell what `take` would return for one request."""
        if not self.state.fallback:
            try:
                async with asyncio.timeout(self._patience):
                    return await self._store.look(key_id, limit)
            except Exception as error:  # noqa: BLE001 - as in `_take`
                self._lose(error)
        return self._in_process.look_now(key_id, limit)

    async def close(self) -> None:
        """End the connections to the store."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])
        await self._store.close()

    async def _take(self, wanted: Wanted) -> Taken:
        if not self.state.fallback:
            try:
                async with asyncio.timeout(self._patience), self._asking:
                    # What was learnt while this call waited for its turn.
                    refused = self._refuse_now(wanted.key_id, wanted.limit)
                    taken = refused or await self._store.take(wanted)
            except Exception as error:  # noqa: BLE001 - no fault of the store is one of the call
                self._lose(error)
            else:
                if refused is not None:
                    return refused
                self.state.decided_by_store += wanted.requests
                # Should the store go away, this process need not begin anew.
                self._in_process.add(wanted.key_id, wanted.limit, taken.requests)
                self._note(wanted, taken)
                return taken
        return self._in_process.take_some(wanted)

    def _note(self, wanted: Wanted, taken: Taken) -> None:
        if taken.retry_after is None:
            return
        now, wait = asyncio.get_running_loop().time(), taken.retry_after.total_seconds()
        known_until = now + min(wait, USED_UP_SECONDS)
        self._used_up[wanted.key_id] = wanted.limit, known_until, now + wait
        self._used_up.move_to_end(wanted.key_id)
        if len(self._used_up) > MAX_USED_UP:
            self._used_up.popitem(last=False)

    def _refuse_now(self, key_id: str, limit: RateLimit) -> Taken | None:
        known = self._used_up.get(key_id)
        if known is None:
            return None
        of_limit, known_until, passes_at = known
        now = asyncio.get_running_loop().time()
        if of_limit != limit or now >= known_until:
            del self._used_up[key_id]
            return None
        self.state.decided_by_store += 1
        return Taken(0, timedelta(seconds=passes_at - now))

    def _lose(self, error: Exception) -> None:
        """Count without the store from now on, and find out when it is back."""
        self.state.store_errors += 1
        if self.state.fallback:
            return
        self.state.fallback = True
        cause = f"{type(error).__name__}: {error}".removesuffix(": ")
        log.warning("rate limit store away: each process counts by itself", cause=cause)
        self._probing = asyncio.create_task(self._probe_until_back())

    async def _probe_until_back(self) -> None:
        while self.state.fallback:
            await asyncio.sleep(PROBE_INTERVAL_SECONDS)
            try:
                async with asyncio.timeout(_PROBE_PATIENCE_SECONDS):
                    # Taken and not only looked at: a store that cannot be written is of no use.
                    await self._store.take(_PROBE)
            except Exception:  # noqa: BLE001 - whatever it is, it is not back
                self.state.store_errors += 1
            else:
                self.state.fallback = False
        log.info("rate limit store back")
