"""Reads an Authorization header's value as far as it takes to find a token in it.

    value = [ "Bearer" 1*SP ] credential       ; the scheme is case-insensitive
    token = base64url "." base64url "." [ base64url ]   (RFC 7515 section 7.1)

What is neither a token nor refused here is the server's to judge: API keys, and whatever forms of
credentials there will be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from orchestrator.auth import _denials

if TYPE_CHECKING:
    from orchestrator.auth._model import Denial

MAX_LENGTH: Final = 8192
"""The most characters that a value may have; the service denies longer ones unread."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Token:
    """What has the form of a JWT."""

    text: str = field(repr=False)


def read_credential(value: str) -> Token | Denial | None:
    """Return the token, the denial of a value without a credential, or None for anything else.

    Args:
        value: As it came; empty when there was no header.
    """
    if len(value) > MAX_LENGTH:
        return _denials.INVALID_KEY_FORMAT
    credential = value
    scheme, blank, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        credential = rest.lstrip(" ")
    elif blank and _SCHEME.fullmatch(scheme):
        return _denials.UNSUPPORTED_SCHEME
    if not credential:
        return _denials.MISSING_CREDENTIAL
    return Token(credential) if _TOKEN.fullmatch(credential) else None
