"""What a credential may do: scopes, their wildcards, and the three that are reserved.

A scope is a lower-case word, or several joined by colons (`sessions:read`); the last may be `*`.
`*` alone is everything of one's own account. The reserved scopes are for callers of this service:
`*` never covers them. Every scope is a scope-token of RFC 6749 section 3.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final

ALL: Final = "*"
VALIDATE: Final = "authsvc:validate"
KEYS: Final = "authsvc:keys"
ADMIN: Final = "authsvc:admin"
RESERVED: Final = frozenset({VALIDATE, KEYS, ADMIN})
MANAGE_OWN_KEYS: Final = "keys:*"
"""What a credential of an account needs to manage the keys of that account."""

MAX_SCOPES: Final = 50
MAX_SCOPE_LENGTH: Final = 128

_WORD = r"[a-z0-9][a-z0-9_.-]*"
_FORM = re.compile(rf"\*|{_WORD}(:{_WORD})*(:\*)?")
_RESERVED_PREFIX = "authsvc:"


def is_scope(text: str) -> bool:
    """Tell whether `text` is a scope that can be granted or asked for."""
    if len(text) > MAX_SCOPE_LENGTH or _FORM.fullmatch(text) is None:
        return False
    return text in RESERVED or not text.startswith(_RESERVED_PREFIX)


def covers(granted: AbstractSet[str], required: str) -> bool:
    """Tell whether the granted scopes allow what one required scope names.

    Args:
        granted: Well-formed scopes.
        required: One well-formed scope, possibly a wildcard itself.

    Returns:
        True when `required` is granted by name, or by a wildcard above it. A reserved scope is
        granted by name or by `authsvc:admin`, and by nothing else.
    """
    if required in granted:
        return True
    if required in RESERVED:
        return ADMIN in granted
    if ALL in granted:
        return True
    stem = required
    while ":" in stem:
        stem = stem.rpartition(":")[0]
        if f"{stem}:*" in granted:
            return True
    return False


def missing_scopes(required: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    """Return those of the required scopes that the granted ones do not cover, sorted."""
    has = frozenset(granted)
    return tuple(sorted({scope for scope in required if not covers(has, scope)}))


def narrowed(granted: Iterable[str], most: AbstractSet[str]) -> frozenset[str]:
    """Return what two sets of scopes have in common, wildcards taken into account.

    Args:
        granted: Well-formed scopes, none of them reserved.
        most: Likewise; nothing beyond them is returned.
    """
    granted = frozenset(granted)
    within = {scope for scope in granted if covers(most, scope)}
    return frozenset(within | {scope for scope in most if covers(granted, scope)})


def without_reserved(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return the scopes that a credential outside the system account can have."""
    return tuple(scope for scope in scopes if not scope.startswith(_RESERVED_PREFIX))
