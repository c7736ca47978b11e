"""Taking what looks like a credential out of a text that is about to be logged.

Nothing logs credentials on purpose; this is the net below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

REDACTED: Final = "[redacted]"

# Keys, refresh tokens, whatever looks like a JWT, passwords in URLs, and what an Authorization
# header brings. What stands before the last two is kept, so that the line still says which database
# or header it is about.
_FORMS: Final = (
    r"orch_[0-9a-fA-F]{40}",
    r"orchrt_[0-9a-f]{64}",
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*",
    r"(?i:(?P<url>\b[a-z][a-z0-9+.-]{0,20}://[^\s:/@\"']{0,64}:)[^\s@\"']{1,512}(?=@))",
    (
        r"(?i:(?P<header>\bauthorization[\"'\\]{0,2}\s?[:=,]\s?(?:b?[\"'\\]{1,2})?"
        r"(?:(?:bearer|basic)\s)?)[^\s\"',)\\]+)"
    ),
)


def redaction(secrets: Sequence[str] = ()) -> Callable[[str], str]:
    """Return a function that replaces whatever looks like a credential in a text.

    Args:
        secrets: More that is replaced, letter for letter, because it has no form of its own.
    """
    literals = (re.escape(secret) for secret in secrets if secret)
    pattern = re.compile("|".join((*_FORMS, *literals)))

    def redacted(text: str) -> str:
        return pattern.sub(_without_secret, text)

    return redacted


def _without_secret(match: re.Match[str]) -> str:
    return f"{match['url'] or match['header'] or ''}{REDACTED}"
