"""Why a credential is refused, ready for an HTTP response (RFC 6750 section 3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from types import MappingProxyType
from typing import Final

from authsvc.domain.presentation import Presentable
from authsvc.domain.rate_limits import RateLimit

_REALM = 'Bearer realm="orchestrator"'


class Challenge(Enum):
    """Which WWW-Authenticate challenge goes with a denial."""

    NONE = "no challenge"
    BARE = "a challenge without an error code: no bearer credential was sent"
    INVALID_TOKEN = "invalid_token"  # noqa: S105 - an error code of RFC 6750, not a secret
    INSUFFICIENT_SCOPE = "insufficient_scope"


class DenialReason(Enum):
    """The causes of a denial: message, HTTP status and challenge of each."""

    MISSING_CREDENTIAL = ("Missing Authorization header", 401, Challenge.BARE)
    UNSUPPORTED_SCHEME = ("Unsupported authorization scheme", 401, Challenge.BARE)
    INVALID_KEY_FORMAT = ("Invalid API key format", 401, Challenge.INVALID_TOKEN)
    KEY_NOT_FOUND = ("API key not found", 401, Challenge.INVALID_TOKEN)
    KEY_REVOKED = ("API key revoked", 401, Challenge.INVALID_TOKEN)
    KEY_DISABLED = ("API key disabled", 401, Challenge.INVALID_TOKEN)
    KEY_EXPIRED = ("API key expired", 401, Challenge.INVALID_TOKEN)
    TOKEN_INVALID = ("Invalid token", 401, Challenge.INVALID_TOKEN)
    TOKEN_EXPIRED = ("Token expired", 401, Challenge.INVALID_TOKEN)
    TOKEN_REVOKED = ("Token revoked", 401, Challenge.INVALID_TOKEN)
    ACCOUNT_DISABLED = ("Account disabled", 403, Challenge.NONE)
    ADDRESS_NOT_ALLOWED = ("Client address not allowed", 403, Challenge.NONE)
    INSUFFICIENT_SCOPE = ("Insufficient scope", 403, Challenge.INSUFFICIENT_SCOPE)
    RATE_LIMITED = ("Rate limit exceeded", 429, Challenge.NONE)

    def __init__(self, message: str, http_status: int, challenge: Challenge) -> None:
        """Keep the row of the table under readable names."""
        self.message = message
        self.http_status = http_status
        self.challenge = challenge


_ERRORS = MappingProxyType({401: "UNAUTHORIZED", 403: "FORBIDDEN", 429: "TOO_MANY_REQUESTS"})


@dataclass(frozen=True, slots=True)
class Denial(Presentable):
    """A refused credential."""

    reason: DenialReason
    www_authenticate: str
    """The WWW-Authenticate header's value; empty when no challenge belongs in the response."""
    retry_after: timedelta | None = None
    rate_limit: RateLimit | None = None
    """The limit of the key itself that it is over; None where it is not that one."""

    @property
    def error(self) -> str:
        """The error name of the HTTP body."""
        return _ERRORS[self.reason.http_status]


def _www_authenticate(reason: DenialReason) -> str:
    if reason.challenge is Challenge.NONE:
        return ""
    if reason.challenge is Challenge.BARE:
        return _REALM
    return f'{_REALM}, error="{reason.challenge.value}", error_description="{reason.message}"'


DENIALS: Final = MappingProxyType(
    {reason: Denial(reason, _www_authenticate(reason)) for reason in DenialReason}
)
"""One denial per reason. `insufficient_scope` makes the one that depends on the request."""


def insufficient_scope(required_scopes: Iterable[str]) -> Denial:
    """Return the denial that names the scopes needed (RFC 6750 section 3, `scope`).

    Args:
        required_scopes: Well-formed scopes; their form keeps them from escaping the quotes.
    """
    reason = DenialReason.INSUFFICIENT_SCOPE
    scope = " ".join(sorted(set(required_scopes)))
    return Denial(reason, f'{_www_authenticate(reason)}, scope="{scope}"')


def rate_limited(limit: RateLimit, retry_after: timedelta | None) -> Denial:
    """Return the denial of a key that is over its own limit.

    Args:
        limit: The key's limit.
        retry_after: How long until one request will pass.
    """
    reason = DenialReason.RATE_LIMITED
    return Denial(reason, _www_authenticate(reason), retry_after, limit)
