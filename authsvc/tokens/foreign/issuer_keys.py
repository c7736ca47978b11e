"""The keys of one issuer in memory: refreshed in the background, good for a while without it.

A token with an unknown `kid` makes them be fetched at once, but not more than once in ten
seconds: such tokens cost nothing to forge. All that wait share one fetch. Where nobody can know
whether a key exists, nobody is denied for the lack of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import IssuerUnavailable
from authsvc.domain.foreign_issuers import ForeignAlgorithm
from authsvc.domain.tallies import Tally
from authsvc.tokens.foreign.failures import KeysNotFetched
from authsvc.tokens.foreign.key_sets import IssuerKey, fitting, read_key_set
from authsvc.tokens.foreign.sources import KeySetSource

FETCH_LIMIT: Final = timedelta(seconds=3)
"""How long a fetch may take in all, discovery included."""

_MIN_AGE: Final = timedelta(minutes=1)
_MAX_AGE: Final = timedelta(hours=1)
_USUAL_AGE: Final = timedelta(minutes=5)
_ASK_AGAIN_AFTER: Final = timedelta(seconds=10)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Snapshot:
    keys: tuple[IssuerKey, ...]
    fetched_at: float
    number: int
    """Which fetch it came of, counted from 1."""


class IssuerKeys:
    """The keys of one issuer."""

    def __init__(
        self,
        *,
        alias: str,
        source: KeySetSource,
        algorithms: Sequence[ForeignAlgorithm],
        outage_max_age: timedelta,
        monotonic: Callable[[], float],
        fetch_limit: timedelta = FETCH_LIMIT,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Fetch nothing yet.

        Args:
            alias: What the issuer is called in the log.
            source: Where its key set comes from.
            algorithms: Those that its tokens may be signed with, the preferred ones first.
            outage_max_age: How old the keys may be while they cannot be fetched.
            monotonic: Seconds from a clock that never goes back.
            fetch_limit: How long a fetch may take.
            sleep: Waits for so many seconds.
        """
        self._alias = alias
        self._source = source
        self._algorithms = algorithms
        self._outage_max_age = outage_max_age.total_seconds()
        self._monotonic = monotonic
        self._fetch_limit = fetch_limit.total_seconds()
        self._sleep = sleep
        self._snapshot: _Snapshot | None = None
        self._fetches = 0
        self.fetched = Tally()
        """Fetches that brought keys."""
        self.failed = Tally()
        """Fetches that did not."""
        self._asked_at: float | None = None
        self._next_at = 0.0
        self._flight: asyncio.Task[None] | None = None

    def holds(self, key: IssuerKey) -> bool:
        """Tell whether a key is among those that may be used now."""
        snapshot = self._usable()
        return snapshot is not None and key in snapshot.keys

    def age(self) -> float | None:
        """Return how many seconds ago the keys were fetched; None if they never were."""
        snapshot = self._snapshot
        return None if snapshot is None else self._monotonic() - snapshot.fetched_at

    async def find(
        self, kid: str | None, algorithm: ForeignAlgorithm, deadline: Deadline
    ) -> tuple[IssuerKey, ...]:
        """Return the keys that a token's header means: one if all is well.

        Args:
            kid: The key's name; None: the token has none.
            algorithm: The algorithm that the token claims to be signed with.
            deadline: How long it may take. A fetch goes on without the call that began it.

        Raises:
            IssuerUnavailable: The keys had to be fetched and could not be.
        """
        snapshot = self._usable()
        if snapshot is not None:
            found = fitting(snapshot.keys, kid, algorithm)
            if found or any(key.kid == kid for key in snapshot.keys):
                return found
        await self._ask_again(deadline)
        snapshot = self._usable()
        if snapshot is None or snapshot.number != self._fetches:
            raise IssuerUnavailable(self._alias)
        return fitting(snapshot.keys, kid, algorithm)

    async def keep_fresh(self) -> None:
        """Fetch the keys again and again before they are too old, until cancelled."""
        try:
            while True:
                # A call may have had them fetched in the meantime.
                if self._monotonic() >= self._next_at:
                    await asyncio.wait([self._begin()])
                await self._sleep(max(0, self._next_at - self._monotonic()))
        finally:
            if self._flight is not None:
                self._flight.cancel()

    async def _ask_again(self, deadline: Deadline) -> None:
        """Fetch the keys for a call, if they may be asked for again."""
        now = self._monotonic()
        limit = _ASK_AGAIN_AFTER.total_seconds()
        if self._flight is None:
            if self._asked_at is not None and now - self._asked_at < limit:
                return
            self._asked_at = now
        await asyncio.wait([self._begin()], timeout=max(0, deadline.remaining()))

    def _begin(self) -> asyncio.Task[None]:
        """Return the fetch that is under way, or begin one."""
        if self._flight is None:
            self._flight = asyncio.create_task(self._fetch())
            self._flight.add_done_callback(self._land)
        return self._flight

    def _land(self, _flight: asyncio.Task[None]) -> None:
        self._flight = None

    async def _fetch(self) -> None:
        self._fetches = number = self._fetches + 1
        fetched_at = self._monotonic()
        self._next_at = fetched_at + _ASK_AGAIN_AFTER.total_seconds()
        try:
            async with asyncio.timeout(self._fetch_limit):
                document = await self._source.fetch()
            keys = read_key_set(document.body, self._algorithms)
        except (KeysNotFetched, TimeoutError) as error:
            self.failed.add()
            problem = str(error) or "it took too long"
            cause = repr(error.__cause__) if error.__cause__ else None
            log.warning(
                "issuer's keys not fetched", issuer=self._alias, problem=problem, cause=cause
            )
            return
        except Exception:
            # What an issuer sends must not end the refreshing.
            self.failed.add()
            log.exception("issuer's keys not fetched", issuer=self._alias)
            return
        age = _USUAL_AGE if document.max_age is None else document.max_age
        self._next_at = fetched_at + min(max(age, _MIN_AGE), _MAX_AGE).total_seconds()
        self._snapshot = _Snapshot(keys, fetched_at, number)
        self.fetched.add()
        log.debug("issuer's keys fetched", issuer=self._alias, keys=len(keys))

    def _usable(self) -> _Snapshot | None:
        """Return the keys while they may be used."""
        snapshot = self._snapshot
        if snapshot is None or self._monotonic() - snapshot.fetched_at > self._outage_max_age:
            return None
        return snapshot
