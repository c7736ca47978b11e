"""Forged signatures, and keys taken for what they are not: TOKEN_INVALID, and no exception.

Every forgery differs from the accepted control token in one thing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Callable, Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)

from authsvc.domain.signing_keys import SigningAlgorithm
from tests.unit.forging import (
    CLAIMS,
    Issuer,
    b64,
    compact_json,
    is_accepted,
    sign,
    with_spare_bits_changed,
)

Issuers = Mapping[SigningAlgorithm, Issuer]
ES256, HS256 = SigningAlgorithm.ES256, SigningAlgorithm.HS256
RS256, EDDSA = SigningAlgorithm.RS256, SigningAlgorithm.EDDSA
ASYMMETRIC = [ES256, RS256, EDDSA]


@pytest.fixture(params=list(SigningAlgorithm))
def issuer(issuers: Issuers, request: pytest.FixtureRequest) -> Issuer:
    return issuers[request.param]


async def test_the_control_tokenis_accepted(issuer: Issuer) -> None:
    assert await is_accepted(issuer.token(), issuer)


def _flipped(signature: str, position: int) -> str:
    data = bytearray(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    data[position] ^= 0x01
    return b64(bytes(data))


SIGNATURES: dict[str, Callable[[str], str]] = {
    "none": lambda _: "",
    "one byte": lambda _: "AA",
    "zeros": lambda s: "A" * len(s),
    "first bit flipped": lambda s: _flipped(s, 0),
    "last bit flipped": lambda s: _flipped(s, -1),
    "cut off": lambda s: s[:-4],
    "cut at the front": lambda s: s[4:],
    "twice": lambda s: s + s,
    "something behind it": lambda s: s + "AAAA",
    "padded": lambda s: s + "=",
    "fully padded": lambda s: s + "=" * (-len(s) % 4 or 4),
    "spare bits set": lambda s: with_spare_bits_changed(s) if len(s) % 4 else s[:-1] + "=",
    "newline behind it": lambda s: s + "\n",
    "standard base64 alphabet": lambda s: "+/" + s[2:],
}


@pytest.mark.parametrize("attack", SIGNATURES)
async def test_a_token_with_a_bad_signature_is_invalid(issuer: Issuer, attack: str) -> None:
    message, _, signature = issuer.token().rpartition(".")

    assert not await is_accepted(f"{message}.{SIGNATURES[attack](signature)}", issuer)


async def test_a_token_without_its_signature_is_invalid(issuer: Issuer) -> None:
    token = issuer.token(header=issuer.header(alg="none"))

    assert not await is_accepted(token.rpartition(".")[0] + ".", issuer)


@pytest.mark.parametrize("changed", ["header", "payload"])
async def test_a_signature_over_something_else_is_invalid(issuer: Issuer, changed: str) -> None:
    header, payload, signature = issuer.token().split(".")
    if changed == "header":
        header = b64(compact_json(issuer.header(typ="AT+JWT")))
    else:
        payload = b64(compact_json(CLAIMS | {"sub": "user_2"}))

    assert not await is_accepted(f"{header}.{payload}.{signature}", issuer)


@pytest.mark.parametrize("algorithm", [ES256, EDDSA, HS256])
async def test_a_signature_of_another_key_is_invalid(
    issuers: Issuers, algorithm: SigningAlgorithm
) -> None:
    stranger = Issuer.with_new_key(algorithm, os.urandom)

    assert not await is_accepted(stranger.token(), issuers[algorithm])


def _public_key_as(issuer: Issuer, form: str) -> bytes:
    key = load_der_public_key(issuer.public_bytes or b"")
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {"DER": issuer.public_bytes or b"", "PEM": pem, "PEM, stripped": pem.strip()}[form]


@pytest.mark.parametrize("form", ["DER", "PEM", "PEM, stripped"])
@pytest.mark.parametrize("algorithm", ASYMMETRIC)
async def test_a_public_key_is_no_hmac_secret(
    issuers: Issuers, algorithm: SigningAlgorithm, form: str
) -> None:
    victim = issuers[algorithm]
    message = f"{b64(compact_json(victim.header(alg='HS256')))}.{b64(compact_json(CLAIMS))}"
    secret = _public_key_as(victim, form)
    signature = hmac.digest(secret, message.encode(), hashlib.sha256)

    assert not await is_accepted(f"{message}.{b64(signature)}", victim)


@pytest.mark.parametrize("named", SigningAlgorithm)
@pytest.mark.parametrize("signed", SigningAlgorithm)
@pytest.mark.parametrize("kid_of", SigningAlgorithm)
async def test_only_the_keys_own_algorithmis_accepted(
    issuers: Issuers,
    kid_of: SigningAlgorithm,
    signed: SigningAlgorithm,
    named: SigningAlgorithm,
) -> None:
    header = {"alg": named.value, "kid": issuers[kid_of].kid, "typ": "at+jwt"}
    token = issuers[signed].token(header=header)

    accepted = await is_accepted(token, *issuers.values())

    assert accepted == (kid_of is signed is named)


async def test_a_signature_on_another_curve_is_invalid(issuers: Issuers) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    private_bytes = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    stranger = Issuer(issuers[ES256].kid, ES256, private_bytes, None)

    assert not await is_accepted(stranger.token(), issuers[ES256])


async def test_a_der_signature_is_no_jws_signature(issuers: Issuers) -> None:
    message, _, signature = issuers[ES256].token().rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    der = encode_dss_signature(r, s)

    assert not await is_accepted(f"{message}.{b64(der)}", issuers[ES256])


@pytest.mark.parametrize("r_and_s", [(0, 0), (1, 0), (0, 1), (2**256 - 1, 2**256 - 1)])
async def test_a_signature_outside_the_group_is_invalid(
    issuers: Issuers, r_and_s: tuple[int, int]
) -> None:
    message = issuers[ES256].token().rpartition(".")[0]
    signature = b"".join(number.to_bytes(32, "big") for number in r_and_s)

    assert not await is_accepted(f"{message}.{b64(signature)}", issuers[ES256])


@pytest.mark.parametrize("segments", [1, 2, 4, 5])
async def test_another_number_of_segments_is_invalid(issuer: Issuer, segments: int) -> None:
    parts = [*issuer.token().split("."), "AAAA", "AAAA"][:segments]

    assert not await is_accepted(".".join(parts), issuer)


async def test_a_payload_of_two_segments_with_a_good_signature_is_invalid(issuer: Issuer) -> None:
    token = issuer.signed(b64(compact_json(issuer.header())), f"{b64(compact_json(CLAIMS))}.AAAA")

    assert not await is_accepted(token, issuer)


@pytest.mark.parametrize("token", ["..", "a..", ".a.", "a.b.c", "=.=.=", "é.é.é", "\0.\0.\0"])
async def test_a_token_of_nothing_is_invalid(issuers: Issuers, token: str) -> None:
    assert not await is_accepted(token, *issuers.values())


def test_the_signing_of_the_tests_is_that_of_the_algorithm() -> None:
    assert sign(HS256, b"k" * 32, b"m") == hmac.digest(b"k" * 32, b"m", hashlib.sha256)
