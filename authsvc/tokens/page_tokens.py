"""Page tokens that cannot be altered or carried over to another listing.

A token is a position and its HMAC-SHA256 (RFC 2104) over the position and over what is listed. It
hides nothing: the position is the holder's own.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final

_PURPOSE: Final = b"authsvc page tokens, version 1"
_MAC_BYTES: Final = 32


class PageTokens:
    """Makes and reads page tokens."""

    def __init__(self, encryption_key: bytes, previous: bytes | None = None) -> None:
        """Take the encryption keys, from which keys for this purpose are derived.

        Args:
            encryption_key: Makes the tokens.
            previous: Tokens that were made by it can be read; None: none.
        """
        self._keys = tuple(
            hmac.digest(key, _PURPOSE, "sha256")
            for key in (encryption_key, previous)
            if key is not None
        )

    def make(self, position: str, listing: str) -> str:
        """Return the token of a position.

        Args:
            position: Where the next page begins.
            listing: What is listed, in one canonical form.
        """
        data = position.encode()
        return _encoded(_mac(self._keys[0], data, listing) + data)

    def read(self, token: str, listing: str) -> str | None:
        """Return the position, or None when the token was not made here for this listing."""
        try:
            padded = token.encode("ascii") + b"=" * (-len(token) % 4)
            data = base64.b64decode(padded, altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error):
            return None
        mac, position = data[:_MAC_BYTES], data[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, position, listing)) for key in self._keys):
            return None
        # Base64 ignores the spare bits of the last character: one token, one text.
        return position.decode() if _encoded(data) == token else None


def _mac(key: bytes, position: bytes, listing: str) -> bytes:
    length = len(position).to_bytes(4, "big")
    return hmac.digest(key, length + position + listing.encode(), "sha256")


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
