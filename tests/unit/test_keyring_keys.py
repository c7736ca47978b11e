"""The keyring: what it signs with, and how its keys are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from authsvc.domain.signing_keys import SigningAlgorithm
from authsvc.tokens.keyring import Keyring, SigningKeyMissing
from authsvc.tokens.sealing import SealBroken, Sealer
from tests.unit.examples import NoHurry
from tests.unit.forging import NOW, SEALER, Issuer, KeysInMemory, Watch, a_keyring

Issuers = Mapping[SigningAlgorithm, Issuer]
ES256, HS256 = SigningAlgorithm.ES256, SigningAlgorithm.HS256
NO_HURRY = NoHurry()
STRANGER = Sealer(bytes(32), bytes)


class NoTimeLeft:
    def remaining(self) -> float:
        return 0.0


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def store(issuers: Issuers) -> KeysInMemory:
    return KeysInMemory(issuers[ES256].sealed_by(SEALER))


@pytest.fixture
def keyring(store: KeysInMemory, watch: Watch) -> Keyring:
    return a_keyring(store, watch)


async def test_the_newest_key_of_the_algorithm_signs(issuers: Issuers, watch: Watch) -> None:
    old, new = issuers[ES256], Issuer.with_new_key(ES256, bytes)
    newer = Issuer("jwk_new", ES256, new.private_bytes, new.public_bytes)
    store = KeysInMemory(
        newer.sealed_by(SEALER),
        old.sealed_by(SEALER, NOW - timedelta(days=1)),
        issuers[HS256].sealed_by(SEALER),
    )

    key = await a_keyring(store, watch).get_signing_key(NO_HURRY)

    assert key.kid == "jwk_new"


async def test_without_a_key_of_the_algorithm_nothing_signs(issuers: Issuers, watch: Watch) -> None:
    keyring = a_keyring(KeysInMemory(issuers[HS256].sealed_by(SEALER)), watch)

    with pytest.raises(SigningKeyMissing, match="no ES256 key"):
        await keyring.get_signing_key(NO_HURRY)


async def test_seals_of_this_encryption_key_hold(keyring: Keyring) -> None:
    await keyring.check_seals(NO_HURRY)


@pytest.mark.parametrize("algorithm", [ES256, HS256])
async def test_seals_of_another_encryption_key_are_found(
    issuers: Issuers, watch: Watch, algorithm: SigningAlgorithm
) -> None:
    keyring = a_keyring(KeysInMemory(issuers[algorithm].sealed_by(STRANGER)), watch)

    with pytest.raises(SealBroken, match=f"signing key jwk_{algorithm.lower()}"):
        await keyring.check_seals(NO_HURRY)


async def test_a_sealed_key_cannot_stand_in_for_another(issuers: Issuers, watch: Watch) -> None:
    sealed = issuers[HS256].sealed_by(SEALER)
    renamed = replace(sealed, kid="jwk_other")

    with pytest.raises(SealBroken):
        await a_keyring(KeysInMemory(renamed), watch).check_seals(NO_HURRY)


def test_a_stored_key_does_not_show_its_private_part(issuers: Issuers) -> None:
    assert "sealed_private_key" not in repr(issuers[HS256].sealed_by(SEALER))
