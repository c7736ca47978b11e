"""Protection of kept answers: useless without the request id that asked for them (docs/adr/0008).

Keys are derived by HKDF-SHA256 (RFC 5869), secrets sealed with AES-256-GCM.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Callable
from typing import Final

from authsvc.tokens.sealing import KEY_BYTES, Sealer, derive_key

_DIGEST: Final = b"authsvc key_requests digest 1"
_FINGERPRINT: Final = b"authsvc key_requests fingerprint 1"
_SEAL: Final = b"authsvc key_requests seal 1"


class AnswerSealer:
    """Digests requests and seals the secrets of their answers."""

    def __init__(self, key: bytes, random_bytes: Callable[[int], bytes]) -> None:
        """Take the encryption key (32 bytes) and a cryptographic source of randomness.

        Raises:
            ValueError: The key has another length.
        """
        if len(key) != KEY_BYTES:
            raise ValueError(f"an encryption key has {KEY_BYTES} bytes")
        self._key = key
        self._random_bytes = random_bytes

    def digest(self, method: str, caller_id: str, request_id: str) -> bytes:
        """Return under what an answer is kept: 32 bytes, the same for every repeat.

        Args:
            method: The RPC's name.
            caller_id: Whose request it is.
            request_id: A UUID in text form.
        """
        text = "\0".join((method, caller_id, str(uuid.UUID(request_id))))
        return hmac.digest(derive_key(self._key, _DIGEST), text.encode(), hashlib.sha256)

    def fingerprint(self, request_id: str, arguments: bytes) -> bytes:
        """Return 32 bytes that differ for other arguments."""
        return hmac.digest(self._request_key(request_id, _FINGERPRINT), arguments, hashlib.sha256)

    def seal(self, request_id: str, secret: bytes, label: str) -> bytes:
        """Encrypt a secret under the encryption key and the request id together."""
        return self._sealer(request_id).seal(secret, label)

    def open(self, request_id: str, sealed: bytes, label: str) -> bytes:
        """Decrypt a secret.

        Raises:
            SealBroken: It was altered, or sealed under another key, request id or label.
        """
        return self._sealer(request_id).open(sealed, label)

    def _sealer(self, request_id: str) -> Sealer:
        return Sealer(self._request_key(request_id, _SEAL), self._random_bytes)

    def _request_key(self, request_id: str, purpose: bytes) -> bytes:
        return derive_key(self._key + uuid.UUID(request_id).bytes, purpose)
