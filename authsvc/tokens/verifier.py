"""The verification of access tokens: header, key, signature, claims, in this order.

The algorithm is taken from the key and never from the token (RFC 8725 section 3.1). Whatever is
wrong with a token is TOKEN_INVALID, and never an exception.
"""

from __future__ import annotations

import jwt

from authsvc.domain.access_tokens import TokenRules, TokenVerification
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.denials import DenialReason
from authsvc.domain.freshness import Freshness, FreshnessSource
from authsvc.tokens.compact import Malformed, decode_segment, read_header, read_json
from authsvc.tokens.keyring import Keyring, VerificationKey


class AccessTokenVerifier:
    """Verifies access tokens that this service issued."""

    def __init__(self, *, keyring: Keyring, rules: TokenRules, clock: Clock) -> None:
        """Take the keyring, what a token must say, and the source of time."""
        self._keyring = keyring
        self._rules = rules
        self._clock = clock
        self._jws = jwt.PyJWS()

    async def verify(self, token: str, *, fresh: bool, deadline: Deadline) -> TokenVerification:
        """Verify a token.

        Args:
            token: Three base64url segments joined by dots, the last possibly empty.
            fresh: Read the signing keys anew.
            deadline: How long it may take.

        Returns:
            The claims, or TOKEN_EXPIRED when nothing but the expiry is wrong, or TOKEN_INVALID.

        Raises:
            DatabaseUnavailable: The signing keys had to be read and could not be.
        """
        freshness = Freshness(FreshnessSource.DATABASE, self._clock())
        try:
            header = read_header(token)
            key, freshness = await self._keyring.find_verification_key(
                header.kid, fresh=fresh, deadline=deadline
            )
            if key is None or header.algorithm != key.algorithm.value:
                return TokenVerification(DenialReason.TOKEN_INVALID, freshness)
            claims = self._read_claims(token, key)
        except Malformed:
            return TokenVerification(DenialReason.TOKEN_INVALID, freshness)
        return TokenVerification(self._rules.read(claims, self._clock()), freshness)

    def _read_claims(self, token: str, key: VerificationKey) -> dict[str, object]:
        decode_segment(token.rpartition(".")[2])
        try:
            payload = self._jws.decode(token, key.key, algorithms=[key.algorithm.value])
        except jwt.PyJWTError:
            raise Malformed("signature") from None
        decode_segment(token.split(".")[1])
        return read_json(payload)
