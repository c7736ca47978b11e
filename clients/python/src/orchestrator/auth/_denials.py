"""The denials of tokens, word for word as the service gives them (RFC 6750 section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.auth._enums import DenialReason
from orchestrator.auth._model import Denial

if TYPE_CHECKING:
    from collections.abc import Iterable

_REALM: Final = 'Bearer realm="orchestrator"'


def _unauthorized(reason: DenialReason, message: str) -> Denial:
    challenge = f'{_REALM}, error="invalid_token", error_description="{message}"'
    return Denial(reason, message, 401, "UNAUTHORIZED", challenge)


def _bare(reason: DenialReason, message: str) -> Denial:
    return Denial(reason, message, 401, "UNAUTHORIZED", _REALM)


MISSING_CREDENTIAL: Final = _bare(DenialReason.MISSING_CREDENTIAL, "Missing Authorization header")
UNSUPPORTED_SCHEME: Final = _bare(
    DenialReason.UNSUPPORTED_SCHEME, "Unsupported authorization scheme"
)
INVALID_KEY_FORMAT: Final = _unauthorized(DenialReason.INVALID_KEY_FORMAT, "Invalid API key format")
TOKEN_INVALID: Final = _unauthorized(DenialReason.TOKEN_INVALID, "Invalid token")
TOKEN_EXPIRED: Final = _unauthorized(DenialReason.TOKEN_EXPIRED, "Token expired")
TOKEN_REVOKED: Final = _unauthorized(DenialReason.TOKEN_REVOKED, "Token revoked")


def insufficient_scope(required_scopes: Iterable[str]) -> Denial:
    """Return the denial that names the scopes needed.

    Args:
        required_scopes: Well-formed scopes; their form keeps them from escaping the quotes.
    """
    message = "Insufficient scope"
    scope = " ".join(sorted(set(required_scopes)))
    challenge = (
        f'{_REALM}, error="insufficient_scope", error_description="{message}", scope="{scope}"'
    )
    return Denial(DenialReason.INSUFFICIENT_SCOPE, message, 403, "FORBIDDEN", challenge)
