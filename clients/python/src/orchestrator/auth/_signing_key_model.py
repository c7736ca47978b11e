"""What the clients return about the keys of access tokens: frozen values."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from orchestrator.auth._enums import SigningKeyState


@dataclass(frozen=True, slots=True)
class JsonWebKey:
    """A public key that access tokens are verified with (RFC 7517).

    Numbers and coordinates are base64url; what a type of key does not have is empty.
    """

    kid: str
    kty: str
    alg: str
    use: str
    crv: str = ""
    x: str = ""
    y: str = ""
    n: str = ""
    e: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the key as libraries for JWTs take it, without what is empty."""
        members = {member.name: getattr(self, member.name) for member in fields(self)}
        return {name: value for name, value in members.items() if value}


@dataclass(frozen=True, slots=True)
class Jwks:
    """The public keys that access tokens are verified with."""

    keys: tuple[JsonWebKey, ...]
    max_age: timedelta
    """How long they may be kept."""

    def as_dict(self) -> dict[str, list[dict[str, str]]]:
        """Return the set as libraries for JWTs take it (RFC 7517 section 5)."""
        return {"keys": [key.as_dict() for key in self.keys]}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs access tokens, without the key itself."""

    kid: str
    algorithm: str
    state: SigningKeyState
    create_time: datetime
    activate_time: datetime
    """When it begins, or began, to sign."""
    retire_time: datetime | None
    """When it stops verifying; None before the key that comes after it is there."""


@dataclass(frozen=True, slots=True)
class RotatedSigningKey:
    """The outcome of a rotation."""

    key: SigningKey
    """The new key, or the one that waited to sign already."""
    ended_kids: tuple[str, ...]
    """The keys that were deleted, after a compromise."""
