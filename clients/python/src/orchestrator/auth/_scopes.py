"""What a credential may do: the rules of scopes, as the service has them. Depends on nothing.

A scope is a lower-case word, or several joined by colons (`sessions:read`); the last may be `*`.
`*` alone is everything of one's own account. What begins with `authsvc:` is for the callers of the
service and never in a token.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

_ALL: Final = "*"
_RESERVED_PREFIX: Final = "authsvc:"
_RESERVED: Final = frozenset({"authsvc:validate", "authsvc:keys", "authsvc:admin"})
_MAX_LENGTH: Final = 128
_WORD: Final = r"[a-z0-9][a-z0-9_.-]*"
_FORM: Final = re.compile(rf"\*|{_WORD}(:{_WORD})*(:\*)?")


def is_scope(text: str) -> bool:
    """Tell whether `text` is a scope that can be granted or asked for."""
    if len(text) > _MAX_LENGTH or _FORM.fullmatch(text) is None:
        return False
    return text in _RESERVED or not text.startswith(_RESERVED_PREFIX)


def covers(granted: AbstractSet[str], required: str) -> bool:
    """Tell whether the scopes of a token allow what one required scope names.

    Args:
        granted: Well-formed scopes, none of them reserved.
        required: One well-formed scope, possibly a wildcard itself.
    """
    if required in granted:
        return True
    if required in _RESERVED:
        return False
    if _ALL in granted:
        return True
    stem = required
    while ":" in stem:
        stem = stem.rpartition(":")[0]
        if f"{stem}:*" in granted:
            return True
    return False


def without_reserved(scopes: Iterable[str]) -> frozenset[str]:
    """Return the scopes that a token can have."""
    return frozenset(scope for scope in scopes if not scope.startswith(_RESERVED_PREFIX))
