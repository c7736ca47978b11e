"""Limits on refreshes: of guesses, before anything is spent on them, and of one session."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import CallerRateLimited, RefreshTokenInvalid, TooManyLookups
from authsvc.usecases.failure_limit import FailureLimit


class KnownTokens(Protocol):
    """Where it is looked up whether a refresh token is known."""

    async def is_known(self, digest: bytes, deadline: Deadline) -> bool:
        """Tell whether there is a refresh token with this digest, used or not.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...


class LimitRefreshes:
    """Lets refreshes pass, or makes them wait."""

    def __init__(
        self,
        *,
        tokens: KnownTokens,
        failures: FailureLimit,
        lookups: int,
        refreshes_per_minute: int,
        monotonic: Callable[[], float],
    ) -> None:
        """Take the limits.

        Args:
            tokens: Where tokens are looked up.
            failures: The limit on guesses of each address; unknown tokens count towards it.
            lookups: How many look-ups may be under way.
            refreshes_per_minute: How often one session may be refreshed by this process; each time
                leaves a row behind, for as long as the session is kept.
            monotonic: Seconds from a clock that never goes back.
        """
        self._tokens = tokens
        self._failures = failures
        self._lookups = lookups
        self._under_way = 0
        self._refreshes = FailureLimit(
            failures_per_minute=refreshes_per_minute, monotonic=monotonic, group=str
        )

    async def require_known(self, digest: bytes, address: str, deadline: Deadline) -> None:
        """Let pass only a token that is known: an unknown one costs one look-up and no more.

        Args:
            digest: The digest of the token.
            address: From where it is presented; empty when that is not known.
            deadline: How long the look-up may take.

        Raises:
            RefreshTokenInvalid: It is not known.
            CallerRateLimited: Too many guesses came from the address: it is not looked up.
            TooManyLookups: Too many are being looked up already.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        _raise_if(self._failures.wait_for(address))
        if self._under_way >= self._lookups:
            raise TooManyLookups
        self._under_way += 1
        try:
            is_known = await self._tokens.is_known(digest, deadline)
        finally:
            self._under_way -= 1
        if not is_known:
            self._failures.count(address)
            raise RefreshTokenInvalid

    def take(self, session_id: str) -> None:
        """Count a refresh of a session. A repeat that gets the same answer is none.

        Raises:
            CallerRateLimited: It was refreshed too often.
        """
        _raise_if(self._refreshes.wait_for(session_id))
        self._refreshes.count(session_id)


def _raise_if(wait: timedelta | None) -> None:
    if wait is not None:
        raise CallerRateLimited(wait)
