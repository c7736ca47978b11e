"""Another encryption key: what can be opened, and what is sealed anew."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

import pytest

from authsvc.domain.signing_keys import SigningAlgorithm
from authsvc.tokens.page_tokens import PageTokens
from authsvc.tokens.sealing import SealBroken, Sealer
from authsvc.tokens.stored_keys import Seal, StoredKeys
from authsvc.usecases.reencrypt_keyring import ReencryptKeyring
from tests.unit.examples import ORIGIN, NoHurry
from tests.unit.forging import NOW, Issuer, KeysInMemory

Issuers = Mapping[SigningAlgorithm, Issuer]
ES256, HS256 = SigningAlgorithm.ES256, SigningAlgorithm.HS256
NO_HURRY = NoHurry()
OLD_KEY, NEW_KEY, STRANGE_KEY = (bytes([number]) * 32 for number in (1, 2, 3))
OLD, NEW, STRANGE = (Sealer(key, os.urandom) for key in (OLD_KEY, NEW_KEY, STRANGE_KEY))


def seals(current: Sealer = NEW, previous: Sealer | None = OLD) -> StoredKeys:
    return StoredKeys(sealer=current, previous=previous, random_bytes=os.urandom)


@pytest.fixture
def store(issuers: Issuers) -> KeysInMemory:
    return KeysInMemory(issuers[ES256].sealed_by(OLD), issuers[HS256].sealed_by(NEW))


@pytest.mark.parametrize("algorithm", [ES256, HS256])
@pytest.mark.parametrize("sealer", [OLD, NEW])
def test_what_is_sealed_under_either_key_can_be_opened(
    issuers: Issuers, algorithm: SigningAlgorithm, sealer: Sealer
) -> None:
    key = issuers[algorithm].sealed_by(sealer)

    seals().check_seal(key)
    assert seals().open_signing_key(key).kid == key.kid
    assert seals().open_verification_key(key).algorithm is algorithm


def test_a_third_key_opens_nothing(issuers: Issuers) -> None:
    key = issuers[ES256].sealed_by(STRANGE)

    with pytest.raises(SealBroken, match="AUTHSVC_ENCRYPTION_KEY_PREVIOUS"):
        seals().check_seal(key)


def test_without_a_previous_key_only_the_present_one_opens(issuers: Issuers) -> None:
    with pytest.raises(SealBroken):
        seals(previous=None).check_seal(issuers[ES256].sealed_by(OLD))


async def test_what_is_new_is_sealed_under_the_present_key() -> None:
    key = await seals().make(ES256, NOW, NOW)

    seals(previous=None).check_seal(key)


@pytest.mark.parametrize(
    ("sealer", "seal"), [(NEW, Seal.CURRENT), (OLD, Seal.PREVIOUS), (STRANGE, Seal.BROKEN)]
)
def test_a_seal_is_told(issuers: Issuers, sealer: Sealer, seal: Seal) -> None:
    assert seals().seal_of(issuers[ES256].sealed_by(sealer)) is seal


async def test_what_is_sealed_under_the_previous_key_is_sealed_anew(store: KeysInMemory) -> None:
    current = store.keys[1]

    done = await ReencryptKeyring(keys=store, seals=seals())(ORIGIN, NO_HURRY)

    assert (done.resealed, done.current) == (("jwk_es256",), ("jwk_hs256",))
    assert store.keys[1] == current
    for key in store.keys:
        seals(previous=None).check_seal(key)


async def test_a_key_is_the_same_under_its_new_seal(store: KeysInMemory) -> None:
    before = seals().reseal(store.keys[0])
    resealed = replace(store.keys[0], sealed_private_key=before)

    assert resealed.public_key == store.keys[0].public_key
    assert seals().open_verification_key(resealed).algorithm is ES256


async def test_a_repeat_changes_nothing(store: KeysInMemory) -> None:
    reencrypt = ReencryptKeyring(keys=store, seals=seals())
    await reencrypt(ORIGIN, NO_HURRY)
    after = list(store.keys)

    done = await reencrypt(ORIGIN, NO_HURRY)

    assert (done.resealed, done.current) == ((), ("jwk_es256", "jwk_hs256"))
    assert store.keys == after


async def test_a_key_that_nobody_can_open_ends_it(issuers: Issuers) -> None:
    store = KeysInMemory(issuers[ES256].sealed_by(STRANGE))

    with pytest.raises(SealBroken):
        await ReencryptKeyring(keys=store, seals=seals())(ORIGIN, NO_HURRY)


async def test_a_key_that_was_deleted_meanwhile_is_not_counted(store: KeysInMemory) -> None:
    class Vanishing(KeysInMemory):
        async def reseal_signing_key(self, *_arguments: object) -> bool:
            return False

    done = await ReencryptKeyring(keys=Vanishing(*store.keys), seals=seals())(ORIGIN, NO_HURRY)

    assert done.resealed == ()


def test_page_tokens_of_the_previous_key_can_be_read() -> None:
    token = PageTokens(OLD_KEY).make("key_1", "keys")

    assert PageTokens(NEW_KEY, OLD_KEY).read(token, "keys") == "key_1"
    assert PageTokens(NEW_KEY, STRANGE_KEY).read(token, "keys") is None
    assert PageTokens(NEW_KEY).read(token, "keys") is None


def test_new_page_tokens_are_of_the_present_key() -> None:
    token = PageTokens(NEW_KEY, OLD_KEY).make("key_1", "keys")

    assert PageTokens(NEW_KEY).read(token, "keys") == "key_1"
