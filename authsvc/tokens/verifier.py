"""The verification of access tokens: header, key, signature, claims, in this order.

The algorithm is taken from the key and never from the token (RFC 8725 section 3.1). Whatever is
wrong with a token is TOKEN_INVALID, and never an exception.
"""

from __future__ import annotations

from dataclasses import dataclass

from authsvc.domain.access_tokens import AccessTokenClaims, TokenRules, TokenVerification
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.denials import DenialReason
from authsvc.domain.freshness import NO_DEMAND, Freshness, FreshnessDemand, FreshnessSource
from authsvc.domain.record_cache import RecordCache
from authsvc.tokens.compact import Malformed, decode_segment, read_header, read_json
from authsvc.tokens.keyring import Keyring
from authsvc.tokens.signatures import signed_payload, token_digest
from authsvc.tokens.stored_keys import VerificationKey


@dataclass(frozen=True, slots=True)
class _Verified:
    kid: str
    key: VerificationKey
    claims: AccessTokenClaims


class AccessTokenVerifier:
    """Verifies access tokens that this service issued."""

    def __init__(
        self, *, keyring: Keyring, rules: TokenRules, remembered: int, clock: Clock
    ) -> None:
        """Take the keyring.

        Args:
            keyring: The keys that tokens are signed with.
            rules: What a token must say.
            remembered: How many good tokens to remember, so as not to verify them again.
            clock: The source of time.
        """
        self._keyring = keyring
        self._rules = rules
        self._clock = clock
        # A signature that was good with a key stays good with that key: only the keyring and the
        # time have to be asked again.
        self._verified: RecordCache[bytes, _Verified] = RecordCache(remembered)

    def verify_now(self, token: str) -> TokenVerification | None:
        """Return what memory has to say about a token, or None when it must be verified.

        Args:
            token: Three base64url segments joined by dots, the last possibly empty.
        """
        verified = self._verified.find(token_digest(token))
        if verified is None:
            return None
        current = self._keyring.find_verification_key_now(verified.kid)
        if current is None or current[0] is not verified.key:
            return None
        outcome = self._rules.judge_expiry(verified.claims, self._clock())
        return TokenVerification(outcome, current[1])

    def knows(self, token: str) -> bool:
        """Tell whether a token was verified before."""
        return token_digest(token) in self._verified

    async def verify(
        self, token: str, demand: FreshnessDemand, deadline: Deadline
    ) -> TokenVerification:
        """Verify a token.

        Args:
            token: Three base64url segments joined by dots, the last possibly empty.
            demand: How fresh the signing keys must be.
            deadline: How long it may take.

        Returns:
            The claims, or TOKEN_EXPIRED when nothing but the expiry is wrong, or TOKEN_INVALID.

        Raises:
            DatabaseUnavailable: The signing keys had to be read and could not be.
        """
        freshness, met = Freshness(FreshnessSource.DATABASE, self._clock()), False
        try:
            header = read_header(token)
            key, freshness = await self._keyring.find_verification_key(
                header.kid, fresh=demand != NO_DEMAND, deadline=deadline
            )
            met = demand != NO_DEMAND
            if key is None or header.algorithm != key.algorithm.value:
                return TokenVerification(DenialReason.TOKEN_INVALID, freshness, met)
            verified = self._verified.find(token_digest(token))
            if verified is not None and verified.key is key:
                outcome = self._rules.judge_expiry(verified.claims, self._clock())
                return TokenVerification(outcome, freshness, met)
            claims = _read_claims(token, key)
        except Malformed:
            return TokenVerification(DenialReason.TOKEN_INVALID, freshness, met)
        outcome = self._rules.read(claims, self._clock())
        if isinstance(outcome, AccessTokenClaims):
            verified = _Verified(header.kid, key, outcome)
            self._verified.keep(token_digest(token), verified, (), self._verified.stamp)
        return TokenVerification(outcome, freshness, met)


def _read_claims(token: str, key: VerificationKey) -> dict[str, object]:
    payload = signed_payload(token, key.key, key.algorithm)
    decode_segment(token.split(".")[1])
    return read_json(payload)
