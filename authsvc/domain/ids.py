"""Type-prefixed, sortable identifiers that are safe to log: `key_01h2x…`.

They are TypeIDs (TypeID specification 0.3.0): a prefix and a UUIDv7 (RFC 9562) in base 32.
"""

from __future__ import annotations

import re
from uuid import UUID

from typeid import TypeID

ACCOUNT = "acct"
KEY = "key"
SIGNING_KEY = "jwk"
USER = "user"
SESSION = "sess"
AUDIT_EVENT = "evt"

_SUFFIX = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}")


def new_id(prefix: str) -> str:
    """Return a new identifier.

    Args:
        prefix: What it names: `ACCOUNT`, `KEY`, `SIGNING_KEY`, `USER` or `SESSION`.

    Returns:
        `<prefix>_` and 26 characters; later ones sort after earlier ones, to the millisecond.
    """
    return str(TypeID(prefix=prefix))


def is_id(text: str, prefix: str) -> bool:
    """Tell whether `text` is a well-formed identifier with this prefix."""
    head, _, suffix = text.partition("_")
    return head == prefix and _SUFFIX.fullmatch(suffix) is not None


def id_of(prefix: str, uuid: UUID) -> str:
    """Return the identifier that a UUID amounts to."""
    # The annotation of the library names one class of UUIDs, of which it needs the bytes only.
    return str(TypeID.from_uuid(uuid, prefix=prefix))  # type: ignore[arg-type]


def uuid_of(text: str) -> UUID:
    """Return the UUID of a well-formed identifier."""
    return UUID(bytes=TypeID.from_string(text).uuid.bytes)
