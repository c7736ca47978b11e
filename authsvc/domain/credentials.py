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
from typing import Final, TypeAlias

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


KeyDigest: TypeAlias = bytes
"""A well-formed API key, which from here on is known by the SHA-256 digest of its secret."""


class TokenCredential:
    """What has the form of a JWT."""

    __slots__ = ("token",)

    def __init__(self, token: str) -> None:
        """Take the token."""
        self.token = token


def parse_credential(value: str) -> KeyDigest | TokenCredential | DenialReason:
    """Read an Authorization header's value, or a bare credential.

    Args:
        value: As it came; empty when there was no header.

    Returns:
        The digest of a key, or a token, or the reason why the form of the value is refused.
    """
    if len(value) > MAX_LENGTH:
        return DenialReason.INVALID_KEY_FORMAT
    key = _KEY.fullmatch(value)
    if key is not None:
        return digest_of(key[1])
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
