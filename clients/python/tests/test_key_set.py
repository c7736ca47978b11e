"""The public keys over time: the clock is the tests' own."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from orchestrator.auth import JsonWebKey, Jwks, MalformedResponse
from orchestrator.auth._key_set import KeySet, Missing
from orchestrator.auth._public_keys import PublicKey, read_key


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def ec_key(kid: str = "jwk_1", curve: ec.EllipticCurve | None = None) -> JsonWebKey:
    key = ec.generate_private_key(curve or ec.SECP256R1()).public_key()
    members: Any = jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True)
    return JsonWebKey(kid, "EC", "ES256", "sig", members["crv"], members["x"], members["y"])


def rsa_key(bits: int) -> JsonWebKey:
    key = rsa.generate_private_key(65537, bits).public_key()
    members: Any = jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True)
    return JsonWebKey("jwk_1", "RSA", "RS256", "sig", n=members["n"], e=members["e"])


def ed_key() -> JsonWebKey:
    raw = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    return JsonWebKey("jwk_1", "OKP", "EdDSA", "sig", "Ed25519", b64(raw))


class Keys:
    """A key set, and its clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.set = KeySet(
            read_key=read_key, longest_kept=timedelta(minutes=15), monotonic=lambda: self.now
        )

    def fetch(self, *keys: JsonWebKey) -> None:
        self.set.take(Jwks(keys, timedelta(minutes=5)), self.set.begin())

    def find(self, kid: str = "jwk_1", algorithm: str = "ES256") -> PublicKey | Missing:
        return self.set.find(kid, algorithm)


def test_the_first_token_has_the_keys_fetched() -> None:
    keys = Keys()

    assert keys.find() is Missing.FETCH
    keys.set.begin()
    assert keys.find() is Missing.UNUSABLE


def test_a_key_is_found_until_it_is_too_old() -> None:
    keys = Keys()
    keys.fetch(ec_key())

    keys.now += 900
    assert isinstance(keys.find(), PublicKey)
    keys.now += 1
    assert keys.find() is Missing.FETCH


def test_an_unknown_key_is_unknown_for_a_while_and_then_fetched() -> None:
    keys = Keys()
    keys.fetch(ec_key())

    assert keys.find("jwk_2") is Missing.UNKNOWN
    keys.now += 9.9
    assert keys.find("jwk_2") is Missing.UNKNOWN
    keys.now += 0.1
    assert keys.find("jwk_2") is Missing.FETCH
    # The attempt fails.
    keys.set.begin()
    assert keys.find("jwk_2") is Missing.UNUSABLE
    assert isinstance(keys.find(), PublicKey)


def test_keys_are_as_old_as_the_question() -> None:
    keys = Keys()
    began = keys.set.begin()
    keys.now += 20
    keys.set.take(Jwks((ec_key(),), timedelta(minutes=5)), began)

    assert keys.find("jwk_2") is Missing.FETCH


def test_a_key_that_is_gone_is_unknown() -> None:
    keys = Keys()
    keys.fetch(ec_key("jwk_1"))
    keys.fetch(ec_key("jwk_2"))

    assert keys.find("jwk_1") is Missing.UNKNOWN


def test_a_key_that_stays_is_the_same_and_another_is_not() -> None:
    keys, source = Keys(), ec_key()
    keys.fetch(source)
    first = keys.find()
    keys.fetch(source)
    second = keys.find()
    keys.fetch(ec_key())

    assert first is second
    assert keys.find() is not first


def test_two_keys_of_one_name_are_no_set() -> None:
    keys = Keys()

    with pytest.raises(MalformedResponse):
        keys.fetch(ec_key(), ec_key())
    assert keys.find() is Missing.UNUSABLE


def test_what_is_signed_with_a_secret_is_the_services_to_judge() -> None:
    keys = Keys()
    keys.fetch(ec_key())

    assert keys.find("jwk_2", "HS256") is Missing.UNUSABLE


def test_keys_are_fetched_again_long_before_they_are_too_old() -> None:
    keys = Keys()
    keys.fetch(ec_key())
    assert keys.set.pause() == pytest.approx(60)
    keys.now += 45
    assert keys.set.pause() == pytest.approx(15)
    keys.set.begin()
    assert keys.set.pause() == pytest.approx(5)


@pytest.mark.parametrize("source", [ec_key(), rsa_key(2048), ed_key()], ids=lambda key: key.alg)
def test_each_algorithm_has_its_kind_of_key(source: JsonWebKey) -> None:
    key = read_key(source)

    assert key is not None
    assert key.algorithm == source.alg
    assert source.x not in repr(key.material) or not source.x


@pytest.mark.parametrize(
    "source",
    [
        replace(ec_key(), use="enc"),
        replace(ec_key(), alg="ES384"),
        replace(ec_key(), alg="HS256"),
        replace(ec_key(), alg="RS256"),
        replace(ec_key(), alg=""),
        replace(ec_key(), x="AAAA"),
        replace(ec_key(), y=b64(bytes(32))),
        replace(ec_key(), crv="P-384"),
        replace(ec_key(), kty="oct"),
        ec_key(curve=ec.SECP384R1()),
        rsa_key(1024),
        replace(rsa_key(2048), alg="PS256"),
        replace(rsa_key(2048), e=""),
        replace(ed_key(), crv="X25519"),
        replace(ed_key(), x="AAAA"),
        JsonWebKey("jwk_1", "oct", "HS256", "sig", x="AAAA"),
    ],
    ids=range(16),
)
def test_what_is_no_key_to_verify_with_is_the_services_to_judge(source: JsonWebKey) -> None:
    keys = Keys()
    keys.fetch(source)

    assert keys.find("jwk_1", source.alg) is Missing.UNUSABLE
