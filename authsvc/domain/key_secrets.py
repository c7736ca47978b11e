"""The secret of an API key: `orch_` and 40 lower-case hexadecimal characters.

160 random bits cannot be guessed or enumerated, so a plain SHA-256 digest protects them at rest
as well as a slow password hash would, and takes a microsecond (docs/adr/0002).
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

PREFIX: Final = "orch_"
RANDOM_BYTES: Final = 20
DIGEST_BYTES: Final = 32

_HEX_SHOWN = 4
# Upper-case hexadecimal is well formed: it is another key, not a misspelt one.
FORM: Final = r"orch_[0-9a-fA-F]{40}"
_FORM = re.compile(FORM)
_FORM_WITHIN = re.compile(FORM, re.IGNORECASE)
_HINT = re.compile(rf"{PREFIX}[0-9a-fA-F]{{{_HEX_SHOWN}}}…[0-9a-fA-F]{{{_HEX_SHOWN}}}")


def is_key_secret(text: str) -> bool:
    """Tell whether `text` has the form of a key's secret, byte for byte."""
    return _FORM.fullmatch(text) is not None


def is_hint(text: str) -> bool:
    """Tell whether `text` has the form of what may be shown of a secret: `orch_1a2b…c3d4`."""
    return _HINT.fullmatch(text) is not None


def holds_key_secret(text: str) -> bool:
    """Tell whether a secret stands somewhere in `text`, in capitals or not."""
    return _FORM_WITHIN.search(text) is not None


def digest_of(secret: str) -> bytes:
    """Return the SHA-256 digest (32 bytes) under which a well-formed secret is stored."""
    return hashlib.sha256(secret.encode("ascii")).digest()


class KeySecret:
    """A key's secret, which shows itself only where `reveal` is called."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Hold a secret.

        Args:
            text: The whole secret, prefix included.

        Raises:
            ValueError: `text` has not the form of a secret; the error does not repeat it.
        """
        if not is_key_secret(text):
            raise ValueError("not the form of an API key: orch_ and 40 hexadecimal characters")
        self._text = text

    @classmethod
    def from_random(cls, random_bytes: bytes) -> KeySecret:
        """Make a secret of 20 bytes from a cryptographic random source."""
        if len(random_bytes) != RANDOM_BYTES:
            raise ValueError(f"an API key is made of {RANDOM_BYTES} random bytes")
        return cls(PREFIX + random_bytes.hex())

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._text

    def digest(self) -> bytes:
        """Return the SHA-256 digest (32 bytes) under which the key is stored."""
        return digest_of(self._text)

    def hint(self) -> str:
        """Return what may be shown for ever: `orch_1a2b…c3d4`."""
        body = self._text.removeprefix(PREFIX)
        return f"{PREFIX}{body[:_HEX_SHOWN]}…{body[-_HEX_SHOWN:]}"

    def __repr__(self) -> str:
        """Return a text without the secret."""
        return "KeySecret(redacted)"

    __str__ = __repr__
