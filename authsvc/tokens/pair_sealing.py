"""Protection of answers to refresh tokens: useless without the token that was presented.

As for the answers to request ids (docs/adr/0008): AES-256-GCM under a key that is derived from the
encryption key and from the token, which is not stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

from authsvc.domain.refresh_tokens import RefreshToken, TokenPair
from authsvc.tokens.sealing import SealBroken, Sealer, derive_key

_SEAL: Final = b"authsvc refresh_tokens seal 1"


class TokenPairSealer:
    """Seals and opens pairs of tokens."""

    def __init__(
        self,
        encryption_key: bytes,
        previous: bytes | None,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """Take the encryption keys and a cryptographic source of randomness.

        Args:
            encryption_key: Seals and opens.
            previous: Opens only; None: there is none.
            random_bytes: Returns so many random bytes.
        """
        self._key = encryption_key
        self._previous = previous
        self._random_bytes = random_bytes

    def seal(self, token: RefreshToken, pair: TokenPair, session_id: str) -> bytes:
        """Encrypt what a token was answered with."""
        text = json.dumps(
            (
                pair.access_token,
                pair.access_token_expire_time.isoformat(),
                pair.refresh_token.reveal(),
            )
        )
        return self._sealer(self._key, token).seal(text.encode(), session_id)

    def open(self, token: RefreshToken, sealed: bytes, session_id: str) -> TokenPair:
        """Decrypt what a token was answered with.

        Raises:
            SealBroken: It was altered, or sealed under another key, token or session.
        """
        access_token, expire_time, refresh_token = json.loads(
            self._opened(token, sealed, session_id)
        )
        return TokenPair(
            access_token, datetime.fromisoformat(expire_time), RefreshToken(refresh_token)
        )

    def _opened(self, token: RefreshToken, sealed: bytes, session_id: str) -> bytes:
        if self._previous is not None:
            with suppress(SealBroken):
                return self._sealer(self._previous, token).open(sealed, session_id)
        return self._sealer(self._key, token).open(sealed, session_id)

    def _sealer(self, key: bytes, token: RefreshToken) -> Sealer:
        return Sealer(derive_key(key + token.secret(), _SEAL), self._random_bytes)
