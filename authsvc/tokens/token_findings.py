"""What is wrong with an access token, told by names and numbers and never by its contents.

It decides nothing: the verdict is the verifier's. Here the checks go on where the verifier stops
at the first fault.
"""

from __future__ import annotations

from authsvc.domain.access_tokens import (
    ACCOUNT_CLAIM,
    TokenReading,
    TokenRules,
    read_text,
    scopes_of,
)
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.findings import Finding, FindingCode
from authsvc.tokens.compact import (
    HEADER_MEMBERS,
    KID_FORM,
    MAX_HEADER_LENGTH,
    TYPES,
    Malformed,
    decode_segment,
    read_json,
)
from authsvc.tokens.keyring import Keyring
from authsvc.tokens.signatures import signed_payload
from authsvc.tokens.stored_keys import VerificationKey


class AccessTokenExaminer:
    """Finds everything that is wrong with a token."""

    def __init__(self, *, keyring: Keyring, rules: TokenRules, clock: Clock) -> None:
        """Take the keys that tokens are signed with, what a token must say, and the time."""
        self._keyring = keyring
        self._rules = rules
        self._clock = clock

    async def examine(self, token: str, deadline: Deadline) -> TokenReading:
        """Examine a token.

        Args:
            token: Three base64url segments joined by dots, the last possibly empty.
            deadline: How long it may take.

        Returns:
            What is wrong, in the order header, signature, payload, the expiry last; and the
            scopes and names, if the signature is good.

        Raises:
            DatabaseUnavailable: The signing keys had to be read and could not be.
        """
        head, body, _signature = token.split(".")
        header = _read_object(head) if len(head) <= MAX_HEADER_LENGTH else None
        payload = _read_object(body)
        findings = [Finding(FindingCode.TOKEN_HEADER_UNREADABLE)]
        is_genuine = False
        if header is not None:
            findings = _header_faults(header)
            key, fault = await self._find_key(header, deadline)
            findings += () if fault is None else (Finding(fault),)
            # Another member may change what a signature means.
            if key is not None and header.keys() <= HEADER_MEMBERS:
                is_genuine = _is_signed(token, key)
                findings += () if is_genuine else (Finding(FindingCode.TOKEN_SIGNATURE),)
        if payload is None:
            findings.append(Finding(FindingCode.TOKEN_PAYLOAD_UNREADABLE))
            return TokenReading(tuple(findings))
        findings += self._rules.find_faults(payload, self._clock())
        if not is_genuine:
            return TokenReading(tuple(findings))
        return TokenReading(
            tuple(findings),
            scopes_of(payload),
            read_text(payload, "sub"),
            read_text(payload, ACCOUNT_CLAIM),
            read_text(payload, "sid"),
        )

    async def _find_key(
        self, header: dict[str, object], deadline: Deadline
    ) -> tuple[VerificationKey | None, FindingCode | None]:
        """Return the key to verify with, or what keeps it from being one."""
        kid, algorithm = header.get("kid"), header.get("alg")
        if isinstance(algorithm, str) and algorithm.lower() == "none":
            return None, FindingCode.TOKEN_UNSIGNED
        if not kid:
            return None, FindingCode.TOKEN_KID_MISSING
        if not isinstance(kid, str) or KID_FORM.fullmatch(kid) is None:
            return None, FindingCode.TOKEN_KID_UNKNOWN
        key, _freshness = await self._keyring.find_verification_key(
            kid, fresh=False, deadline=deadline
        )
        if key is None:
            return None, FindingCode.TOKEN_KID_UNKNOWN
        if algorithm != key.algorithm.value:
            return None, FindingCode.TOKEN_ALGORITHM
        return key, None


def _is_signed(token: str, key: VerificationKey) -> bool:
    try:
        signed_payload(token, key.key, key.algorithm)
    except Malformed:
        return False
    return True


def _read_object(segment: str) -> dict[str, object] | None:
    try:
        return read_json(decode_segment(segment))
    except Malformed:
        return None


def _header_faults(header: dict[str, object]) -> list[Finding]:
    findings = []
    if not header.keys() <= HEADER_MEMBERS:
        findings.append(Finding(FindingCode.TOKEN_HEADER_MEMBERS))
    media_type = header.get("typ")
    if not isinstance(media_type, str) or media_type.lower() not in TYPES:
        findings.append(Finding(FindingCode.TOKEN_TYPE))
    return findings
