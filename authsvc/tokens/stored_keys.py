"""Signing keys as they are stored: made, opened, and sealed again.

The seal of a private part vouches for the public part too, so a key that was put into the database
without the encryption key is worth nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from authsvc.domain import ids
from authsvc.domain.signing_keys import SealedSigningKey, SigningAlgorithm
from authsvc.tokens.key_material import (
    PrivateKey,
    PublicKey,
    generate,
    load_private_key,
    load_public_key,
)
from authsvc.tokens.sealing import SealBroken, Sealer


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key that verifies tokens, pinned to the one algorithm it may be used with."""

    algorithm: SigningAlgorithm
    key: PublicKey


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs tokens."""

    kid: str
    algorithm: SigningAlgorithm
    key: PrivateKey


class Seal(StrEnum):
    """Under which encryption key a key is sealed."""

    CURRENT = "current"
    PREVIOUS = "previous"
    BROKEN = "neither"
    """It was altered, or sealed under a key that is not configured."""


class StoredKeys:
    """Makes and opens stored signing keys."""

    def __init__(
        self,
        *,
        sealer: Sealer,
        previous: Sealer | None = None,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """Take the seals.

        Args:
            sealer: Seals what is new, by the encryption key.
            previous: Opens what was sealed under the encryption key before that; None: nothing.
            random_bytes: A cryptographic source of randomness.
        """
        self._sealer = sealer
        self._previous = previous
        self._random_bytes = random_bytes

    async def make(
        self, algorithm: SigningAlgorithm, create_time: datetime, activate_time: datetime
    ) -> SealedSigningKey:
        """Make a new key."""
        kid = ids.new_id(ids.SIGNING_KEY)
        # In a thread: an RSA key takes long enough for calls to notice.
        private, public = await asyncio.to_thread(generate, algorithm, self._random_bytes)
        sealed = self._sealer.seal(private, _label(kid, algorithm, public))
        return SealedSigningKey(kid, algorithm, public, sealed, create_time, activate_time)

    def check_seal(self, key: SealedSigningKey) -> None:
        """Open a key and forget what is in it.

        Raises:
            SealBroken: It was altered, or sealed under a key that is not configured.
        """
        self._open(key)

    def seal_of(self, key: SealedSigningKey) -> Seal:
        """Tell under which encryption key a key is sealed."""
        if self.is_current(key):
            return Seal.CURRENT
        try:
            self._open(key)
        except SealBroken:
            return Seal.BROKEN
        return Seal.PREVIOUS

    def is_current(self, key: SealedSigningKey) -> bool:
        """Tell whether a key is sealed under the encryption key of today."""
        try:
            self._sealer.open(key.sealed_private_key, _label_of(key))
        except SealBroken:
            return False
        return True

    def reseal(self, key: SealedSigningKey) -> bytes:
        """Return a key's private part sealed under the encryption key of today.

        Raises:
            SealBroken: It was altered, or sealed under a key that is not configured.
        """
        return self._sealer.seal(self._open(key), _label_of(key))

    def open_signing_key(self, key: SealedSigningKey) -> SigningKey:
        """Return a key to sign with.

        Raises:
            SealBroken: It was altered, or sealed under a key that is not configured.
            TypeError: It is no key of its algorithm.
            ValueError: It is no key.
        """
        private_key = load_private_key(key.algorithm, self._open(key))
        return SigningKey(key.kid, key.algorithm, private_key)

    def open_verification_key(self, key: SealedSigningKey) -> VerificationKey:
        """Return a key to verify with. Raises as `open_signing_key`."""
        secret = self._open(key)
        public = (
            secret if key.public_key is None else load_public_key(key.algorithm, key.public_key)
        )
        return VerificationKey(key.algorithm, public)

    def _open(self, key: SealedSigningKey) -> bytes:
        label = _label_of(key)
        try:
            return self._sealer.open(key.sealed_private_key, label)
        except SealBroken:
            if self._previous is None:
                raise
            return self._previous.open(key.sealed_private_key, label)


def _label_of(key: SealedSigningKey) -> str:
    return _label(key.kid, key.algorithm, key.public_key)


def _label(kid: str, algorithm: SigningAlgorithm, public_key: bytes | None) -> str:
    """Return what a private key is sealed under: all that it must not be parted from."""
    fingerprint = hashlib.sha256(public_key or b"").hexdigest()
    return f"signing key {kid} ({algorithm}, public key {fingerprint})"
