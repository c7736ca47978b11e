"""Public keys, and the signatures that they verify. Depends on PyJWT and cryptography.

The algorithm is taken from the key and never from the token (RFC 8725 section 3.1). Nothing but
the token verifiers imports this, and they do it late: both libraries are optional.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

if TYPE_CHECKING:
    from orchestrator.auth._signing_key_model import JsonWebKey

_ALGORITHMS: Final = frozenset({"ES256", "RS256", "EdDSA"})
_FEWEST_RSA_BITS: Final = 2048  # RFC 7518 section 3.3
_JWS: Final = jwt.PyJWS()

Material: TypeAlias = EllipticCurvePublicKey | RSAPublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True, eq=False)
class PublicKey:
    """A key that verifies signatures of one algorithm."""

    algorithm: str
    material: Material = field(repr=False)
    source: JsonWebKey

    def payload_of(self, token: str) -> bytes | None:
        """Return the payload of a token that this key signed; None of any other.

        Args:
            token: Three base64url segments joined by dots, the last possibly empty.
        """
        try:
            payload = _JWS.decode(token, self.material, algorithms=[self.algorithm])
        except jwt.PyJWTError:
            return None
        return payload if isinstance(payload, bytes) else None


def read_key(source: JsonWebKey) -> PublicKey | None:
    """Return a key of the set; None when it is none that signatures can be verified with here."""
    if source.use != "sig" or source.alg not in _ALGORITHMS:
        return None
    try:
        material = jwt.PyJWK.from_dict(source.as_dict(), algorithm=source.alg).key
    except (jwt.PyJWTError, ValueError):
        return None
    match source.alg, material:
        case ("ES256", EllipticCurvePublicKey(curve=SECP256R1())):
            return PublicKey(source.alg, material, source)
        case ("RS256", RSAPublicKey()) if material.key_size >= _FEWEST_RSA_BITS:
            return PublicKey(source.alg, material, source)
        case ("EdDSA", Ed25519PublicKey()):
            return PublicKey(source.alg, material, source)
    return None
