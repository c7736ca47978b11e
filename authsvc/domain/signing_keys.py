"""The keys that sign access tokens: how they are stored, and what each does at which time.

A key verifies from its creation. It signs from its activate time until the next key of its
algorithm does, and goes on verifying until the last token that it can have signed has expired.
Then it is retired. States follow from times and are kept nowhere, so no clock has to tick for
them to change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

LONGEST_TOKEN_LIFE: Final = timedelta(hours=1)
"""The longest that an access token is good. A constant and no setting: a setting that is lowered
would retire keys before the tokens that they signed until then."""
KEPT_AFTER_RETIREMENT: Final = timedelta(days=7)
"""How long a retired key is still listed, for those who ask which key a token of last week had."""


class SigningAlgorithm(StrEnum):
    """JWS algorithms (RFC 7518 section 3.1, RFC 8037). One key has one algorithm, for ever."""

    ES256 = "ES256"
    HS256 = "HS256"
    RS256 = "RS256"
    EDDSA = "EdDSA"


class SigningKeyState(StrEnum):
    """What a key does at a moment."""

    PUBLISHED = "PUBLISHED"
    """It verifies, and does not sign yet."""
    SIGNING = "SIGNING"
    """It signs, where its algorithm is the one to sign with, and verifies."""
    VERIFYING = "VERIFYING"
    """It verifies what it signed."""
    RETIRED = "RETIRED"
    """It does nothing any more."""


@dataclass(frozen=True, slots=True)
class SealedSigningKey:
    """A signing key whose private part is encrypted."""

    kid: str
    algorithm: SigningAlgorithm
    public_key: bytes | None
    """DER SubjectPublicKeyInfo; None for HS256, which has no public part."""
    sealed_private_key: bytes = field(repr=False)
    create_time: datetime
    activate_time: datetime
    """When it begins to sign."""


@dataclass(frozen=True, slots=True)
class SigningKeyLife:
    """A key, and the times that the keys after it give it."""

    key: SealedSigningKey
    successor_time: datetime | None
    """When the next key of its algorithm begins to sign; None without one."""
    retire_time: datetime | None
    """When it stops verifying; None without a next key."""

    def state(self, now: datetime) -> SigningKeyState:
        """Return what the key does at a moment."""
        if self.retire_time is not None and self.retire_time <= now:
            return SigningKeyState.RETIRED
        if self.successor_time is not None and self.successor_time <= now:
            return SigningKeyState.VERIFYING
        if self.key.activate_time <= now:
            return SigningKeyState.SIGNING
        return SigningKeyState.PUBLISHED

    def may_be_deleted(self, now: datetime) -> bool:
        """Tell whether the key has been retired for long enough."""
        return self.retire_time is not None and self.retire_time + KEPT_AFTER_RETIREMENT <= now


def lives_of(keys: Sequence[SealedSigningKey], leeway: timedelta) -> list[SigningKeyLife]:
    """Return the lives of all keys, in the order in which they begin to sign.

    Args:
        keys: All keys there are.
        leeway: How far the clocks of issuer and verifier may disagree.
    """
    lives: list[SigningKeyLife] = []
    successor_times: dict[SigningAlgorithm, datetime] = {}
    for key in sorted(keys, key=_order, reverse=True):
        successor_time = successor_times.get(key.algorithm)
        retire_time = successor_time and successor_time + LONGEST_TOKEN_LIFE + leeway
        lives.append(SigningKeyLife(key, successor_time, retire_time))
        successor_times[key.algorithm] = key.activate_time
    return lives[::-1]


def find_signer(
    keys: Sequence[SealedSigningKey], algorithm: SigningAlgorithm, now: datetime
) -> SealedSigningKey | None:
    """Return the key of an algorithm that signs at a moment; None when there is no key of it.

    Before the first of them is active, it is that one all the same: after a compromise there is
    no other, and the clock of the server that made it may be ahead of this one's.
    """
    candidates = sorted((key for key in keys if key.algorithm is algorithm), key=_order)
    active = [key for key in candidates if key.activate_time <= now]
    return active[-1] if active else next(iter(candidates), None)


def find_waiting(
    keys: Sequence[SealedSigningKey], algorithm: SigningAlgorithm, now: datetime
) -> SealedSigningKey | None:
    """Return the key of an algorithm that is published and does not sign yet, or None."""
    waiting = [key for key in keys if key.algorithm is algorithm and key.activate_time > now]
    return min(waiting, key=_order, default=None)


@dataclass(frozen=True, slots=True)
class RotationSchedule:
    """When the next key is made, and when it begins to sign."""

    lifetime: timedelta | None
    """How long a key signs; None: until somebody rotates it."""
    lead: timedelta
    """How long a key is published before it signs."""

    def next_activation(
        self, keys: Sequence[SealedSigningKey], algorithm: SigningAlgorithm, now: datetime
    ) -> datetime | None:
        """Return when a key that is to be made now begins to sign; None while none is due."""
        own = [key for key in keys if key.algorithm is algorithm]
        if self.lifetime is None or not own or find_waiting(own, algorithm, now) is not None:
            return None
        end = max(key.activate_time for key in own) + self.lifetime
        return None if now < end - self.lead else max(end, now + self.lead)


@dataclass(frozen=True, slots=True)
class KeyringChange:
    """What is to become of the keyring, decided by what is in it."""

    added: SealedSigningKey | None = None
    removed: tuple[SealedSigningKey, ...] = ()
    waiting: SealedSigningKey | None = None
    """For whose sake nothing changes; the audit log is told that it was asked for again."""


def _order(key: SealedSigningKey) -> tuple[datetime, datetime, str]:
    return key.activate_time, key.create_time, key.kid
