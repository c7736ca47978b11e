"""The verification of tokens of other issuers, beside that of our own.

A token is verified by the issuer that its `iss` names and by no other, so that no issuer's key
can speak for another issuer. One that names none of them goes the way of our own tokens, where it
is TOKEN_INVALID; nothing is fetched for it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from authsvc.domain.access_tokens import AccessTokenClaims, TokenVerification
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.denials import DenialReason
from authsvc.domain.foreign_issuers import ForeignAlgorithm, ForeignTokenRules
from authsvc.domain.freshness import Freshness, FreshnessDemand, FreshnessSource
from authsvc.domain.record_cache import RecordCache
from authsvc.tokens.compact import Malformed, decode_segment, read_json
from authsvc.tokens.foreign.headers import read_foreign_header
from authsvc.tokens.foreign.issuer_keys import IssuerKeys
from authsvc.tokens.foreign.key_sets import IssuerKey
from authsvc.tokens.signatures import signed_payload, token_digest


class TokenVerifier(Protocol):
    """Verifies our own tokens."""

    def verify_now(self, token: str) -> TokenVerification | None:
        """Return what memory has to say about a token, or None when it must be verified."""
        ...

    def knows(self, token: str) -> bool:
        """Tell whether a token was verified before."""
        ...

    async def verify(
        self, token: str, demand: FreshnessDemand, deadline: Deadline
    ) -> TokenVerification:
        """Verify a token."""
        ...


@dataclass(frozen=True, slots=True)
class ForeignIssuer:
    """An issuer whose tokens are accepted."""

    rules: ForeignTokenRules
    keys: IssuerKeys
    algorithms: Collection[ForeignAlgorithm]
    token_types: Collection[str]
    """The accepted types, in lower case and without `application/`."""


@dataclass(frozen=True, slots=True)
class _Verified:
    issuer: ForeignIssuer
    key: IssuerKey
    claims: AccessTokenClaims


class AllTokensVerifier:
    """Verifies tokens of this service and of the other issuers."""

    def __init__(
        self,
        *,
        own: TokenVerifier,
        issuers: Sequence[ForeignIssuer],
        remembered: int,
        clock: Clock,
    ) -> None:
        """Take those whose tokens are verified.

        Args:
            own: Verifies our own tokens.
            issuers: The other issuers.
            remembered: How many good tokens of theirs to remember.
            clock: The source of time.
        """
        self._own = own
        self._issuers = {issuer.rules.issuer: issuer for issuer in issuers}
        self._verified: RecordCache[bytes, _Verified] = RecordCache(remembered)
        self._clock = clock

    def verify_now(self, token: str) -> TokenVerification | None:
        """Return what memory has to say about a token, or None when it must be verified."""
        own = self._own.verify_now(token)
        if own is not None:
            return own
        verified = self._verified.find(token_digest(token))
        # A key that its issuer withdrew is good for nothing any more.
        if verified is None or not verified.issuer.keys.holds(verified.key):
            return None
        now = self._clock()
        return _verification(verified.issuer.rules.judge_expiry(verified.claims, now), now)

    def knows(self, token: str) -> bool:
        """Tell whether a token was verified before."""
        return self._own.knows(token) or token_digest(token) in self._verified

    async def verify(
        self, token: str, demand: FreshnessDemand, deadline: Deadline
    ) -> TokenVerification:
        """Verify a token.

        Args:
            token: Three base64url segments joined by dots, the last possibly empty.
            demand: How fresh our own signing keys must be. It says nothing about those of others:
                they are no record of ours, and their issuer is not asked for each call.
            deadline: How long it may take.

        Returns:
            The claims, or TOKEN_EXPIRED when nothing but the expiry is wrong, or TOKEN_INVALID.

        Raises:
            DatabaseUnavailable: Our signing keys had to be read and could not be.
            IssuerUnavailable: The issuer's keys had to be fetched and could not be.
        """
        issuer = self.issuer_of(token)
        if issuer is None:
            return await self._own.verify(token, demand, deadline)
        return _verification(await self._verify(token, issuer, deadline), self._clock())

    def issuer_of(self, token: str) -> ForeignIssuer | None:
        """Return the other issuer that a token names, whether truly or not; else None."""
        try:
            name = read_json(decode_segment(token.split(".")[1])).get("iss")
        except Malformed:
            return None
        return self._issuers.get(name) if isinstance(name, str) else None

    async def _verify(
        self, token: str, issuer: ForeignIssuer, deadline: Deadline
    ) -> AccessTokenClaims | DenialReason:
        try:
            header = read_foreign_header(token, issuer.algorithms, issuer.token_types)
            keys = await issuer.keys.find(header.kid, header.algorithm, deadline)
            if len(keys) != 1:
                return DenialReason.TOKEN_INVALID
            payload = read_signed(token, keys[0])
        except Malformed:
            return DenialReason.TOKEN_INVALID
        outcome = issuer.rules.read(payload, self._clock())
        if isinstance(outcome, AccessTokenClaims):
            verified = _Verified(issuer, keys[0], outcome)
            self._verified.keep(token_digest(token), verified, (), self._verified.stamp)
        return outcome


def read_signed(token: str, key: IssuerKey) -> dict[str, object]:
    """Return the payload of a token that is signed with a key.

    Raises:
        Malformed: It is not, or has a payload that is no JSON object with unique members.
    """
    return read_json(signed_payload(token, key.key, key.algorithm))


def _verification(outcome: AccessTokenClaims | DenialReason, now: datetime) -> TokenVerification:
    # No record was asked, so the account's alone settles how fresh the answer is.
    return TokenVerification(outcome, Freshness(FreshnessSource.DATABASE, now))
