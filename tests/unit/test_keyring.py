"""The keyring: how old it may be, and when it looks again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from authsvc.domain.changes import Change, ChangeKind
from authsvc.domain.clock import Deadline
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.freshness import Freshness, FreshnessSource
from authsvc.domain.signing_keys import SealedSigningKey, SigningAlgorithm
from authsvc.tokens.keyring import Keyring
from tests.unit.examples import NoHurry
from tests.unit.forging import NOW, SEALER, Issuer, KeysInMemory, Watch, a_keyring

Issuers = Mapping[SigningAlgorithm, Issuer]
ES256, HS256 = SigningAlgorithm.ES256, SigningAlgorithm.HS256
NO_HURRY = NoHurry()


class NoTimeLeft:
    def remaining(self) -> float:
        return 0.0


class Short:
    def remaining(self) -> float:
        return 0.01


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def store(issuers: Issuers) -> KeysInMemory:
    return KeysInMemory(issuers[ES256].sealed_by(SEALER))


@pytest.fixture
def keyring(store: KeysInMemory, watch: Watch) -> Keyring:
    return a_keyring(store, watch)


async def _is_known(keyring: Keyring, kid: str = "jwk_es256", *, fresh: bool = False) -> bool:
    key, _ = await keyring.find_verification_key(kid, fresh=fresh, deadline=NO_HURRY)
    return key is not None


async def _freshness(keyring: Keyring, *, fresh: bool = False) -> Freshness:
    _, freshness = await keyring.find_verification_key("x", fresh=fresh, deadline=NO_HURRY)
    return freshness


@pytest.mark.parametrize("algorithm", SigningAlgorithm)
async def test_a_key_is_found_under_its_name_and_pinned_to_its_algorithm(
    issuers: Issuers, watch: Watch, algorithm: SigningAlgorithm
) -> None:
    issuer = issuers[algorithm]
    keyring = a_keyring(KeysInMemory(issuer.sealed_by(SEALER)), watch)

    key, _ = await keyring.find_verification_key(issuer.kid, fresh=False, deadline=NO_HURRY)

    assert key is not None
    assert key.algorithm is algorithm


async def test_an_unknown_name_finds_nothing(keyring: Keyring) -> None:
    assert not await _is_known(keyring, "jwk_unknown")


async def test_the_store_is_read_once_for_many_look_ups(
    keyring: Keyring, store: KeysInMemory
) -> None:
    for _ in range(100):
        await _is_known(keyring)

    assert store.reads == 1


@pytest.mark.parametrize(("age", "reads"), [(4.9, 1), (5.0, 1), (5.1, 2)])
async def test_a_snapshot_is_used_until_its_greatest_age(
    keyring: Keyring, store: KeysInMemory, watch: Watch, age: float, reads: int
) -> None:
    await _is_known(keyring)
    watch.seconds += age

    await _is_known(keyring)

    assert store.reads == reads


async def test_a_key_that_was_taken_out_goes_on_for_the_greatest_age_at_most(
    keyring: Keyring, store: KeysInMemory, watch: Watch
) -> None:
    await _is_known(keyring)
    store.keys.clear()
    watch.seconds += 5.1

    assert not await _is_known(keyring)


async def test_a_key_that_was_taken_out_is_not_good_for_a_fresh_answer(
    keyring: Keyring, store: KeysInMemory
) -> None:
    await _is_known(keyring)
    store.keys.clear()

    assert not await _is_known(keyring, fresh=True)


async def test_a_fresh_answer_reads_anew_each_time(
    keyring: Keyring, store: KeysInMemory, watch: Watch
) -> None:
    for _ in range(3):
        watch.seconds += 0.001
        await _is_known(keyring, fresh=True)

    assert store.reads == 3


@pytest.mark.parametrize(("pause", "reads"), [(0.1, 1), (0.9, 1), (1.1, 2)])
async def test_unknown_names_make_it_look_again_once_a_second_at_most(
    keyring: Keyring, store: KeysInMemory, watch: Watch, pause: float, reads: int
) -> None:
    await _is_known(keyring, "jwk_forged_0")
    watch.seconds += pause

    for number in range(50):
        await _is_known(keyring, f"jwk_forged_{number}")

    assert store.reads == reads


async def test_a_new_key_is_found_however_lately_the_keyring_was_read(
    keyring: Keyring, store: KeysInMemory, watch: Watch, issuers: Issuers
) -> None:
    await _is_known(keyring)
    watch.seconds += 0.1
    store.keys.append(issuers[HS256].sealed_by(SEALER))

    assert await _is_known(keyring, "jwk_hs256")
    assert store.reads == 2


async def test_other_reads_do_not_make_it_look_for_unknown_names_more_often(
    keyring: Keyring, store: KeysInMemory, watch: Watch
) -> None:
    for number in range(10):
        await _is_known(keyring, f"jwk_forged_{number}")
        watch.seconds += 0.1
        await keyring.refresh(NO_HURRY)

    assert store.reads == 1 + 10


async def test_a_new_key_is_found_after_a_second(
    keyring: Keyring, store: KeysInMemory, watch: Watch, issuers: Issuers
) -> None:
    await _is_known(keyring, "jwk_forged")
    store.keys.append(issuers[HS256].sealed_by(SEALER))
    watch.seconds += 1.1

    assert await _is_known(keyring, "jwk_hs256")


async def test_look_ups_at_the_same_time_share_one_read(
    keyring: Keyring, store: KeysInMemory
) -> None:
    store.may_answer.clear()
    look_ups = [asyncio.create_task(_is_known(keyring)) for _ in range(50)]
    await asyncio.sleep(0)
    store.may_answer.set()
    await asyncio.gather(*look_ups)

    assert store.reads == 1


async def test_a_look_up_does_not_rest_on_a_read_that_began_before_it(
    keyring: Keyring, store: KeysInMemory, watch: Watch
) -> None:
    store.may_answer.clear()
    earlier = asyncio.create_task(_is_known(keyring, fresh=True))
    await asyncio.sleep(0)
    watch.seconds += 0.5
    store.keys.clear()
    later = asyncio.create_task(_is_known(keyring, fresh=True))
    await asyncio.sleep(0)
    store.may_answer.set()

    assert (await earlier, await later) == (True, False)


async def test_a_read_says_when_it_began(
    keyring: Keyring, store: KeysInMemory, watch: Watch
) -> None:
    store.may_answer.clear()
    reading = asyncio.create_task(_freshness(keyring))
    await asyncio.sleep(0)
    watch.seconds += 0.5
    store.may_answer.set()

    assert await reading == Freshness(FreshnessSource.DATABASE, NOW)


async def test_a_snapshot_says_how_old_it_is(keyring: Keyring, watch: Watch) -> None:
    await _freshness(keyring)
    watch.seconds += 0.5

    assert await _freshness(keyring) == Freshness(FreshnessSource.CACHE, NOW)


async def test_a_newer_read_says_its_own_time(keyring: Keyring, watch: Watch) -> None:
    await _freshness(keyring)
    watch.seconds += 2

    assert await _freshness(keyring) == Freshness(
        FreshnessSource.DATABASE, NOW + timedelta(seconds=2)
    )


async def test_a_read_that_takes_too_long_is_no_answer(
    keyring: Keyring, store: KeysInMemory
) -> None:
    store.may_answer.clear()

    with pytest.raises(DatabaseUnavailable):
        await keyring.find_verification_key("jwk_es256", fresh=False, deadline=Short())


async def test_a_snapshot_answers_without_time(keyring: Keyring) -> None:
    await _is_known(keyring)

    key, _ = await keyring.find_verification_key("jwk_es256", fresh=False, deadline=NoTimeLeft())

    assert key is not None


async def test_a_failed_read_leaves_no_snapshot_behind(
    keyring: Keyring, store: KeysInMemory, watch: Watch
) -> None:
    store.is_away = True
    with pytest.raises(DatabaseUnavailable):
        await _is_known(keyring)
    store.is_away = False
    watch.seconds += 0.01

    assert await _is_known(keyring)


async def test_a_failed_read_does_not_make_a_snapshot_any_younger(
    keyring: Keyring, store: KeysInMemory, watch: Watch
) -> None:
    await _is_known(keyring)
    store.is_away = True
    watch.seconds += 4.9
    with pytest.raises(DatabaseUnavailable):
        await _is_known(keyring, fresh=True)
    watch.seconds += 0.2

    assert keyring.find_verification_key_now("jwk_es256") is None
    with pytest.raises(DatabaseUnavailable):
        await _is_known(keyring)


@pytest.mark.parametrize(("age", "known"), [(0.0, True), (5.0, True), (5.1, False)])
async def test_memory_answers_at_once_until_the_greatest_age(
    keyring: Keyring, watch: Watch, age: float, *, known: bool
) -> None:
    assert keyring.find_verification_key_now("jwk_es256") is None
    await _is_known(keyring)
    watch.seconds += age

    found = keyring.find_verification_key_now("jwk_es256")

    assert (found is not None) is known
    assert found is None or found[1] == Freshness(FreshnessSource.CACHE, NOW)


async def test_unknown_names_that_come_during_a_read_wait_for_it(
    keyring: Keyring, store: KeysInMemory, watch: Watch
) -> None:
    store.may_answer.clear()
    look_ups = []
    for number in range(20):
        look_ups.append(asyncio.create_task(_is_known(keyring, f"jwk_forged_{number}")))
        await asyncio.sleep(0)
        watch.seconds += 0.01
    store.may_answer.set()
    await asyncio.gather(*look_ups)

    assert store.reads == 1


KEYRING_CHANGED = [Change(1, ChangeKind.KEYRING_CHANGED, "keyring", "")]


async def test_a_change_of_the_keyring_is_seen_at_the_next_look(
    keyring: Keyring, store: KeysInMemory, issuers: Issuers
) -> None:
    assert await _is_known(keyring)
    store.keys[:] = [issuers[HS256].sealed_by(SEALER)]

    keyring.on_changes(KEYRING_CHANGED)

    assert keyring.find_verification_key_now("jwk_es256") is None
    assert await _is_known(keyring, issuers[HS256].kid)
    assert store.reads == 2
    assert not await _is_known(keyring)


async def test_other_changes_are_no_change_of_the_keyring(
    keyring: Keyring, store: KeysInMemory
) -> None:
    assert await _is_known(keyring)

    keyring.on_changes([Change(1, ChangeKind.KEY_REVOKED, "acct_1", "key_1")])

    assert await _is_known(keyring)
    assert store.reads == 1


async def test_what_may_have_been_missed_is_a_change(keyring: Keyring, store: KeysInMemory) -> None:
    assert await _is_known(keyring)

    keyring.on_gap()

    assert await _is_known(keyring)
    assert store.reads == 2


async def test_unknown_names_are_read_once_after_a_change_and_then_denied_from_memory(
    keyring: Keyring, store: KeysInMemory
) -> None:
    assert await _is_known(keyring)
    keyring.on_changes(KEYRING_CHANGED)

    found = await asyncio.gather(*(_is_known(keyring, f"jwk_{number}") for number in range(100)))

    assert not any(found)
    assert store.reads == 2


async def test_an_unknown_name_is_not_denied_while_a_change_could_not_be_read(
    keyring: Keyring, store: KeysInMemory
) -> None:
    assert await _is_known(keyring)
    keyring.on_changes(KEYRING_CHANGED)
    store.is_away = True

    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            await _is_known(keyring, "jwk_new")

    store.is_away = False
    assert not await _is_known(keyring, "jwk_new")


@pytest.fixture
def serving_stale(store: KeysInMemory, watch: Watch) -> Keyring:
    """A keyring that may answer from memory for a minute while the database is away."""
    return a_keyring(store, watch, outage_max_age=timedelta(minutes=1))


async def test_a_key_of_before_a_change_is_good_for_nobody_while_the_database_is_away(
    serving_stale: Keyring, store: KeysInMemory, watch: Watch
) -> None:
    assert await _is_known(serving_stale)
    serving_stale.on_changes(KEYRING_CHANGED)
    store.is_away = True

    for _ in range(2):
        watch.seconds += 10
        with pytest.raises(DatabaseUnavailable):
            await _is_known(serving_stale)
        with pytest.raises(DatabaseUnavailable):
            await serving_stale.list_published(NO_HURRY)

    store.is_away = False
    assert await _is_known(serving_stale)


async def test_a_change_that_is_told_of_during_a_read_that_fails_counts_for_its_answer(
    serving_stale: Keyring, store: KeysInMemory, watch: Watch
) -> None:
    assert await _is_known(serving_stale)
    watch.seconds += 10
    store.may_answer.clear()
    look_up = serving_stale.find_verification_key("jwk_es256", fresh=False, deadline=Short())
    looking = asyncio.create_task(look_up)
    await asyncio.sleep(0)

    serving_stale.on_changes(KEYRING_CHANGED)

    with pytest.raises(DatabaseUnavailable):
        await looking


async def test_reading_goes_on_whatever_one_read_meets(
    store: KeysInMemory, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = a_keyring(store, watch)
    failed = asyncio.Event()

    async def refuse(_deadline: Deadline) -> list[SealedSigningKey]:
        failed.set()
        raise PermissionError

    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(store, "list_signing_keys", refuse)
        reading = asyncio.create_task(keyring.keep_fresh(NoHurry))
        await failed.wait()
    keyring.on_changes(KEYRING_CHANGED)
    while not store.reads:
        assert not reading.done()
        await asyncio.sleep(0)

    assert [line["event"] for line in logs] == ["keyring not read"]
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_it_tells_since_when_a_key_signs(keyring: Keyring, store: KeysInMemory) -> None:
    assert keyring.signs_since() is None

    await _is_known(keyring)

    (key,) = await store.list_signing_keys(NO_HURRY)
    assert keyring.signs_since() == key.activate_time
