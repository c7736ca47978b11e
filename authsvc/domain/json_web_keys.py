"""Public keys as JSON Web Keys (RFC 7517), for those who verify access tokens themselves."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Final

JWKS_MAX_AGE: Final = timedelta(minutes=5)
"""How long those who verify may keep the set. A key is published for longer before it signs."""


@dataclass(frozen=True, slots=True)
class JsonWebKey:
    """A public key. Members that its type does not have are empty.

    Numbers and coordinates are base64url without padding (RFC 7518 section 6, RFC 8037).
    """

    kid: str
    kty: str
    alg: str
    use: str = "sig"
    crv: str = ""
    x: str = ""
    y: str = ""
    n: str = ""
    e: str = ""

    def members(self) -> dict[str, str]:
        """Return the members that the key has, by name."""
        values = {member.name: getattr(self, member.name) for member in fields(self)}
        return {name: value for name, value in values.items() if value}
