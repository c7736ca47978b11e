"""The public keys of access tokens: when to ask for them, and when to trust them no longer.

Decides, without input or output.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Final

from orchestrator.auth._errors import MalformedResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.auth._public_keys import PublicKey
    from orchestrator.auth._signing_key_model import JsonWebKey, Jwks

FETCH_INTERVAL: Final = 10.0
"""Seconds that pass at least from one attempt to fetch the keys for a token to the next."""

# A key that was ended after a leak goes on verifying here until the keys are fetched again: five
# times as often as they have to be costs next to nothing.
_FETCHES_PER_MAX_AGE: Final = 5
_SHORTEST_PAUSE: Final = 1.0
_PAUSE_AFTER_FAILURE: Final = 5.0
# Its keys are secrets, so that they are in no set, and what they signed is the service's to judge.
_UNPUBLISHED: Final = "HS256"


class Missing(Enum):
    """Why there is no key to verify a token with."""

    UNKNOWN = "no key of the service has this id"
    FETCH = "the keys are to be fetched first"
    UNUSABLE = "the service is to be asked instead"


@dataclass(frozen=True, slots=True)
class _Kept:
    keys: Mapping[str, PublicKey | None]
    since: float
    pause: float


class KeySet:
    """The keys, by their ids. Safe to read while another thread replaces them."""

    def __init__(
        self,
        *,
        read_key: Callable[[JsonWebKey], PublicKey | None],
        longest_kept: timedelta,
        monotonic: Callable[[], float],
    ) -> None:
        """Begin without keys.

        Args:
            read_key: Reads one; None: it cannot be used.
            longest_kept: How long keys may be used when no newer ones can be had.
            monotonic: Seconds of a clock that never goes back.
        """
        self._read_key = read_key
        self._longest_kept = longest_kept.total_seconds()
        self._monotonic = monotonic
        self._kept: _Kept | None = None
        self._attempt = float("-inf")

    def find(self, kid: str, algorithm: str) -> PublicKey | Missing:
        """Return the key with an id, or why there is none.

        Args:
            kid: The id that a token names.
            algorithm: The algorithm that it names, which tells only what cannot be in the set.
        """
        now, kept = self._monotonic(), self._kept
        if kept is not None and now - kept.since <= self._longest_kept:
            if kid in kept.keys:
                return kept.keys[kid] or Missing.UNUSABLE
            if algorithm == _UNPUBLISHED:
                return Missing.UNUSABLE
            if now - kept.since < FETCH_INTERVAL:
                return Missing.UNKNOWN
        return Missing.FETCH if self.may_fetch else Missing.UNUSABLE

    @property
    def may_fetch(self) -> bool:
        """Whether the last attempt to fetch the keys is long enough ago for another one."""
        return self._monotonic() - self._attempt >= FETCH_INTERVAL

    def begin(self) -> float:
        """Note that the keys are being fetched, and return what `take` wants to know."""
        self._attempt = self._monotonic()
        return self._attempt

    def take(self, jwks: Jwks, began: float) -> None:
        """Keep these keys in the place of all others.

        Args:
            jwks: The set.
            began: What `begin` returned.

        Raises:
            MalformedResponse: Two of them have the same id.
        """
        before = {} if self._kept is None else self._kept.keys
        keys: dict[str, PublicKey | None] = {}
        for source in jwks.keys:
            if source.kid in keys:
                raise MalformedResponse("two keys have the same id")
            same = before.get(source.kid)
            # The same object, so that what it verified stays verified.
            keys[source.kid] = same if same and same.source == source else self._read_key(source)
        pause = max(jwks.max_age.total_seconds() / _FETCHES_PER_MAX_AGE, _SHORTEST_PAUSE)
        # As old as the question, and not as the answer.
        self._kept = _Kept(keys, began, pause)

    def pause(self) -> float:
        """Return the seconds until the keys are to be fetched again."""
        kept = self._kept
        if kept is None or kept.since < self._attempt:
            return _PAUSE_AFTER_FAILURE
        return max(kept.since + kept.pause - self._monotonic(), _SHORTEST_PAUSE)
