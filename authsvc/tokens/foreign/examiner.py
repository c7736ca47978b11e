"""What is wrong with a token of another issuer.

As `authsvc.tokens.token_findings` for our own it decides nothing, and goes on where the verifier
stops at the first fault.
"""

from __future__ import annotations

from typing import Protocol

from authsvc.domain.access_tokens import TokenReading
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.findings import Finding, FindingCode
from authsvc.tokens.compact import Malformed, decode_segment, read_json
from authsvc.tokens.foreign.headers import algorithm_of, is_type, kid_of, read_members
from authsvc.tokens.foreign.verifier import AllTokensVerifier, ForeignIssuer, read_signed


class TokenExaminer(Protocol):
    """Finds everything that is wrong with our own tokens."""

    async def examine(self, token: str, deadline: Deadline) -> TokenReading:
        """Examine a token."""
        ...


class AllTokensExaminer:
    """Finds everything that is wrong with a token, whosever it is."""

    def __init__(self, *, own: TokenExaminer, verifier: AllTokensVerifier, clock: Clock) -> None:
        """Take who examines our own tokens, who tells whose a token is, and the time."""
        self._own = own
        self._verifier = verifier
        self._clock = clock

    async def examine(self, token: str, deadline: Deadline) -> TokenReading:
        """Examine a token.

        Args:
            token: Three base64url segments joined by dots, the last possibly empty.
            deadline: How long it may take.

        Returns:
            What is wrong, in the order header, signature, payload, the expiry last; its issuer;
            and the scopes, if the signature is good.

        Raises:
            DatabaseUnavailable: Our signing keys had to be read and could not be.
            IssuerUnavailable: The issuer's keys had to be fetched and could not be.
        """
        issuer = self._verifier.issuer_of(token)
        if issuer is None:
            return await self._own.examine(token, deadline)
        findings, is_genuine = await self._examine_signature(token, issuer, deadline)
        payload = read_json(decode_segment(token.split(".")[1]))
        findings += issuer.rules.find_faults(payload, self._clock())
        scopes = issuer.rules.scopes.find(payload) or () if is_genuine else None
        return TokenReading(tuple(findings), scopes, issuer=issuer.rules.alias)

    async def _examine_signature(
        self, token: str, issuer: ForeignIssuer, deadline: Deadline
    ) -> tuple[list[Finding], bool]:
        """Return what is wrong with header and signature, and whether the issuer signed it."""
        try:
            members = read_members(token)
            kid = kid_of(members)
        except Malformed:
            return [Finding(FindingCode.TOKEN_HEADER_UNREADABLE)], False
        found = []
        if "crit" in members:
            found.append(Finding(FindingCode.TOKEN_CRITICAL))
        if not is_type(members, issuer.token_types):
            found.append(Finding(FindingCode.TOKEN_TYPE_NOT_ACCEPTED))
        algorithm = algorithm_of(members, issuer.algorithms)
        if algorithm is None:
            unsigned = str(members.get("alg")).lower() == "none"
            code = (
                FindingCode.TOKEN_UNSIGNED if unsigned else FindingCode.TOKEN_ALGORITHM_NOT_ACCEPTED
            )
            return [*found, Finding(code)], False
        keys = await issuer.keys.find(kid, algorithm, deadline)
        if len(keys) != 1:
            unclear = FindingCode.TOKEN_KEY_UNCLEAR if keys else FindingCode.TOKEN_KEY_NOT_OF_ISSUER
            return [*found, Finding(unclear)], False
        try:
            read_signed(token, keys[0])
        except Malformed:
            return [*found, Finding(FindingCode.TOKEN_SIGNATURE)], False
        return found, True
