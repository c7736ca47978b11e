"""The grammar of credentials: what an Authorization header's value can hold.

    value      = [ scheme 1*SP ] credential
    scheme     = "Bearer", case-insensitive (RFC 9110 section 11.1)
    credential = key / token
    key        = "orch_" 40HEXDIG, byte for byte
    token      = base64url "." base64url "." [ base64url ]   (RFC 7515 section 7.1)

Nothing is trimmed inside a credential, and nothing is computed on a value over 8 KiB.
"""

from __future__ import annotations

import re
from typing import Final

from authsvc.domain.denials import DenialReason
from authsvc.domain.key_secrets import FORM, digest_of

MAX_LENGTH: Final = 8192
"""The most characters that a value may have."""

# The common case, with or without its scheme, in one match.
_KEY = re.compile(rf"(?:(?i:bearer) +)?({FORM})")
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
# Narrower than the `token` of RFC 9110, so that a key or a JWT with a blank behind it is called
# what it is, a malformed credential, and not an unknown scheme.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_BEARER = "bearer"


class KeyCredential:
    """A well-formed API key, known by its digest from here on."""

    __slots__ = ("digest",)

    def __init__(self, digest: bytes) -> None:
        """Take the SHA-256 digest of the secret."""
        self.digest = digest


class TokenCredential:
    """What has the form of a JWT."""

    __slots__ = ("token",)

    def __init__(self, token: str) -> None:
        """Take the token."""
        self.token = token


def parse_credential(value: str) -> KeyCredential | TokenCredential | DenialReason:
    """Read an Authorization header's value, or a bare credential.

    Args:
        value: As it came; empty when there was no header.

    Returns:
        The credential, or the reason why its form is refused.
    """
    if len(value) > MAX_LENGTH:
        return DenialReason.INVALID_KEY_FORMAT
    key = _KEY.fullmatch(value)
    if key is not None:
        return KeyCredential(digest_of(key[1]))
    credential = value
    scheme, blank, rest = value.partition(" ")
    if scheme.lower() == _BEARER:
        credential = rest.lstrip(" ")
    elif blank and _SCHEME.fullmatch(scheme):
        return DenialReason.UNSUPPORTED_SCHEME
    if not credential:
        return DenialReason.MISSING_CREDENTIAL
    if _TOKEN.fullmatch(credential):
        return TokenCredential(credential)
    return DenialReason.INVALID_KEY_FORMAT
