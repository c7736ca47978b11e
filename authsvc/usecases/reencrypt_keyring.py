"""Another encryption key: every signing key sealed again under the one of today.

For whoever holds the database and the encryption keys; no caller is asked for rights here. Safe
to repeat: what is sealed under the key of today is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from authsvc.domain.clock import Deadline
from authsvc.domain.origin import Origin
from authsvc.domain.signing_keys import SealedSigningKey


class SigningKeys(Protocol):
    """Where signing keys are kept."""

    async def list_signing_keys(self, deadline: Deadline) -> list[SealedSigningKey]:
        """Return all signing keys."""
        ...

    async def reseal_signing_key(
        self, key: SealedSigningKey, sealed_private_key: bytes, origin: Origin, deadline: Deadline
    ) -> bool:
        """Put another seal on a key; False when the key has changed or is gone."""
        ...


class Seals(Protocol):
    """The seals of signing keys."""

    def is_current(self, key: SealedSigningKey) -> bool:
        """Tell whether a key is sealed under the encryption key of today."""
        ...

    def reseal(self, key: SealedSigningKey) -> bytes:
        """Return a key's private part sealed under the encryption key of today."""
        ...


@dataclass(frozen=True, slots=True)
class Reencryption:
    """What was done, by key ids."""

    resealed: tuple[str, ...]
    current: tuple[str, ...]
    """They were sealed under the encryption key of today already."""


class ReencryptKeyring:
    """Seals all signing keys under the encryption key of today."""

    def __init__(self, *, keys: SigningKeys, seals: Seals) -> None:
        """Take the keyring and its seals."""
        self._keys = keys
        self._seals = seals

    async def __call__(self, origin: Origin, deadline: Deadline) -> Reencryption:
        """Seal what is sealed otherwise.

        Args:
            origin: What the audit log is told.
            deadline: How long it may take.

        Raises:
            SealBroken: A key was sealed under an encryption key that is not configured; those
                before it are done.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        resealed, current = [], []
        for key in await self._keys.list_signing_keys(deadline):
            if self._seals.is_current(key):
                current.append(key.kid)
            # Not done when somebody else was faster, or deleted it.
            elif await self._keys.reseal_signing_key(
                key, self._seals.reseal(key), origin, deadline
            ):
                resealed.append(key.kid)
        return Reencryption(tuple(resealed), tuple(current))
