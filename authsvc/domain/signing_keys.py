"""The keys that sign access tokens, as they are stored: the private part sealed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class SigningAlgorithm(StrEnum):
    """JWS algorithms (RFC 7518 section 3.1, RFC 8037). One key has one algorithm, for ever."""

    ES256 = "ES256"
    HS256 = "HS256"
    RS256 = "RS256"
    EDDSA = "EdDSA"


@dataclass(frozen=True, slots=True)
class SealedSigningKey:
    """A signing key whose private part is encrypted."""

    kid: str
    algorithm: SigningAlgorithm
    public_key: bytes | None
    """DER SubjectPublicKeyInfo; None for HS256, which has no public part."""
    sealed_private_key: bytes = field(repr=False)
    create_time: datetime
