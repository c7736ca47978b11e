"""UpdateKey: what may change, who may change it, and what happens when others do too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from authsvc.domain.bounds import MAX_LIFETIME
from authsvc.domain.callers import Caller
from authsvc.domain.errors import (
    AuthsvcError,
    CallerNotPermitted,
    EtagMismatch,
    InvalidRequest,
    KeyNotFound,
    KeyRevoked,
    ScopeNotGrantable,
)
from authsvc.domain.rate_limits import RateLimit
from authsvc.usecases.update_key import PATHS, UpdateKeyCommand
from tests.unit.examples import (
    KEY_ID,
    NOW,
    OTHER_ACCOUNT_ID,
    SECOND,
    SYSTEM_ACCOUNT_ID,
    a_caller,
    an_account,
)
from tests.unit.managed_keys import ManagedKeys, a_key
from tests.unit.stores import ADMIN, KEYS, OWNER
from tests.unit.updating import DAY, NARROW, update

ETAG = a_key().etag

SYSTEM = an_account(SYSTEM_ACCOUNT_ID, is_system=True)

STRANGER = a_caller("*", account_id=OTHER_ACCOUNT_ID)

OFF = UpdateKeyCommand(KEY_ID, ("disabled",), disabled=True)

BAD = UpdateKeyCommand("x", ("name",))


async def _violated(command: UpdateKeyCommand) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        await update(OWNER, command, ManagedKeys(a_key()))
    return [violation.field for violation in caught.value.violations]


@pytest.mark.parametrize(
    ("caller", "command", "store", "error"),
    [
        pytest.param(
            a_caller(), BAD, ManagedKeys(a_key()), CallerNotPermitted, id="rights before the rest"
        ),
        pytest.param(OWNER, BAD, ManagedKeys(), InvalidRequest, id="the request before the key"),
        pytest.param(OWNER, OFF, ManagedKeys(), KeyNotFound, id="no such key"),
        pytest.param(STRANGER, OFF, ManagedKeys(a_key()), KeyNotFound, id="another's"),
        pytest.param(
            STRANGER,
            replace(OFF, etag="x"),
            ManagedKeys(a_key(revoke_time=NOW)),
            KeyNotFound,
            id="another's, whatever it is now",
        ),
        pytest.param(
            KEYS, OFF, ManagedKeys(a_key(), account=SYSTEM), KeyNotFound, id="the system's"
        ),
        pytest.param(
            OWNER,
            replace(OFF, etag="x"),
            ManagedKeys(a_key(revoke_time=NOW)),
            KeyRevoked,
            id="revoked before the etag",
        ),
        pytest.param(
            OWNER, replace(OFF, etag='"2"'), ManagedKeys(a_key()), EtagMismatch, id="another etag"
        ),
        pytest.param(
            OWNER,
            UpdateKeyCommand(KEY_ID, ("scopes",), etag="x", scopes=("authsvc:keys",)),
            ManagedKeys(a_key()),
            EtagMismatch,
            id="the etag before scopes",
        ),
        pytest.param(
            OWNER,
            UpdateKeyCommand(KEY_ID, ("scopes",), scopes=("authsvc:keys",)),
            ManagedKeys(a_key()),
            ScopeNotGrantable,
            id="reserved scope",
        ),
        pytest.param(
            NARROW,
            UpdateKeyCommand(KEY_ID, ("scopes",), scopes=("sessions:read",)),
            ManagedKeys(a_key()),
            ScopeNotGrantable,
            id="a scope that the caller has not",
        ),
    ],
)
async def test_an_update_is_refused_for_the_first_of_its_reasons(
    caller: Caller, command: UpdateKeyCommand, store: ManagedKeys, error: type[AuthsvcError]
) -> None:
    before = dict(store.keys)

    with pytest.raises(error):
        await update(caller, command, store)

    assert store.keys == before
    assert store.attempts == 0


@pytest.mark.parametrize(
    ("caller", "store"),
    [
        (OWNER, ManagedKeys(a_key())),
        (NARROW, ManagedKeys(a_key())),
        (KEYS, ManagedKeys(a_key())),
        (ADMIN, ManagedKeys(a_key(), account=SYSTEM)),
    ],
)
async def test_those_who_manage_a_key_may_switch_it_off(caller: Caller, store: ManagedKeys) -> None:
    assert (await update(caller, OFF, store)).disabled


async def test_what_is_not_named_stays() -> None:
    store = ManagedKeys(a_key(expire_time=NOW + DAY))
    command = UpdateKeyCommand(
        KEY_ID, ("name",), name="New", scopes=("a",), metadata={"a": "b"}, disabled=True
    )

    changed = await update(OWNER, command, store)

    assert changed == replace(a_key(expire_time=NOW + DAY), name="New", revision=2)


async def test_an_empty_mask_means_what_is_set() -> None:
    command = UpdateKeyCommand(KEY_ID, (), name="New", metadata={"a": "b"})

    changed = await update(OWNER, command, ManagedKeys(a_key()))

    assert changed == replace(a_key(), name="New", metadata={"a": "b"}, revision=2)


async def test_scopes_are_kept_once_and_in_order() -> None:
    command = UpdateKeyCommand(KEY_ID, ("scopes",), scopes=("b", "a", "b"))

    assert (await update(OWNER, command, ManagedKeys(a_key()))).scopes == ("a", "b")


async def test_addresses_are_kept_in_their_one_text() -> None:
    command = UpdateKeyCommand(KEY_ID, (), allowed_addresses=("::1", "::ffff:192.0.2.0/120", "::1"))

    changed = await update(OWNER, command, ManagedKeys(a_key()))

    assert changed.allowed_addresses == ("192.0.2.0/24", "::1")


async def test_addresses_and_a_limit_that_are_named_and_not_set_are_taken_away() -> None:
    store = ManagedKeys(a_key(allowed_addresses=("::1",), rate_limit=RateLimit(1, DAY)))
    command = UpdateKeyCommand(KEY_ID, ("allowed_addresses", "rate_limit"))

    changed = await update(OWNER, command, store)

    assert changed == replace(a_key(), revision=2)


async def test_an_expiry_that_is_named_and_not_set_is_taken_away() -> None:
    store = ManagedKeys(a_key(expire_time=NOW + DAY))

    changed = await update(OWNER, UpdateKeyCommand(KEY_ID, ("expire_time",)), store)

    assert changed.expire_time is None


async def test_every_violation_of_an_update_is_told() -> None:
    command = UpdateKeyCommand(
        "x",
        (*PATHS, "state"),
        name="",
        scopes=("BAD",),
        metadata={"": "x"},
        expire_time=NOW,
        allowed_addresses=("x",),
        rate_limit=RateLimit(0, DAY),
    )

    assert await _violated(command) == [
        "key.key_id",
        "update_mask.paths[7]",
        "key.name",
        "key.scopes[0]",
        "key.metadata",
        "key.expire_time",
        "key.allowed_addresses[0]",
        "key.rate_limit.requests",
    ]


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        (UpdateKeyCommand(KEY_ID, ()), ["update_mask"]),
        (UpdateKeyCommand("", ("disabled",)), ["key.key_id"]),
        (UpdateKeyCommand(KEY_ID, ("scopes",)), ["key.scopes"]),
        (UpdateKeyCommand(KEY_ID, ("name",), name=" x"), ["key.name"]),
        (
            UpdateKeyCommand(KEY_ID, ("expire_time",), expire_time=NOW + MAX_LIFETIME + SECOND),
            ["key.expire_time"],
        ),
    ],
)
async def test_a_value_out_of_bounds_is_named(command: UpdateKeyCommand, fields: list[str]) -> None:
    assert await _violated(command) == fields


async def test_a_value_that_is_not_named_is_not_looked_at() -> None:
    command = replace(
        OFF,
        name=" ",
        scopes=("BAD",),
        metadata={"": ""},
        expire_time=NOW,
        allowed_addresses=("x",),
        rate_limit=RateLimit(0, DAY),
    )

    assert (await update(OWNER, command, ManagedKeys(a_key()))).disabled


@pytest.mark.parametrize(
    "path",
    [
        "*", "key_id", "account_id", "state", "hint", "create_time", "revoke_time",
        "last_use_time", "etag", "revoke_reason", "revoke_note",
    ],
)  # fmt: skip
async def test_a_path_that_does_not_change_is_repeated(path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await update(OWNER, UpdateKeyCommand(KEY_ID, ("name", path), name="x"), ManagedKeys())

    (violation,) = caught.value.violations
    assert violation.field == "update_mask.paths[1]"
    assert f"; {path} is not among them" in violation.description


@pytest.mark.parametrize("path", ["", "Name", "key.name", "metadata.team", "unseen"])
async def test_a_path_that_is_no_field_is_not_repeated(path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await update(OWNER, UpdateKeyCommand(KEY_ID, (path,)), ManagedKeys())

    (violation,) = caught.value.violations
    assert violation.field == "update_mask.paths[0]"
    assert violation.description.endswith("; this path is not among them")


async def test_the_etag_of_the_key_lets_the_update_pass() -> None:
    changed = await update(OWNER, replace(OFF, etag=ETAG), ManagedKeys(a_key()))

    assert changed.disabled
    assert changed.etag != ETAG


async def test_a_lost_race_is_run_again_on_the_key_as_it_then_is() -> None:
    store = ManagedKeys(a_key(), races=4)

    changed = await update(OWNER, OFF, store)

    assert (changed.revision, store.attempts) == (6, 5)


async def test_five_lost_races_are_the_last() -> None:
    store = ManagedKeys(a_key(), races=5)

    with pytest.raises(EtagMismatch):
        await update(OWNER, OFF, store)

    assert store.attempts == 5
    assert not store.keys[KEY_ID].disabled


async def test_with_an_etag_the_first_lost_race_is_the_last() -> None:
    store = ManagedKeys(a_key(), races=1)

    with pytest.raises(EtagMismatch):
        await update(OWNER, replace(OFF, etag=ETAG), store)

    assert store.attempts == 1
