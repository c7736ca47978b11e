"""The key material of each signing algorithm: made, serialised, and read back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from authsvc.domain.signing_keys import SigningAlgorithm

PrivateKey = bytes | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = bytes | ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

_HMAC_BYTES: Final = 32
_RSA_BITS: Final = 3072
_RSA_EXPONENT: Final = 65537


def generate(
    algorithm: SigningAlgorithm, random_bytes: Callable[[int], bytes]
) -> tuple[bytes, bytes | None]:
    """Make a new key.

    Args:
        algorithm: What it will sign with.
        random_bytes: A cryptographic source of randomness, for HS256.

    Returns:
        The private part (DER PKCS #8, or 32 bytes for HS256), and the public part (DER
        SubjectPublicKeyInfo, or None for HS256).
    """
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    match algorithm:
        case SigningAlgorithm.HS256:
            return random_bytes(_HMAC_BYTES), None
        case SigningAlgorithm.ES256:
            key = ec.generate_private_key(ec.SECP256R1())
        case SigningAlgorithm.RS256:
            key = rsa.generate_private_key(_RSA_EXPONENT, _RSA_BITS)
        case SigningAlgorithm.EDDSA:
            key = ed25519.Ed25519PrivateKey.generate()
    return (
        key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    )


def load_private_key(algorithm: SigningAlgorithm, private_bytes: bytes) -> PrivateKey:
    """Read the private part of a key, as `generate` made it, and hold it to its algorithm."""
    if algorithm is SigningAlgorithm.HS256:
        return private_bytes
    key = load_der_private_key(private_bytes, password=None)
    match algorithm:
        case SigningAlgorithm.ES256 if isinstance(key, ec.EllipticCurvePrivateKey):
            if isinstance(key.curve, ec.SECP256R1):
                return key
        case SigningAlgorithm.RS256 if isinstance(key, rsa.RSAPrivateKey):
            return key
        case SigningAlgorithm.EDDSA if isinstance(key, ed25519.Ed25519PrivateKey):
            return key
    raise TypeError(f"not a private key for {algorithm}")


def load_public_key(algorithm: SigningAlgorithm, public_bytes: bytes) -> PublicKey:
    """Read the public part of a key, as `generate` made it, and hold it to its algorithm."""
    key = load_der_public_key(public_bytes)
    match algorithm:
        case SigningAlgorithm.ES256 if isinstance(key, ec.EllipticCurvePublicKey):
            if isinstance(key.curve, ec.SECP256R1):
                return key
        case SigningAlgorithm.RS256 if isinstance(key, rsa.RSAPublicKey):
            return key
        case SigningAlgorithm.EDDSA if isinstance(key, ed25519.Ed25519PublicKey):
            return key
    raise TypeError(f"not a public key for {algorithm}")
