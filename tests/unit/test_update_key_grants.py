"""Who may give more to a key, or let it be used where it could not be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline
from authsvc.domain.errors import (
    KeySuperseded,
    ScopeNotGrantable,
)
from authsvc.domain.keys import Key
from authsvc.domain.origin import Origin
from authsvc.domain.rate_limits import RateLimit
from authsvc.usecases.update_key import UpdateKeyCommand
from tests.unit.examples import (
    ACCOUNT_ID,
    KEY_ID,
    NOW,
)
from tests.unit.managed_keys import ManagedKeys, a_key
from tests.unit.stores import ADMIN, KEYS, OWNER
from tests.unit.updating import DAY, NARROW, update

SUCCESSOR_ID = "key_00000000000000000000000009"

WAKING = [
    pytest.param(a_key(disabled=True), UpdateKeyCommand(KEY_ID, ("disabled",)), id="enabled"),
    pytest.param(
        a_key(expire_time=NOW + DAY),
        UpdateKeyCommand(KEY_ID, ("expire_time",), expire_time=NOW + 2 * DAY),
        id="a later end",
    ),
    pytest.param(
        a_key(expire_time=NOW - DAY),
        UpdateKeyCommand(KEY_ID, ("expire_time",), expire_time=NOW + DAY),
        id="back from its end",
    ),
    pytest.param(
        a_key(expire_time=NOW + DAY), UpdateKeyCommand(KEY_ID, ("expire_time",)), id="no end"
    ),
    pytest.param(
        a_key(allowed_addresses=("192.0.2.7",)),
        UpdateKeyCommand(KEY_ID, ("allowed_addresses",)),
        id="from anywhere",
    ),
    pytest.param(
        a_key(allowed_addresses=("192.0.2.7",)),
        UpdateKeyCommand(KEY_ID, (), allowed_addresses=("192.0.2.8", "192.0.2.7")),
        id="from one more address",
    ),
    pytest.param(
        a_key(rate_limit=RateLimit(1, DAY)),
        UpdateKeyCommand(KEY_ID, ("rate_limit",)),
        id="no limit",
    ),
    pytest.param(
        a_key(rate_limit=RateLimit(1, DAY)),
        UpdateKeyCommand(KEY_ID, (), rate_limit=RateLimit(2, DAY)),
        id="a higher limit",
    ),
]


@pytest.mark.parametrize(("key", "command"), WAKING)
async def test_to_let_a_key_be_used_where_it_could_not_be_is_to_grant_what_it_may_do(
    key: Key, command: UpdateKeyCommand
) -> None:
    with pytest.raises(ScopeNotGrantable):
        await update(NARROW, command, ManagedKeys(key))


@pytest.mark.parametrize(("key", "command"), WAKING)
@pytest.mark.parametrize("caller", [OWNER, KEYS])
async def test_who_may_grant_what_the_key_may_do_may_let_it_be_used_where_it_could_not_be(
    key: Key, command: UpdateKeyCommand, caller: Caller
) -> None:
    assert (await update(caller, command, ManagedKeys(key))).revision == 2


@pytest.mark.parametrize(("key", "command"), WAKING)
@pytest.mark.parametrize("caller", [OWNER, ADMIN])
async def test_a_rotated_key_is_given_nothing_more_whoever_asks(
    key: Key, command: UpdateKeyCommand, caller: Caller
) -> None:
    store = ManagedKeys(replace(key, superseded_by=SUCCESSOR_ID))

    with pytest.raises(KeySuperseded) as caught:
        await update(caller, command, store)

    assert caught.value.superseded_by == SUCCESSOR_ID
    assert store.attempts == 0


async def test_a_rotated_key_may_end_sooner() -> None:
    store = ManagedKeys(a_key(expire_time=NOW + 2 * DAY, superseded_by=SUCCESSOR_ID))
    command = UpdateKeyCommand(KEY_ID, ("expire_time",), expire_time=NOW + DAY)

    assert (await update(OWNER, command, store)).expire_time == NOW + DAY


@pytest.mark.parametrize(("key", "command"), WAKING)
async def test_a_narrow_caller_may_give_more_to_a_key_as_narrow(
    key: Key, command: UpdateKeyCommand
) -> None:
    narrow = replace(key, scopes=("keys:read",))

    assert (await update(NARROW, command, ManagedKeys(narrow))).revision == 2


@pytest.mark.parametrize(
    ("key", "command"),
    [
        pytest.param(a_key(), UpdateKeyCommand(KEY_ID, ("name",), name="New"), id="name"),
        pytest.param(
            a_key(), UpdateKeyCommand(KEY_ID, ("metadata",), metadata={"a": "b"}), id="notes"
        ),
        pytest.param(
            a_key(),
            UpdateKeyCommand(KEY_ID, ("expire_time",), expire_time=NOW + DAY),
            id="an end where there was none",
        ),
        pytest.param(
            a_key(expire_time=NOW + 2 * DAY),
            UpdateKeyCommand(KEY_ID, ("expire_time",), expire_time=NOW + DAY),
            id="an earlier end",
        ),
        pytest.param(a_key(), UpdateKeyCommand(KEY_ID, ("disabled",)), id="on as it was"),
        pytest.param(
            a_key(), UpdateKeyCommand(KEY_ID, ("scopes",), scopes=("keys:read",)), id="narrowed"
        ),
        pytest.param(
            a_key(allowed_addresses=("192.0.2.0/24",)),
            UpdateKeyCommand(KEY_ID, (), allowed_addresses=("192.0.2.7",)),
            id="fewer addresses",
        ),
        pytest.param(
            a_key(rate_limit=RateLimit(2, DAY)),
            UpdateKeyCommand(KEY_ID, (), rate_limit=RateLimit(1, DAY)),
            id="a lower limit",
        ),
    ],
)
async def test_what_gives_nothing_needs_no_scope_of_the_keys(
    key: Key, command: UpdateKeyCommand
) -> None:
    assert (await update(NARROW, command, ManagedKeys(key))).account_id == ACCOUNT_ID


async def test_a_race_that_changes_what_the_key_may_do_is_judged_anew() -> None:
    class Widened(ManagedKeys):
        async def replace_key(self, key: Key, origin: Origin, deadline: Deadline) -> Key | None:
            assert origin
            assert deadline
            self.keys[key.key_id] = a_key(scopes=("*",), disabled=True)
            return None

    store = Widened(a_key(scopes=("keys:read",), disabled=True))

    with pytest.raises(ScopeNotGrantable):
        await update(NARROW, UpdateKeyCommand(KEY_ID, ("disabled",)), store)
