"""Names for the counts of failed log-ins, from which nobody reads whom they are of.

Email addresses can be guessed, and so found from a plain digest: these are keyed (HMAC-SHA256, RFC
2104). With another encryption key all counts begin anew.
"""

from __future__ import annotations

import hmac
from typing import Final

from authsvc.domain.login_limits import LoginLimit
from authsvc.tokens.sealing import derive_key

_PURPOSE: Final = b"authsvc login_failures digest 1"


class LoginDigests:
    """Names counts."""

    def __init__(self, encryption_key: bytes) -> None:
        """Take the encryption key, from which a key for this purpose is derived."""
        self._key = derive_key(encryption_key, _PURPOSE)

    def digest(self, limit: LoginLimit, *parts: str) -> bytes:
        """Return under what a count is kept: 32 bytes."""
        text = "\0".join((limit.name, *parts))
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256")
