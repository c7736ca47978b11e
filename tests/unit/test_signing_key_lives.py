"""What each signing key does at which time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from authsvc.domain.signing_keys import (
    KEPT_AFTER_RETIREMENT,
    LONGEST_TOKEN_LIFE,
    RotationSchedule,
    SealedSigningKey,
    SigningAlgorithm,
    SigningKeyState,
    find_signer,
    find_waiting,
    lives_of,
)
from tests.unit.forging import NOW

ES256, EDDSA = SigningAlgorithm.ES256, SigningAlgorithm.EDDSA
LEEWAY = timedelta(seconds=10)
DAY, MINUTE, SECOND = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)
SCHEDULE = RotationSchedule(lifetime=30 * DAY, lead=15 * MINUTE)
STATES = list(SigningKeyState)


def a_key(
    activate: timedelta,
    *,
    kid: str = "jwk_1",
    create: timedelta | None = None,
    algorithm: SigningAlgorithm = ES256,
) -> SealedSigningKey:
    """Return a key by its times from now."""
    create_time = NOW + (activate if create is None else create)
    return SealedSigningKey(kid, algorithm, b"", b"", create_time, NOW + activate)


def state_after(keys: list[SealedSigningKey], kid: str, later: timedelta) -> SigningKeyState:
    (life,) = [life for life in lives_of(keys, LEEWAY) if life.key.kid == kid]
    return life.state(NOW + later)


OLD, NEXT = a_key(-DAY, kid="old"), a_key(15 * MINUTE, kid="next", create=timedelta(0))


@pytest.mark.parametrize(
    ("later", "old", "new"),
    [
        (timedelta(0), "SIGNING", "PUBLISHED"),
        (15 * MINUTE - SECOND, "SIGNING", "PUBLISHED"),
        (15 * MINUTE, "VERIFYING", "SIGNING"),
        (15 * MINUTE + LONGEST_TOKEN_LIFE, "VERIFYING", "SIGNING"),
        (15 * MINUTE + LONGEST_TOKEN_LIFE + LEEWAY - SECOND, "VERIFYING", "SIGNING"),
        (15 * MINUTE + LONGEST_TOKEN_LIFE + LEEWAY, "RETIRED", "SIGNING"),
        (3650 * DAY, "RETIRED", "SIGNING"),
    ],
)
def test_one_key_takes_over_from_the_other(later: timedelta, old: str, new: str) -> None:
    keys = [OLD, NEXT]

    assert (state_after(keys, "old", later), state_after(keys, "next", later)) == (old, new)


def test_a_key_without_a_successor_never_retires() -> None:
    (life,) = lives_of([OLD], LEEWAY)

    assert (life.successor_time, life.retire_time) == (None, None)
    assert not life.may_be_deleted(NOW + 3650 * DAY)


def test_a_key_of_another_algorithm_is_no_successor() -> None:
    keys = [OLD, a_key(timedelta(0), kid="other", algorithm=EDDSA)]

    assert state_after(keys, "old", DAY) is SigningKeyState.SIGNING


@pytest.mark.parametrize(("later", "deleted"), [(-SECOND, False), (timedelta(0), True)])
def test_a_retired_key_is_listed_for_a_week(later: timedelta, *, deleted: bool) -> None:
    life = lives_of([OLD, NEXT], LEEWAY)[0]
    assert life.retire_time is not None

    assert life.may_be_deleted(life.retire_time + KEPT_AFTER_RETIREMENT + later) is deleted


moments = st.integers(-10_000_000, 10_000_000).map(lambda seconds: timedelta(seconds=seconds))
keyrings = st.lists(
    st.tuples(moments, moments.map(abs), st.sampled_from([ES256, EDDSA])), max_size=8
).map(
    lambda drawn: [
        a_key(create + lead, kid=f"jwk_{number}", create=create, algorithm=algorithm)
        for number, (create, lead, algorithm) in enumerate(drawn)
    ]
)


@given(keyrings, moments)
def test_one_key_of_an_algorithm_signs_once_one_is_active(
    keys: list[SealedSigningKey], later: timedelta
) -> None:
    now = NOW + later
    for algorithm in (ES256, EDDSA):
        own = [life for life in lives_of(keys, LEEWAY) if life.key.algorithm is algorithm]
        signing = [life.key for life in own if life.state(now) is SigningKeyState.SIGNING]
        is_active = any(life.key.activate_time <= now for life in own)

        assert len(signing) == int(is_active)
        if is_active:
            assert find_signer(keys, algorithm, now) == signing[0]


@given(keyrings, moments, moments.map(abs))
def test_states_only_go_forward(
    keys: list[SealedSigningKey], later: timedelta, more: timedelta
) -> None:
    for life in lives_of(keys, LEEWAY):
        before, after = life.state(NOW + later), life.state(NOW + later + more)

        assert STATES.index(before) <= STATES.index(after)


@given(keyrings, moments, st.timedeltas(timedelta(0), LONGEST_TOKEN_LIFE + LEEWAY - SECOND))
def test_what_was_signed_is_verified_for_as_long_as_it_lives(
    keys: list[SealedSigningKey], later: timedelta, age: timedelta
) -> None:
    signer = find_signer(keys, ES256, NOW + later)
    assume(signer is not None)

    (life,) = [life for life in lives_of(keys, LEEWAY) if life.key is signer]

    assert life.state(NOW + later + age) is not SigningKeyState.RETIRED


@given(keyrings)
def test_lives_come_in_the_order_in_which_keys_begin_to_sign(keys: list[SealedSigningKey]) -> None:
    times = [life.key.activate_time for life in lives_of(keys, LEEWAY)]

    assert len(times) == len(keys)
    assert times == sorted(times)


def test_before_any_key_is_active_the_first_to_come_signs() -> None:
    # As after a compromise, on a server whose clock is behind that of the one that rotated.
    soon = a_key(SECOND, kid="soon")

    assert find_signer([a_key(DAY), soon], ES256, NOW) is soon


def test_no_key_of_the_algorithm_signs_nothing() -> None:
    assert find_signer([a_key(-DAY, algorithm=EDDSA)], ES256, NOW) is None


@pytest.mark.parametrize("activate", [-DAY, timedelta(0)])
def test_a_key_that_signs_does_not_wait(activate: timedelta) -> None:
    assert find_waiting([a_key(activate)], ES256, NOW) is None


def test_the_next_key_to_sign_waits() -> None:
    assert find_waiting([a_key(DAY), NEXT, OLD], ES256, NOW) is NEXT
    assert find_waiting([a_key(DAY, algorithm=EDDSA)], ES256, NOW) is None


@pytest.mark.parametrize(
    ("keys", "activation"),
    [
        pytest.param([], None, id="no key at all"),
        pytest.param([a_key(-29 * DAY)], None, id="young enough"),
        pytest.param([a_key(-30 * DAY + 15 * MINUTE + SECOND)], None, id="just before it is due"),
        pytest.param([a_key(-30 * DAY + 15 * MINUTE)], 15 * MINUTE, id="due"),
        pytest.param([a_key(-30 * DAY + 5 * MINUTE)], 15 * MINUTE, id="late: the lead is kept"),
        pytest.param([a_key(-300 * DAY)], 15 * MINUTE, id="long due"),
        pytest.param([a_key(-300 * DAY), NEXT], None, id="the next one waits"),
        pytest.param([a_key(-300 * DAY), a_key(-DAY)], None, id="rotated yesterday"),
        pytest.param([a_key(-300 * DAY, algorithm=EDDSA)], None, id="of another algorithm"),
    ],
)
def test_the_next_key_is_due_so_that_it_is_published_before_it_signs(
    keys: list[SealedSigningKey], activation: timedelta | None
) -> None:
    expected = None if activation is None else NOW + activation

    assert SCHEDULE.next_activation(keys, ES256, NOW) == expected


def test_without_a_lifetime_no_key_is_ever_due() -> None:
    schedule = RotationSchedule(lifetime=None, lead=timedelta(0))

    assert schedule.next_activation([a_key(-3650 * DAY)], ES256, NOW) is None


@given(
    st.timedeltas(DAY, 3650 * DAY),
    st.timedeltas(timedelta(0), DAY),
    st.timedeltas(-4000 * DAY, timedelta(0)),
)
def test_a_key_is_never_made_to_sign_sooner_than_its_lead_or_the_old_ones_end(
    lifetime: timedelta, lead: timedelta, activate: timedelta
) -> None:
    schedule = RotationSchedule(lifetime, lead)

    activation = schedule.next_activation([a_key(activate)], ES256, NOW)

    if activation is not None:
        assert activation >= NOW + lead
        assert activation >= NOW + activate + lifetime
