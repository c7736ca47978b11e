"""Signing keys: made, and read back under their own algorithm only."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from authsvc.domain.signing_keys import SigningAlgorithm
from authsvc.tokens.key_material import generate, load_private_key, load_public_key
from tests.unit.forging import Issuer

Issuers = Mapping[SigningAlgorithm, Issuer]
ASYMMETRIC = [a for a in SigningAlgorithm if a is not SigningAlgorithm.HS256]
FOREIGN: dict[str, Callable[[], ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey]] = {
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "Ed448": ed448.Ed448PrivateKey.generate,
}


def _foreign(name: str) -> tuple[bytes, bytes]:
    key = FOREIGN[name]()
    return (
        key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    )


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        (SigningAlgorithm.ES256, ec.EllipticCurvePublicKey),
        (SigningAlgorithm.RS256, rsa.RSAPublicKey),
        (SigningAlgorithm.EDDSA, ed25519.Ed25519PublicKey),
    ],
)
def test_a_public_key_is_read_as_its_kind(
    issuers: Issuers, algorithm: SigningAlgorithm, kind: type
) -> None:
    public_bytes = issuers[algorithm].public_bytes

    assert isinstance(load_public_key(algorithm, public_bytes or b""), kind)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_the_private_key_belongs_to_the_public_one(
    issuers: Issuers, algorithm: SigningAlgorithm
) -> None:
    issuer = issuers[algorithm]

    private_key = load_private_key(algorithm, issuer.private_bytes)

    assert not isinstance(private_key, bytes)
    assert (
        private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        == issuer.public_bytes
    )


def test_an_rsa_key_has_3072_bits(issuers: Issuers) -> None:
    key = load_private_key(SigningAlgorithm.RS256, issuers[SigningAlgorithm.RS256].private_bytes)

    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 3072


def test_an_hmac_key_is_32_bytes_of_the_random_source() -> None:
    assert generate(SigningAlgorithm.HS256, lambda n: b"\x05" * n) == (b"\x05" * 32, None)


def test_an_hmac_key_is_read_as_it_is() -> None:
    assert load_private_key(SigningAlgorithm.HS256, b"\x05" * 32) == b"\x05" * 32


@pytest.mark.parametrize("algorithm", [SigningAlgorithm.ES256, SigningAlgorithm.EDDSA])
def test_two_keys_differ(algorithm: SigningAlgorithm) -> None:
    assert generate(algorithm, os.urandom)[0] != generate(algorithm, os.urandom)[0]


@pytest.mark.parametrize(("algorithm", "other"), list(itertools.permutations(ASYMMETRIC, 2)))
def test_a_public_key_of_another_algorithm_is_refused(
    issuers: Issuers, algorithm: SigningAlgorithm, other: SigningAlgorithm
) -> None:
    with pytest.raises(TypeError, match="not a public key for"):
        load_public_key(algorithm, issuers[other].public_bytes or b"")


@pytest.mark.parametrize(("algorithm", "other"), list(itertools.permutations(ASYMMETRIC, 2)))
def test_a_private_key_of_another_algorithm_is_refused(
    issuers: Issuers, algorithm: SigningAlgorithm, other: SigningAlgorithm
) -> None:
    with pytest.raises(TypeError, match="not a private key for"):
        load_private_key(algorithm, issuers[other].private_bytes)


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_private_key_of_a_foreign_kind_is_refused(algorithm: SigningAlgorithm, name: str) -> None:
    with pytest.raises(TypeError, match="not a private key for"):
        load_private_key(algorithm, _foreign(name)[0])


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_public_key_of_a_foreign_kind_is_refused(algorithm: SigningAlgorithm, name: str) -> None:
    with pytest.raises(TypeError, match="not a public key for"):
        load_public_key(algorithm, _foreign(name)[1])


def test_an_hmac_secret_has_no_public_part_to_read(issuers: Issuers) -> None:
    public_bytes = issuers[SigningAlgorithm.ES256].public_bytes

    with pytest.raises(TypeError, match="not a public key for HS256"):
        load_public_key(SigningAlgorithm.HS256, public_bytes or b"")
