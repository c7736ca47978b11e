"""Verification keys as JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037 section 2)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from authsvc.domain.json_web_keys import JsonWebKey
from authsvc.tokens.stored_keys import VerificationKey

_P256_BYTES: Final = 32


def json_web_key(kid: str, key: VerificationKey) -> JsonWebKey | None:
    """Return a key as the world may see it; None for HS256, whose only part is secret."""
    public, algorithm = key.key, key.algorithm.value
    if isinstance(public, bytes):
        return None
    if isinstance(public, rsa.RSAPublicKey):
        rsa_numbers = public.public_numbers()
        n, e = (_base64url(_minimal(number)) for number in (rsa_numbers.n, rsa_numbers.e))
        return JsonWebKey(kid=kid, kty="RSA", alg=algorithm, n=n, e=e)
    if isinstance(public, ec.EllipticCurvePublicKey):
        # Coordinates have the curve's full length, with zeros in front (RFC 7518 section 6.2.1.2).
        point = public.public_numbers()
        x, y = (_base64url(number.to_bytes(_P256_BYTES, "big")) for number in (point.x, point.y))
        return JsonWebKey(kid=kid, kty="EC", alg=algorithm, crv="P-256", x=x, y=y)
    x = _base64url(public.public_bytes_raw())
    return JsonWebKey(kid=kid, kty="OKP", alg=algorithm, crv="Ed25519", x=x)


def _minimal(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
