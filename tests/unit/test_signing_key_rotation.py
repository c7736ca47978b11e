"""The rotation of signing keys: what is made, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import CallerNotPermitted, DatabaseUnavailable, InvalidRequest
from authsvc.domain.signing_keys import (
    KEPT_AFTER_RETIREMENT,
    LONGEST_TOKEN_LIFE,
    RotationSchedule,
    SealedSigningKey,
    SigningAlgorithm,
    SigningKeyState,
)
from authsvc.usecases.call import Call
from authsvc.usecases.keep_rotating import KeepRotating
from authsvc.usecases.rotate_signing_key import RotateSigningKey, RotationUrgency
from authsvc.usecases.signing_key_rotation import SigningKeyRotation
from tests.unit.examples import ORIGIN, NoHurry, a_system_caller
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
LEAD, DAY = timedelta(minutes=15), timedelta(days=1)
NO_HURRY = NoHurry()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def store(issuers: Issuers) -> KeysInMemory:
    return KeysInMemory(issuers[ES256].sealed_by(SEALER), issuers[HS256].sealed_by(SEALER))


def a_rotation(
    store: KeysInMemory, watch: Watch, algorithm: SigningAlgorithm = ES256
) -> SigningKeyRotation:
    return SigningKeyRotation(
        keys=store,
        maker=stored_keys(),
        schedule=RotationSchedule(lifetime=30 * DAY, lead=LEAD),
        algorithm=algorithm,
        leeway=RULES.leeway,
        clock=watch.now,
    )


@pytest.fixture
def rotation(store: KeysInMemory, watch: Watch) -> SigningKeyRotation:
    return a_rotation(store, watch)


@pytest.fixture
def rotate(rotation: SigningKeyRotation, store: KeysInMemory, watch: Watch) -> RotateSigningKey:
    return RotateSigningKey(rotation=rotation, published=a_keyring(store, watch), clock=watch.now)


def a_call(scope: str = "authsvc:admin") -> Call:
    return Call(a_system_caller(scope), NO_HURRY, ORIGIN)


@pytest.mark.parametrize("algorithm", list(SigningAlgorithm))
async def test_a_missing_key_is_made_and_signs_at_once(
    watch: Watch, algorithm: SigningAlgorithm
) -> None:
    store = KeysInMemory()

    await a_rotation(store, watch, algorithm).ensure_key(ORIGIN, NO_HURRY)

    (key,) = store.keys
    assert (key.algorithm, key.create_time, key.activate_time) == (algorithm, NOW, NOW)
    signing = await a_keyring(store, watch, algorithm).get_signing_key(NO_HURRY)
    assert signing.kid == key.kid


async def test_a_present_key_is_kept(rotation: SigningKeyRotation, store: KeysInMemory) -> None:
    before = list(store.keys)

    await rotation.ensure_key(ORIGIN, NO_HURRY)

    assert store.keys == before


async def test_a_first_key_that_another_replica_made_meanwhile_is_kept(
    watch: Watch, issuers: Issuers
) -> None:
    first = issuers[ES256].sealed_by(SEALER)

    class SeenTooEarly(KeysInMemory):
        async def list_signing_keys(self, deadline: Deadline) -> list[SealedSigningKey]:
            assert deadline
            return []

    store = SeenTooEarly(first)
    await a_rotation(store, watch).ensure_key(ORIGIN, NO_HURRY)

    assert store.keys == [first]


async def test_a_private_part_is_stored_sealed(watch: Watch) -> None:
    store = KeysInMemory()

    await a_rotation(store, watch, HS256).ensure_key(ORIGIN, NO_HURRY)

    assert b"\x05" * 32 not in store.keys[0].sealed_private_key


async def test_a_scheduled_key_is_published_now_and_signs_after_the_lead(
    rotate: RotateSigningKey, store: KeysInMemory, watch: Watch
) -> None:
    rotated = await rotate(RotationUrgency.SCHEDULED, a_call())

    key = rotated.life.key
    assert key in store.keys
    assert (key.create_time, key.activate_time) == (NOW, NOW + LEAD)
    assert rotated.life.state(rotated.as_of) is SigningKeyState.PUBLISHED
    assert rotated.ended == ()
    keyring = a_keyring(store, watch)
    assert (await keyring.get_signing_key(NO_HURRY)).kid == "jwk_es256"
    watch.seconds += LEAD.total_seconds()
    assert (await keyring.get_signing_key(NO_HURRY)).kid == key.kid


async def test_a_repeat_while_a_key_waits_finds_that_one(
    rotate: RotateSigningKey, store: KeysInMemory, watch: Watch
) -> None:
    first = await rotate(RotationUrgency.SCHEDULED, a_call())
    watch.seconds += 60

    second = await rotate(RotationUrgency.SCHEDULED, a_call())

    assert second.life.key == first.life.key
    assert len(store.keys) == 3


async def test_a_rotation_after_the_one_before_makes_another_key(
    rotate: RotateSigningKey, watch: Watch
) -> None:
    first = await rotate(RotationUrgency.SCHEDULED, a_call())
    watch.seconds += LEAD.total_seconds()

    second = await rotate(RotationUrgency.SCHEDULED, a_call())

    assert second.life.key != first.life.key


async def test_after_a_compromise_one_new_key_is_left_and_signs_at_once(
    rotate: RotateSigningKey, store: KeysInMemory, watch: Watch
) -> None:
    waiting = await rotate(RotationUrgency.SCHEDULED, a_call())

    rotated = await rotate(RotationUrgency.COMPROMISED, a_call())

    assert store.keys == [rotated.life.key]
    assert rotated.life.state(rotated.as_of) is SigningKeyState.SIGNING
    ended = {key.kid for key in rotated.ended}
    assert ended == {"jwk_es256", "jwk_hs256", waiting.life.key.kid}
    signing = await a_keyring(store, watch).get_signing_key(NO_HURRY)
    assert signing.kid == rotated.life.key.kid


async def test_this_process_knows_of_a_rotation_at_once(
    rotation: SigningKeyRotation, store: KeysInMemory, watch: Watch
) -> None:
    keyring = a_keyring(store, watch)
    await keyring.refresh(NO_HURRY)
    rotate = RotateSigningKey(rotation=rotation, published=keyring, clock=watch.now)

    rotated = await rotate(RotationUrgency.COMPROMISED, a_call())

    assert [key.kid for key in await keyring.list_published(NO_HURRY)] == [rotated.life.key.kid]


async def test_a_rotation_is_done_though_this_process_cannot_look_at_it(
    rotation: SigningKeyRotation, watch: Watch
) -> None:
    class Away:
        async def refresh(self, deadline: object) -> None:
            assert deadline
            raise DatabaseUnavailable

    rotate = RotateSigningKey(rotation=rotation, published=Away(), clock=watch.now)

    assert await rotate(RotationUrgency.SCHEDULED, a_call())


@pytest.mark.parametrize("scope", ["authsvc:keys", "authsvc:validate", "*"])
@pytest.mark.parametrize("urgency", [*RotationUrgency, None])
async def test_only_an_admin_may_rotate(
    rotate: RotateSigningKey, store: KeysInMemory, scope: str, urgency: RotationUrgency | None
) -> None:
    before = list(store.keys)

    with pytest.raises(CallerNotPermitted):
        await rotate(urgency, a_call(scope))

    assert store.keys == before


async def test_an_urgency_that_is_not_known_is_refused(
    rotate: RotateSigningKey, store: KeysInMemory
) -> None:
    before = list(store.keys)

    with pytest.raises(InvalidRequest, match="urgency"):
        await rotate(None, a_call())

    assert store.keys == before


async def test_a_rotation_is_logged_with_who_did_it(rotate: RotateSigningKey) -> None:
    with capture_logs() as logs:
        rotated = await rotate(RotationUrgency.COMPROMISED, a_call())

    (line,) = [line for line in logs if line["event"] == "signing key rotated"]
    assert (line["kid"], line["urgency"]) == (rotated.life.key.kid, "COMPROMISED")
    assert line["ended"] == ["jwk_es256", "jwk_hs256"]
    assert line["caller"] == a_call().caller.principal.actor


async def test_a_look_does_nothing_while_nothing_is_due(
    rotation: SigningKeyRotation, store: KeysInMemory, watch: Watch
) -> None:
    watch.seconds += (29 * DAY).total_seconds()
    before = list(store.keys)

    await KeepRotating(rotation=rotation, jitter=float).look_once(NO_HURRY)

    assert store.keys == before


async def test_a_look_publishes_the_next_key_before_the_old_one_ends(
    rotation: SigningKeyRotation, store: KeysInMemory, watch: Watch
) -> None:
    watch.seconds += (30 * DAY - LEAD).total_seconds()
    looking = KeepRotating(rotation=rotation, jitter=float)

    await looking.look_once(NO_HURRY)
    await looking.look_once(NO_HURRY)

    (key,) = [key for key in store.keys if key.create_time == watch.now()]
    assert (key.algorithm, key.activate_time) == (ES256, NOW + 30 * DAY)


async def test_a_key_that_another_replica_made_meanwhile_is_enough(
    rotation: SigningKeyRotation, store: KeysInMemory, watch: Watch
) -> None:
    # Given a replica that found a key to be due
    watch.seconds += (31 * DAY).total_seconds()
    decide_later = store.change_signing_keys

    # When another one is first
    other = a_rotation(store, watch)

    async def after_the_other(*arguments: object) -> object:
        store.change_signing_keys = decide_later  # type: ignore[method-assign]
        await other.add_next_if_due(ORIGIN, NO_HURRY)
        return await decide_later(*arguments)  # type: ignore[arg-type]

    store.change_signing_keys = after_the_other  # type: ignore[method-assign, assignment]

    # Then it makes none
    assert await rotation.add_next_if_due(ORIGIN, NO_HURRY) is None
    assert len(store.keys) == 3


async def test_keys_that_are_long_retired_are_deleted(
    rotation: SigningKeyRotation, rotate: RotateSigningKey, store: KeysInMemory, watch: Watch
) -> None:
    await rotate(RotationUrgency.SCHEDULED, a_call())
    looking = KeepRotating(rotation=rotation, jitter=float)
    retired = LEAD + LONGEST_TOKEN_LIFE + RULES.leeway
    watch.seconds += (retired + KEPT_AFTER_RETIREMENT).total_seconds() - 1

    await looking.look_once(NO_HURRY)
    assert "jwk_es256" in {key.kid for key in store.keys}
    watch.seconds += 1
    await looking.look_once(NO_HURRY)

    assert "jwk_es256" not in {key.kid for key in store.keys}
    assert "jwk_hs256" in {key.kid for key in store.keys}


async def test_a_look_that_fails_is_logged_and_no_more(
    rotation: SigningKeyRotation, store: KeysInMemory
) -> None:
    store.is_away = True

    with capture_logs() as logs:
        await KeepRotating(rotation=rotation, jitter=float).look_once(NO_HURRY)

    assert [line["event"] for line in logs] == ["signing keys not looked after"]


async def test_a_look_that_meets_the_unexpected_is_logged_and_no_more(
    rotation: SigningKeyRotation, store: KeysInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_deadline: object) -> None:
        raise LookupError

    monkeypatch.setattr(store, "list_signing_keys", fail)

    with capture_logs() as logs:
        await KeepRotating(rotation=rotation, jitter=float).look_once(NO_HURRY)

    assert [line["log_level"] for line in logs] == ["error"]
