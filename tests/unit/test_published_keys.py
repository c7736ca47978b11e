"""The public keys: which are among them, in which form, and how old they may be."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.json_web_keys import JsonWebKey
from authsvc.domain.signing_keys import LONGEST_TOKEN_LIFE, SigningAlgorithm
from authsvc.tokens.json_web_keys import json_web_key
from authsvc.tokens.keyring import Keyring
from authsvc.tokens.stored_keys import VerificationKey
from tests.unit.examples import NoHurry
from tests.unit.forging import (
    NOW,
    RULES,
    SEALER,
    Issuer,
    KeysInMemory,
    Watch,
    a_keyring,
    stored_keys,
)

Issuers = Mapping[SigningAlgorithm, Issuer]
ES256, HS256 = SigningAlgorithm.ES256, SigningAlgorithm.HS256
NO_HURRY = NoHurry()


def decoded(text: str) -> bytes:
    assert "=" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(text: str) -> int:
    return int.from_bytes(decoded(text), "big")


def jwk_of(issuer: Issuer) -> JsonWebKey:
    key = stored_keys().open_verification_key(issuer.sealed_by(SEALER))
    jwk = json_web_key(issuer.kid, key)
    assert jwk is not None
    assert (jwk.kid, jwk.alg, jwk.use) == (issuer.kid, issuer.algorithm, "sig")
    return jwk


def public_of(issuer: Issuer) -> object:
    assert issuer.public_bytes is not None
    return load_der_public_key(issuer.public_bytes)


def test_a_key_of_es256_is_its_point(issuers: Issuers) -> None:
    jwk, public = jwk_of(issuers[ES256]), public_of(issuers[ES256])

    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert (jwk.kty, jwk.crv) == ("EC", "P-256")
    assert (number(jwk.x), number(jwk.y)) == (
        public.public_numbers().x,
        public.public_numbers().y,
    )
    assert set(jwk.members()) == {"kid", "kty", "alg", "use", "crv", "x", "y"}


def test_a_key_of_rs256_is_its_numbers(issuers: Issuers) -> None:
    jwk, public = (
        jwk_of(issuers[SigningAlgorithm.RS256]),
        public_of(issuers[SigningAlgorithm.RS256]),
    )

    assert isinstance(public, rsa.RSAPublicKey)
    assert (number(jwk.n), jwk.e) == (public.public_numbers().n, "AQAB")
    assert decoded(jwk.n)[0] != 0
    assert set(jwk.members()) == {"kid", "kty", "alg", "use", "n", "e"}


def test_a_key_of_eddsa_is_its_octets(issuers: Issuers) -> None:
    jwk, public = (
        jwk_of(issuers[SigningAlgorithm.EDDSA]),
        public_of(issuers[SigningAlgorithm.EDDSA]),
    )

    assert isinstance(public, ed25519.Ed25519PublicKey)
    assert (jwk.kty, jwk.crv, jwk.alg) == ("OKP", "Ed25519", "EdDSA")
    assert decoded(jwk.x) == public.public_bytes_raw()
    assert set(jwk.members()) == {"kid", "kty", "alg", "use", "crv", "x"}


@given(st.integers(1, 2**40))
def test_coordinates_have_their_full_length(secret: int) -> None:
    public = ec.derive_private_key(secret, ec.SECP256R1()).public_key()

    jwk = json_web_key("jwk_1", VerificationKey(ES256, public))

    assert jwk is not None
    assert (len(decoded(jwk.x)), len(decoded(jwk.y))) == (32, 32)


def test_a_key_of_hs256_is_never_public() -> None:
    assert json_web_key("jwk_1", VerificationKey(HS256, b"\x05" * 32)) is None


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def store(issuers: Issuers) -> KeysInMemory:
    """Two keys, of which the second signs in an hour, and one that is secret."""
    new = Issuer.with_new_key(ES256, bytes)
    return KeysInMemory(
        Issuer("jwk_next", ES256, new.private_bytes, new.public_bytes).sealed_by(
            SEALER, NOW + timedelta(hours=1)
        ),
        issuers[HS256].sealed_by(SEALER),
        issuers[ES256].sealed_by(SEALER),
    )


async def published(keyring: Keyring) -> list[str]:
    return [key.kid for key in await keyring.list_published(NO_HURRY)]


async def test_all_public_keys_that_verify_are_published_in_order(
    store: KeysInMemory, watch: Watch
) -> None:
    assert await published(a_keyring(store, watch)) == ["jwk_es256", "jwk_next"]


@pytest.mark.parametrize(("before", "kids"), [(1, ["jwk_es256", "jwk_next"]), (0, ["jwk_next"])])
async def test_a_retired_key_is_neither_published_nor_verifies(
    store: KeysInMemory, watch: Watch, before: int, kids: list[str]
) -> None:
    life = timedelta(hours=1) + LONGEST_TOKEN_LIFE + RULES.leeway
    watch.seconds += life.total_seconds() - before
    keyring = a_keyring(store, watch)

    assert await published(keyring) == kids
    key, _ = await keyring.find_verification_key("jwk_es256", fresh=False, deadline=NO_HURRY)
    assert (key is not None) is ("jwk_es256" in kids)


async def test_a_key_that_verified_until_it_retired_is_forgotten_by_the_next_read(
    store: KeysInMemory, watch: Watch
) -> None:
    keyring = a_keyring(store, watch)
    life = timedelta(hours=1) + LONGEST_TOKEN_LIFE + RULES.leeway
    watch.seconds += life.total_seconds() - 1
    await keyring.refresh(NO_HURRY)
    assert keyring.find_verification_key_now("jwk_es256") is not None
    watch.seconds += 1

    await keyring.refresh(NO_HURRY)

    assert keyring.find_verification_key_now("jwk_es256") is None


async def test_the_store_is_read_once_for_many_who_ask(store: KeysInMemory, watch: Watch) -> None:
    keyring = a_keyring(store, watch)
    for _ in range(100):
        await published(keyring)

    assert store.reads == 1


async def test_memory_answers_while_the_database_is_away_until_it_is_too_old(
    store: KeysInMemory, watch: Watch
) -> None:
    keyring = a_keyring(store, watch)
    await published(keyring)
    store.is_away = True
    watch.seconds += 5

    assert await published(keyring) == ["jwk_es256", "jwk_next"]
    watch.seconds += 0.1
    with pytest.raises(DatabaseUnavailable):
        await published(keyring)


@pytest.mark.parametrize(("age", "answers"), [(60.0, True), (60.1, False)])
async def test_memory_may_answer_longer_where_the_policy_says_so(
    store: KeysInMemory, watch: Watch, age: float, *, answers: bool
) -> None:
    keyring = a_keyring(store, watch, outage_max_age=timedelta(minutes=1))
    await published(keyring)
    store.is_away = True
    watch.seconds += age

    if answers:
        assert await published(keyring) == ["jwk_es256", "jwk_next"]
    else:
        with pytest.raises(DatabaseUnavailable):
            await published(keyring)


async def test_while_one_finds_out_whether_the_database_is_back_the_others_need_not_wait(
    store: KeysInMemory, watch: Watch
) -> None:
    keyring = a_keyring(store, watch, outage_max_age=timedelta(minutes=1))
    await published(keyring)
    watch.seconds += 10
    store.is_away = True
    await published(keyring)
    store.is_away = False
    store.may_answer.clear()
    first = asyncio.create_task(published(keyring))
    await asyncio.sleep(0)

    assert await published(keyring) == ["jwk_es256", "jwk_next"]
    store.may_answer.set()
    assert await first == ["jwk_es256", "jwk_next"]


async def test_a_key_whose_seal_is_broken_is_not_published(watch: Watch, issuers: Issuers) -> None:
    sealed = issuers[ES256].sealed_by(SEALER)
    other = Issuer.with_new_key(ES256, bytes).sealed_by(SEALER)
    stranger = KeysInMemory(
        type(sealed)(
            "jwk_es256",
            ES256,
            other.public_key,
            sealed.sealed_private_key,
            sealed.create_time,
            sealed.activate_time,
        )
    )

    assert await published(a_keyring(stranger, watch)) == []
