"""What can be found about a credential, in constant texts that never repeat any of it."""
# ruff: noqa: S105 - texts about tokens, no secrets

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from authsvc.domain.rate_limits import RateLimit


class FindingCode(Enum):
    """What can be found; the text of each, with numbers or a claim's name to be filled in."""

    NOTHING_SENT = "nothing was sent"
    ONLY_SCHEME = "there is a scheme and nothing behind it"
    OVER_LIMIT = "{length} characters are over the limit of 8192"
    HEADER_NAME = "the header's name is pasted into its value"
    SCHEME_DOUBLED = "the scheme Bearer stands there twice"
    OTHER_SCHEME = "the scheme is not Bearer"
    BLANK_MISSING = "there is no blank between the scheme and the credential"
    QUOTED = "there are quotation marks around it"
    WHITE_SPACE_BEFORE = "{length} white space characters stand before the credential"
    WHITE_SPACE_BEHIND = "{length} white space characters stand behind the credential"
    LINE_BREAK_BEHIND = "a line break stands behind the credential"
    PUNCTUATION_BEHIND = "punctuation stands behind the credential"
    NOT_ASCII = "the character at position {position} is not ASCII, and may be invisible"
    VARIABLE = "it is the name of a variable that was not expanded"
    PLACEHOLDER = "it is a placeholder out of an example"
    HINT = "it is the hint of a key, as lists show it, and not its secret"
    KEY_ID = "it is the id of a key, and not its secret"
    PERCENT_ENCODED = "it is percent-encoded"
    PREFIX_UPPER_CASE = "the prefix orch_ is not in lower case"
    PREFIX_MISSING = "the prefix orch_ is missing"
    PREFIX_WRONG = "the prefix is not orch_"
    PREFIX_DOUBLED = "the prefix orch_ stands there twice"
    TRUNCATED = "it has {length} characters of 45"
    TOO_LONG = "it is longer than a key by {length} characters"
    NOT_HEXADECIMAL = "the character at position {position} is not hexadecimal"
    UPPER_CASE_HEXADECIMAL = "it has upper-case letters: it is another key than in lower case"
    TOKEN_SEGMENTS = "a JWT has 3 segments, this has {length}"
    TOKEN_NOT_BASE64URL = "the character at position {position} is not of base64url"
    UNRECOGNISED = "it is neither a key nor a JWT"
    MENDED_IS_GOOD = "without the faults of its form it is good"
    LOWER_CASE_IS_KNOWN = "its lower-case form is a known key"
    MENDED_IS_KNOWN = "without the faults of its form it is a known key that is not good"
    KEY_UNKNOWN = "no such key is known"
    KEY_REVOKED = "the key is revoked"
    KEY_DISABLED = "the key is disabled"
    KEY_EXPIRED = "the key has expired"
    ACCOUNT_DISABLED = "the account is disabled"
    ADDRESS_NOT_ALLOWED = (
        "the client's address is not among those that the key is restricted to (rules: {length})"
    )
    ADDRESS_MISSING = (
        "the key is restricted to some addresses (rules: {length}), and the client's was not given"
    )
    SCOPES_MISSING = "required scopes are missing"
    RATE_LIMIT_REACHED = (
        "its rate limit is used up: {requests} in {period} s; the next request passes in {length} s"
    )
    TOKEN_ENCRYPTED = "it has the 5 segments of an encrypted JWT, which is never accepted"
    TOKEN_HEADER_UNREADABLE = (
        "the header is not a JSON object with unique members, of at most 512 characters"
    )
    TOKEN_HEADER_MEMBERS = "the header has a member other than alg, kid and typ"
    TOKEN_PAYLOAD_UNREADABLE = "the payload is not a JSON object with unique members"
    TOKEN_TYPE = "the type is not at+jwt: it is no access token"
    TOKEN_UNSIGNED = "the algorithm is none: it is not signed"
    TOKEN_ALGORITHM = "the algorithm is not that of the signing key"
    TOKEN_KID_MISSING = "it names no signing key"
    TOKEN_KID_UNKNOWN = "it names a signing key that is not of this service"
    TOKEN_SIGNATURE = "the signature is wrong"
    TOKEN_EXPIRED = "it expired {length} seconds ago"
    TOKEN_NOT_YET_VALID = "it is valid only in {length} seconds"
    TOKEN_ISSUER = "the issuer is neither this service nor one that it accepts"
    TOKEN_AUDIENCE = "the audience is not this service"
    TOKEN_CLAIM_MISSING = "the claim {claim} is missing"
    TOKEN_CLAIM_MALFORMED = "the claim {claim} has a value that it cannot have"
    TOKEN_ACCOUNT_UNKNOWN = "it names an account that is not known"
    TOKEN_USER_UNKNOWN = "it names a user that is not known, or not of its account"
    TOKEN_USER_DISABLED = "the user that it names is disabled"
    TOKEN_SESSION_ENDED = "its session was ended"
    TOKEN_FOREIGN = "it is a token of the issuer {issuer}"
    TOKEN_TYPE_NOT_ACCEPTED = "the type is not one that is accepted from its issuer"
    TOKEN_CRITICAL = "the header has the member crit, which is never accepted"
    TOKEN_ALGORITHM_NOT_ACCEPTED = "the algorithm is not one that is accepted from its issuer"
    TOKEN_KEY_NOT_OF_ISSUER = "its issuer has no such signing key that may be used"
    TOKEN_KEY_UNCLEAR = "several signing keys of its issuer fit, and it does not say which"
    TOKEN_LIFETIME = "it is good for {length} seconds longer than is accepted from its issuer"
    TOKEN_ACCOUNT_UNMAPPED = "the account that it names is not mapped to one here"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    code: FindingCode
    position: int | None = None
    """The index of the character it is about, in the value as it came, from 0."""
    length: int | None = None
    """A number of characters, segments, seconds or rules."""
    claim: str | None = None
    """The name of a claim, of those that this service reads."""
    rate_limit: RateLimit | None = None
    """The limit that it is about."""
    issuer: str | None = None
    """The alias of an issuer."""

    @property
    def text(self) -> str:
        """The finding in words."""
        limit = self.rate_limit
        return self.code.value.format(
            position=self.position,
            length=self.length,
            claim=self.claim,
            issuer=self.issuer,
            requests=limit and limit.requests,
            period=limit and int(limit.period.total_seconds()),
        )
