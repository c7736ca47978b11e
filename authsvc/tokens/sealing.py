"""Encryption of private keys at rest: AES-256-GCM (NIST SP 800-38D) under a configured key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from authsvc.domain.errors import AuthsvcError

KEY_BYTES: Final = 32

_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12


def derive_key(material: bytes, purpose: bytes) -> bytes:
    """Return a key for one purpose (HKDF-SHA256, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(material)


class SealBroken(AuthsvcError):
    """A sealed value cannot be opened: it was altered, or sealed under another key."""

    def __init__(self, label: str) -> None:
        """Carry which value it is."""
        super().__init__(
            f"{label} cannot be opened with this AUTHSVC_ENCRYPTION_KEY: it was sealed under "
            "another key, or altered; configure the key that it was sealed under, as "
            "AUTHSVC_ENCRYPTION_KEY or as AUTHSVC_ENCRYPTION_KEY_PREVIOUS"
        )


class Sealer:
    """Seals and opens small secrets."""

    def __init__(self, key: bytes, random_bytes: Callable[[int], bytes]) -> None:
        """Take the encryption key (32 bytes) and a cryptographic source of randomness.

        Raises:
            ValueError: The key has another length.
        """
        if len(key) != KEY_BYTES:
            raise ValueError(f"an encryption key has {KEY_BYTES} bytes")
        self._cipher = AESGCM(key)
        self._random_bytes = random_bytes

    def seal(self, secret: bytes, label: str) -> bytes:
        """Encrypt a secret.

        Args:
            secret: What to protect.
            label: What it belongs to; it can be opened under the same label only.
        """
        nonce = self._random_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, secret, label.encode())

    def open(self, sealed: bytes, label: str) -> bytes:
        """Decrypt a secret.

        Raises:
            SealBroken: It was altered, or sealed under another key or label.
        """
        version, nonce, text = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if version != _VERSION or len(nonce) != _NONCE_BYTES:
            raise SealBroken(label)
        try:
            return self._cipher.decrypt(nonce, text, label.encode())
        except InvalidTag:
            raise SealBroken(label) from None
