"""A signer with the key that signs now."""

from __future__ import annotations

from authsvc.domain.clock import Deadline
from authsvc.tokens.keyring import Keyring
from authsvc.tokens.signer import AccessTokenSigner


class CurrentSigner:
    """Makes signers. Ask for one for each token: the next may be of another key."""

    def __init__(self, *, keyring: Keyring, issuer: str, audience: str) -> None:
        """Take the keyring, and whom tokens come from and are meant for."""
        self._keyring = keyring
        self._issuer = issuer
        self._audience = audience

    async def get_signer(self, deadline: Deadline) -> AccessTokenSigner:
        """Return what signs with the key that signs now.

        Raises:
            SigningKeyMissing: There is none.
            DatabaseUnavailable: The keys could not be read before the deadline.
        """
        key = await self._keyring.get_signing_key(deadline)
        return AccessTokenSigner(key=key, issuer=self._issuer, audience=self._audience)
