"""Limits on refreshes: of guesses, before much is spent on them, and of one session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import CallerRateLimited, RefreshTokenInvalid, TooManyLookups
from authsvc.domain.tallies import Tally
from authsvc.usecases.failure_limit import FailureLimit


class KnownTokens(Protocol):
    """Where it is looked up whether a refresh token is known."""

    async def is_known(self, digest: bytes, deadline: Deadline) -> bool:
        """Tell whether there is a refresh token with this digest, used or not.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...


@dataclass(frozen=True, slots=True)
class RefreshBounds:
    """How much of refreshing there may be."""

    lookups: int
    """How many tokens may be looked up at once."""
    guessed_lookups: int
    """How many may be, when one more comes from an address that has guessed too often."""
    failures_per_minute: int
    """How many unknown tokens an address may present until then; at least 1."""
    refreshes_per_minute: int
    """How often one session may be refreshed by this process; each time leaves a row behind, for as
    long as the session is kept."""


class LimitRefreshes:
    """Lets refreshes pass, or makes them wait.

    Guesses are counted apart from those at other credentials, and by themselves refuse nobody:
    behind a proxy, strangers and people share an address. A token from an address of guesses is
    looked up all the same while few others are.
    """

    def __init__(
        self,
        *,
        tokens: KnownTokens,
        bounds: RefreshBounds,
        refused_guesses: Tally,
        monotonic: Callable[[], float],
    ) -> None:
        """Take the limits.

        Args:
            tokens: Where tokens are looked up.
            bounds: The limits.
            refused_guesses: Counts what is not looked up for the guesses that came from there.
            monotonic: Seconds from a clock that never goes back.
        """
        self._tokens = tokens
        self._bounds = bounds
        self._refused_guesses = refused_guesses
        self._under_way = 0
        self._failures = FailureLimit(
            failures_per_minute=bounds.failures_per_minute, monotonic=monotonic
        )
        self._refreshes = FailureLimit(
            failures_per_minute=bounds.refreshes_per_minute, monotonic=monotonic, group=str
        )

    async def require_known(self, digest: bytes, address: str, deadline: Deadline) -> None:
        """Let pass only a token that is known: an unknown one costs one look-up and no more.

        Args:
            digest: The digest of the token.
            address: From where it is presented; empty when that is not known.
            deadline: How long the look-up may take.

        Raises:
            RefreshTokenInvalid: It is not known.
            TooManyLookups: Too many are being looked up already, for an address like this one.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        self._make_room(address)
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
        wait = self._refreshes.wait_for(session_id)
        if wait is not None:
            raise CallerRateLimited(wait)
        self._refreshes.count(session_id)

    def _make_room(self, address: str) -> None:
        if self._under_way >= self._bounds.lookups:
            raise TooManyLookups
        if self._under_way < self._bounds.guessed_lookups:
            return
        if self._failures.wait_for(address) is not None:
            self._refused_guesses.add()
            raise TooManyLookups
