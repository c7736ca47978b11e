"""Email addresses: their form (RFC 5321, RFC 6531), and what makes two of them the same."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from email_validator import EmailNotValidError, validate_email

MAX_EMAIL_LENGTH: Final = 254
"""The most characters of an address (RFC 5321 section 4.5.3.1.3, less the angle brackets)."""


@dataclass(frozen=True, slots=True)
class Email:
    """A well-formed address."""

    text: str
    """As people see it: the local part as it was written, the domain in Unicode."""
    key: str
    """The same for all spellings of one address; no two users have the same."""

    @property
    def local_part(self) -> str:
        """What stands before the @."""
        return self.text.rpartition("@")[0]


def read_email(text: str) -> Email | None:
    """Read an address; the domain need not exist, but could.

    RFC 5321 lets the case of a local part matter. No provider of note does, people mistype it, and
    two users whose addresses differ in nothing else would be taken for each other.

    Returns:
        The address, or None when it is none.
    """
    if len(text) > MAX_EMAIL_LENGTH:
        return None
    try:
        read = validate_email(text, check_deliverability=False, strict=True)
    except EmailNotValidError:
        return None
    # Folding can undo the normal form.
    local = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", read.local_part).casefold())
    return Email(read.normalized, f"{local}@{read.ascii_domain.lower()}")
