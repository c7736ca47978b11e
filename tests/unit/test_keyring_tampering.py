"""What somebody does to the keyring who can write to the database but has no encryption key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from authsvc.domain.signing_keys import SealedSigningKey, SigningAlgorithm
from authsvc.tokens.keyring import Keyring
from authsvc.tokens.sealing import SealBroken, Sealer
from tests.unit.examples import NoHurry
from tests.unit.forging import NOW, SEALER, Issuer, KeysInMemory, Watch, a_keyring

Issuers = Mapping[SigningAlgorithm, Issuer]
ES256, HS256, EDDSA = SigningAlgorithm.ES256, SigningAlgorithm.HS256, SigningAlgorithm.EDDSA
STRANGER = Sealer(bytes(32), lambda length: b"\x08" * length)
NO_HURRY = NoHurry()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def attacker() -> Issuer:
    made = Issuer.with_new_key(ES256, bytes)
    return Issuer("jwk_es256", ES256, made.private_bytes, made.public_bytes)


def _is_good_now(keyring: Keyring, kid: str) -> bool:
    return keyring.find_verification_key_now(kid) is not None


async def _is_good(keyring: Keyring, kid: str) -> bool:
    key, _ = await keyring.find_verification_key(kid, fresh=True, deadline=NO_HURRY)
    return key is not None


Tamper = Callable[[SealedSigningKey, Issuer, Issuers], SealedSigningKey]


def _with_another_public_key(
    row: SealedSigningKey, attacker: Issuer, _issuers: Issuers
) -> SealedSigningKey:
    return replace(row, public_key=attacker.public_bytes)


def _with_the_public_key_of_another_row(
    row: SealedSigningKey, _attacker: Issuer, issuers: Issuers
) -> SealedSigningKey:
    return replace(row, public_key=issuers[EDDSA].public_bytes)


def _as_another_algorithm(
    row: SealedSigningKey, _attacker: Issuer, _issuers: Issuers
) -> SealedSigningKey:
    return replace(row, algorithm=EDDSA)


def _as_a_shared_secret(
    row: SealedSigningKey, _attacker: Issuer, _issuers: Issuers
) -> SealedSigningKey:
    return replace(row, algorithm=HS256, public_key=None)


def _sealed_by_a_stranger(
    _row: SealedSigningKey, attacker: Issuer, _issuers: Issuers
) -> SealedSigningKey:
    return attacker.sealed_by(STRANGER)


def _with_a_seal_of_garbage(
    row: SealedSigningKey, attacker: Issuer, _issuers: Issuers
) -> SealedSigningKey:
    return replace(row, public_key=attacker.public_bytes, sealed_private_key=b"garbage")


def _without_a_seal(row: SealedSigningKey, attacker: Issuer, _issuers: Issuers) -> SealedSigningKey:
    return replace(row, public_key=attacker.public_bytes, sealed_private_key=b"")


TAMPERINGS = pytest.mark.parametrize(
    "tamper",
    [
        _with_another_public_key,
        _with_the_public_key_of_another_row,
        _as_another_algorithm,
        _as_a_shared_secret,
        _sealed_by_a_stranger,
        _with_a_seal_of_garbage,
        _without_a_seal,
    ],
)


@TAMPERINGS
async def test_a_tampered_key_verifies_nothing(
    issuers: Issuers, attacker: Issuer, watch: Watch, tamper: Tamper
) -> None:
    row = tamper(issuers[ES256].sealed_by(SEALER), attacker, issuers)

    assert not await _is_good(a_keyring(KeysInMemory(row), watch), "jwk_es256")


@TAMPERINGS
async def test_a_key_that_is_tampered_with_stops_at_the_next_read(
    issuers: Issuers, attacker: Issuer, watch: Watch, tamper: Tamper
) -> None:
    # Given a server that has the key in memory
    store = KeysInMemory(issuers[ES256].sealed_by(SEALER))
    keyring = a_keyring(store, watch)
    assert await _is_good(keyring, "jwk_es256")

    store.keys = [tamper(store.keys[0], attacker, issuers)]

    assert not await _is_good(keyring, "jwk_es256")
    assert not _is_good_now(keyring, "jwk_es256")


@TAMPERINGS
async def test_a_tampered_key_does_not_end_the_others(
    issuers: Issuers, attacker: Issuer, watch: Watch, tamper: Tamper
) -> None:
    tampered = tamper(issuers[ES256].sealed_by(SEALER), attacker, issuers)
    store = KeysInMemory(tampered, issuers[HS256].sealed_by(SEALER))

    assert await _is_good(a_keyring(store, watch), "jwk_hs256")


async def test_a_planted_key_under_a_new_name_verifies_nothing(
    issuers: Issuers, attacker: Issuer, watch: Watch
) -> None:
    genuine = issuers[ES256].sealed_by(SEALER)
    planted = replace(genuine, kid="jwk_planted", public_key=attacker.public_bytes)
    renamed = replace(genuine, kid="jwk_renamed")
    keyring = a_keyring(KeysInMemory(genuine, planted, renamed), watch)

    assert await _is_good(keyring, "jwk_es256")
    assert not await _is_good(keyring, "jwk_planted")
    assert not await _is_good(keyring, "jwk_renamed")


async def test_a_tampered_key_is_found_at_the_start(
    issuers: Issuers, attacker: Issuer, watch: Watch
) -> None:
    tampered = replace(issuers[ES256].sealed_by(SEALER), public_key=attacker.public_bytes)

    with pytest.raises(SealBroken, match="signing key jwk_es256"):
        await a_keyring(KeysInMemory(tampered), watch).check_seals(NO_HURRY)


async def test_a_genuine_key_that_comes_back_is_good_again(
    issuers: Issuers, attacker: Issuer, watch: Watch
) -> None:
    genuine = issuers[ES256].sealed_by(SEALER)
    store = KeysInMemory(replace(genuine, public_key=attacker.public_bytes))
    keyring = a_keyring(store, watch)
    assert not await _is_good(keyring, "jwk_es256")

    store.keys = [genuine]

    assert await _is_good(keyring, "jwk_es256")
    assert genuine.create_time == NOW
