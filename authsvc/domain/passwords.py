"""Passwords and their rules, after NIST SP 800-63B: long, and not what everybody guesses first.

There are no rules of composition: they make people choose `Password1!`. The whole password is
compared and never a part of it, so that a passphrase may have common words in it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

MIN_PASSWORD_LENGTH: Final = 12
MAX_PASSWORD_LENGTH: Final = 1024

# Four bytes are the most that UTF-8 needs for a character.
_MAX_BYTES: Final = 4 * MAX_PASSWORD_LENGTH
_OWN_NAMES: Final = frozenset({"orchestrator", "orchestratorhq", "orchestratorhq.com", "authsvc"})


class Password:
    """A password, which shows itself only where `reveal` is called."""

    __slots__ = ("_text", "is_too_long")

    def __init__(self, text: str) -> None:
        """Hold a password in the form NFKC, in which all ways to type it are the same.

        Args:
            text: As it was typed. One that is too long stays as it is: to normalise it could
                cost much, and it is good for nothing.
        """
        self.is_too_long = len(text) > MAX_PASSWORD_LENGTH
        self._text = text if self.is_too_long else unicodedata.normalize("NFKC", text)
        self.is_too_long |= len(self._text) > MAX_PASSWORD_LENGTH

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self._text)

    def reveal(self) -> str:
        """Return the password itself."""
        return self._text

    def encoded(self) -> bytes:
        """Return the bytes that are hashed."""
        # Of one that is too long, more than any good one has: it matches no hash.
        return self._text.encode()[: _MAX_BYTES + 1]

    def __repr__(self) -> str:
        """Return a text without the password."""
        return "Password(redacted)"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of comparing a password with a hash."""

    matches: bool
    needs_rehash: bool
    """Whether the hash was made at another cost than new ones are."""


def find_password_fault(
    password: Password, *, names: Iterable[str], is_common: Callable[[str], bool]
) -> str | None:
    """Tell which rule a new password breaks.

    Args:
        password: The password.
        names: What others know of its user: the email address, the account's name, …
        is_common: Tells of a text without capitals whether many people use it as a password.

    Returns:
        What is asked for, in words that repeat nothing of the password; None when it is good.
    """
    text = password.reveal()
    if password.is_too_long:
        return f"has at most {MAX_PASSWORD_LENGTH} characters"
    if len(text) < MIN_PASSWORD_LENGTH:
        return f"has at least {MIN_PASSWORD_LENGTH} characters"
    if len(_piece_of(text)) < MIN_PASSWORD_LENGTH:
        return "is not a short text again and again"
    folded = text.casefold()
    if folded in _OWN_NAMES or any(folded == _folded(name) for name in names):
        return "is not the email address, the name of the user or the account, or of this service"
    if is_common(folded):
        return "is not one of the passwords that many people use"
    return None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _piece_of(text: str) -> str:
    """Return the shortest piece that makes the text when it is repeated."""
    return text[: (text + text).find(text, 1)]
