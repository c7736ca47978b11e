"""The rules of a rotation: when the old key ends, when the new one, and what is not rotated."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from authsvc.domain.errors import AuthsvcError, KeyEnded, KeyRevoked, KeySuperseded
from authsvc.domain.key_secrets import KeySecret
from authsvc.domain.keys import Key
from authsvc.domain.rate_limits import RateLimit
from authsvc.domain.rotation import Rotation
from tests.unit.examples import ACCOUNT_ID, FAKE_KEY, KEY_ID, NOW

DAY = timedelta(days=1)
NEW_KEY_ID = "key_00000000000000000000000002"
OLD = Key(
    key_id=KEY_ID,
    account_id=ACCOUNT_ID,
    name="ci",
    scopes=("a", "b"),
    hint="orch_1111…1111",
    create_time=NOW - 10 * DAY,
    expire_time=None,
    metadata={"team": "a"},
    revision=1,
    last_use_time=NOW,
    allowed_addresses=("192.0.2.0/24",),
    rate_limit=RateLimit(100, timedelta(minutes=1)),
)


def _rotation(overlap: timedelta = DAY, expire_time: datetime | None = None) -> Rotation:
    return Rotation(NEW_KEY_ID, KeySecret(FAKE_KEY), NOW, overlap, expire_time)


def test_the_successor_is_as_the_old_key_but_for_its_id_secret_and_times() -> None:
    succession = _rotation().of(OLD)

    assert succession.successor == replace(
        OLD,
        key_id=NEW_KEY_ID,
        hint=KeySecret(FAKE_KEY).hint(),
        create_time=NOW,
        revision=0,
        last_use_time=None,
        supersedes=KEY_ID,
    )
    assert succession.digest == KeySecret(FAKE_KEY).digest()


@pytest.mark.parametrize(
    ("old", "asked", "expected"),
    [
        pytest.param(None, None, None, id="never, as before"),
        pytest.param(NOW + 20 * DAY, None, NOW + 30 * DAY, id="the old key's lifetime, from now"),
        pytest.param(None, NOW + DAY, NOW + DAY, id="as asked, where there was none"),
        pytest.param(NOW + 20 * DAY, NOW + DAY, NOW + DAY, id="as asked, sooner"),
    ],
)
def test_the_successor_ends(
    old: datetime | None, asked: datetime | None, expected: datetime | None
) -> None:
    succession = _rotation(expire_time=asked).of(replace(OLD, expire_time=old))

    assert succession.successor.expire_time == expected


@pytest.mark.parametrize(
    ("old", "expected"),
    [
        pytest.param(None, NOW + DAY, id="after the overlap"),
        pytest.param(NOW + 2 * DAY, NOW + DAY, id="after the overlap, sooner than before"),
        pytest.param(NOW + DAY / 2, NOW + DAY / 2, id="when it would have ended in the overlap"),
    ],
)
def test_the_old_key_ends(old: datetime | None, expected: datetime) -> None:
    succession = _rotation().of(replace(OLD, expire_time=old))

    assert (succession.old_expire_time, succession.old_revoke_time) == (expected, None)


def test_without_an_overlap_the_old_key_is_revoked_at_once() -> None:
    succession = _rotation(timedelta(0)).of(replace(OLD, expire_time=NOW + DAY))

    assert (succession.old_expire_time, succession.old_revoke_time) == (NOW + DAY, NOW)


@pytest.mark.parametrize(
    ("old", "error"),
    [
        pytest.param(replace(OLD, expire_time=NOW), KeyEnded, id="expired"),
        pytest.param(replace(OLD, disabled=True), KeyEnded, id="disabled"),
        pytest.param(replace(OLD, revoke_time=NOW, disabled=True), KeyRevoked, id="revoked"),
        pytest.param(
            replace(OLD, superseded_by=NEW_KEY_ID, revoke_time=NOW),
            KeySuperseded,
            id="superseded, whatever else",
        ),
    ],
)
def test_what_has_ended_is_not_rotated(old: Key, error: type[AuthsvcError]) -> None:
    with pytest.raises(error):
        _rotation().of(old)


def test_a_superseded_key_names_its_successor() -> None:
    with pytest.raises(KeySuperseded) as caught:
        _rotation().of(replace(OLD, superseded_by=NEW_KEY_ID))

    assert caught.value.superseded_by == NEW_KEY_ID
