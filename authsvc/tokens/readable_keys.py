"""Which of the stored signing keys verify tokens, opened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from authsvc.domain.signing_keys import SealedSigningKey, SigningKeyState, lives_of
from authsvc.tokens.sealing import SealBroken
from authsvc.tokens.stored_keys import StoredKeys, VerificationKey

log = structlog.get_logger()


class ReadableKeys:
    """Opens keys to verify with, each once while it stays the same."""

    def __init__(self, stored_keys: StoredKeys, leeway: timedelta) -> None:
        """Take what opens keys, and how far the clocks of issuer and verifier may disagree."""
        self._stored_keys = stored_keys
        self._leeway = leeway
        self._opened: dict[str, tuple[SealedSigningKey, VerificationKey]] = {}

    def read(self, stored: Sequence[SealedSigningKey], now: datetime) -> dict[str, VerificationKey]:
        """Return the keys to verify with by their names. One that cannot be read verifies nothing.

        A key is the same object as the last time while the stored key is the same.
        """
        readable: dict[str, VerificationKey] = {}
        for life in lives_of(stored, self._leeway):
            if life.state(now) is SigningKeyState.RETIRED:
                continue
            try:
                readable[life.key.kid] = self._open(life.key)
            except (SealBroken, TypeError, ValueError) as error:
                log.error("signing key unreadable", kid=life.key.kid, cause=repr(error))  # noqa: TRY400
        self._opened = {kid: self._opened[kid] for kid in readable}
        return readable

    def _open(self, key: SealedSigningKey) -> VerificationKey:
        present = self._opened.get(key.kid)
        if present is not None and present[0] == key:
            return present[1]
        opened = self._stored_keys.open_verification_key(key)
        self._opened[key.kid] = (key, opened)
        return opened
