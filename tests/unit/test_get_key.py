"""GetKey: who sees which key."""

from __future__ import annotations

import pytest

from authsvc.domain.callers import Caller
from authsvc.domain.errors import (
    AuthsvcError,
    CallerNotPermitted,
    InvalidRequest,
    KeyNotFound,
)
from authsvc.usecases.get_key import GetKey
from tests.unit.examples import (
    KEY_ID,
    NOW,
    OTHER_ACCOUNT_ID,
    SYSTEM_ACCOUNT_ID,
    a_caller,
    a_system_caller,
    an_account,
)
from tests.unit.managed_keys import ManagedKeys, a_key
from tests.unit.stores import ADMIN, KEYS, OWNER, a_call

SYSTEM = an_account(SYSTEM_ACCOUNT_ID, is_system=True)
STRANGER = a_caller("*", account_id=OTHER_ACCOUNT_ID)


@pytest.mark.parametrize("caller", [OWNER, a_caller("keys:*"), KEYS, ADMIN])
async def test_those_who_manage_a_key_see_it(caller: Caller) -> None:
    key = a_key(revoke_time=NOW)

    assert await GetKey(ManagedKeys(key))(KEY_ID, a_call(caller)) == key


async def test_an_admin_sees_keys_of_the_system_account() -> None:
    assert await GetKey(ManagedKeys(a_key(), account=SYSTEM))(KEY_ID, a_call(ADMIN)) == a_key()


@pytest.mark.parametrize(
    ("caller", "keys", "key_id", "error"),
    [
        pytest.param(a_caller(), ManagedKeys(a_key()), "x", CallerNotPermitted, id="rights first"),
        pytest.param(
            a_system_caller("authsvc:validate"),
            ManagedKeys(a_key()),
            KEY_ID,
            CallerNotPermitted,
            id="a service that only validates",
        ),
        pytest.param(OWNER, ManagedKeys(a_key()), "x", InvalidRequest, id="no id"),
        pytest.param(OWNER, ManagedKeys(), KEY_ID, KeyNotFound, id="no such key"),
        pytest.param(STRANGER, ManagedKeys(a_key()), KEY_ID, KeyNotFound, id="another's"),
        pytest.param(
            KEYS, ManagedKeys(a_key(), account=SYSTEM), KEY_ID, KeyNotFound, id="the system's"
        ),
    ],
)
async def test_a_key_is_not_shown_to_others(
    caller: Caller, keys: ManagedKeys, key_id: str, error: type[AuthsvcError]
) -> None:
    with pytest.raises(error):
        await GetKey(keys)(key_id, a_call(caller))


@pytest.mark.parametrize("key_id", ["", "key_1", "acct_00000000000000000000000001"])
async def test_a_malformed_id_is_named(key_id: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await GetKey(ManagedKeys())(key_id, a_call(OWNER))

    assert [violation.field for violation in caught.value.violations] == ["key_id"]
