"""Key sets of other issuers: which keys may be used, and with which algorithm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from authsvc.domain.foreign_issuers import ForeignAlgorithm as Algorithm
from authsvc.tokens.foreign.failures import KeysNotFetched
from authsvc.tokens.foreign.key_sets import IssuerKey, fitting, read_key_set
from tests.unit.forging import b64

DEFAULT = (Algorithm.RS256, Algorithm.ES256)
RSA: dict[str, Any] = RSAKey.generate_key(2048, private=True).as_dict(private=False)
P256: dict[str, Any] = ECKey.generate_key("P-256", private=True).as_dict(private=False)
P384 = ECKey.generate_key("P-384", private=True).as_dict(private=False)
P521 = ECKey.generate_key("P-521", private=True).as_dict(private=False)
ED25519 = OKPKey.generate_key("Ed25519", private=True).as_dict(private=False)
GOOD = P256 | {"kid": "good"}


def read(*keys: Any, accepted: tuple[Algorithm, ...] = DEFAULT) -> list[IssuerKey]:  # noqa: ANN401
    return list(read_key_set(json.dumps({"keys": keys}).encode(), accepted))


def algorithms(*keys: Any, accepted: tuple[Algorithm, ...] = DEFAULT) -> list[str]:  # noqa: ANN401
    return [key.algorithm.value for key in read(*keys, accepted=accepted)]


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSA, "RS256"),
        (RSA | {"alg": "PS384"}, "PS384"),
        (P256, "ES256"),
        (P384, "ES384"),
        (P521, "ES512"),
        (ED25519, "EdDSA"),
    ],
)
def test_a_key_has_the_algorithm_that_it_names_or_that_fits(
    key: dict[str, Any], algorithm: str
) -> None:
    assert algorithms(key, accepted=tuple(Algorithm)) == [algorithm]


def test_of_several_accepted_algorithms_that_fit_the_first_is_meant() -> None:
    accepted = (Algorithm.PS256, Algorithm.RS256)

    assert algorithms(RSA, accepted=accepted) == ["PS256"]


@pytest.mark.parametrize(
    "key",
    [
        RSA | {"alg": "RS512"},
        RSA | {"alg": "HS256"},
        RSA | {"alg": "none"},
        RSA | {"alg": "ES256"},
        P256 | {"alg": "RS256"},
        RSA | {"use": "enc"},
        RSA | {"key_ops": ["sign"]},
        RSA | {"key_ops": "verify"},
        RSA | {"kid": 7},
        RSA | {"kty": "oct"},
        RSA | {"n": 7},
        RSA | {"n": RSA["n"] + "="},
        RSA | {"e": "AA"},
        RSA | {"e": "AQAAAAAAAAAAAQ"},
        {"kty": "RSA"},
        P256 | {"crv": "secp256k1"},
        P256 | {"crv": "P-384"},
        P256 | {"x": P256["y"]},
        P384,
        ED25519,
        RSA | {"n": b64((1 << 1023 | 1).to_bytes(128))},
        RSA | {"n": b64((1 << 8192 | 1).to_bytes(1025))},
        ECKey.generate_key("P-256", private=True).as_dict(private=True),
        OctKey.generate_key(256).as_dict(private=True),
        {},
        "key",
    ],
)
def test_a_key_that_may_not_be_used_is_left_out(key: object) -> None:
    assert [one.kid for one in read(key, GOOD)] == ["good"]


def test_a_key_for_checking_signatures_says_so_or_nothing() -> None:
    assert read(RSA | {"use": "sig", "key_ops": ["sign", "verify"], "x5t": "whatever"})


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [{}]}',
        b'{"keys": [], "keys": []}',
        b"[" * 100_000,
        json.dumps({"keys": [GOOD | {"kid": str(number)} for number in range(51)]}).encode(),
    ],
    ids=lambda document: repr(document[:20]),
)
def test_a_set_without_a_key_to_use_or_with_too_many_is_refused(document: bytes) -> None:
    with pytest.raises(KeysNotFetched):
        read_key_set(document, DEFAULT)


def test_fifty_keys_are_not_too_many() -> None:
    assert len(read(*(GOOD | {"kid": str(number)} for number in range(50)))) == 50


def test_a_key_read_again_is_the_same_key_and_another_is_not() -> None:
    (one,), (again,), (other,) = read(GOOD), read(GOOD), read(P256 | {"kid": "other"})

    assert one == again
    assert one != other
    assert len(read(GOOD, GOOD)) == 1


def test_a_header_means_the_key_that_it_names() -> None:
    other = ECKey.generate_key("P-256", private=True).as_dict(private=False)
    keys = read(GOOD, other | {"kid": "other"}, RSA | {"kid": "good"})

    def meant(kid: str | None, algorithm: Algorithm) -> list[str]:
        return [f"{key.kid} {key.algorithm}" for key in fitting(keys, kid, algorithm)]

    assert meant("good", Algorithm.ES256) == ["good ES256"]
    assert meant("good", Algorithm.RS256) == ["good RS256"]
    assert meant("unknown", Algorithm.ES256) == []
    assert meant("other", Algorithm.RS256) == []
    assert meant(None, Algorithm.RS256) == ["good RS256"]
    assert meant(None, Algorithm.ES256) == ["good ES256", "other ES256"]


def test_a_set_of_another_library_is_read() -> None:
    keys = KeySet([RSAKey.generate_key(2048, private=True), ECKey.generate_key("P-256")])

    assert len(read(*keys.as_dict(private=False)["keys"])) == 2
