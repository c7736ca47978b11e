"""RevokeKey: who may end a key."""

from __future__ import annotations

import pytest

from authsvc.domain.callers import Caller
from authsvc.domain.errors import (
    AuthsvcError,
    CallerNotPermitted,
    InvalidRequest,
    KeyNotFound,
)
from authsvc.domain.keys import KeyOwner
from authsvc.usecases.revoke_key import RevokeKey, RevokeKeyCommand
from tests.unit.examples import (
    ACCOUNT_ID,
    FAKE_KEY,
    KEY_ID,
    NOW,
    OTHER_ACCOUNT_ID,
    SYSTEM_ACCOUNT_ID,
    a_caller,
)
from tests.unit.stores import ADMIN, KEYS, OWNER, Keys, a_call

OWN_KEY = KeyOwner(KEY_ID, ACCOUNT_ID, is_system=False)
OTHERS_KEY = KeyOwner(KEY_ID, OTHER_ACCOUNT_ID, is_system=False)
SYSTEM_KEY = KeyOwner(KEY_ID, SYSTEM_ACCOUNT_ID, is_system=True)
BY_ID, BY_SECRET = RevokeKeyCommand(key_id=KEY_ID), RevokeKeyCommand(secret=FAKE_KEY)


async def _revoke(caller: Caller, command: RevokeKeyCommand, *owners: KeyOwner) -> list[str]:
    keys = Keys(*owners)
    await RevokeKey(store=keys, clock=lambda: NOW)(command, a_call(caller))
    return keys.revoked


@pytest.mark.parametrize(
    ("caller", "command", "owner"),
    [
        pytest.param(OWNER, BY_ID, OWN_KEY, id="owner"),
        pytest.param(KEYS, BY_ID, OTHERS_KEY, id="keys"),
        pytest.param(ADMIN, BY_ID, SYSTEM_KEY, id="admin"),
        pytest.param(a_caller(), BY_SECRET, OWN_KEY, id="holder of the secret"),
        pytest.param(a_caller(), BY_SECRET, OTHERS_KEY, id="holder of another's secret"),
        pytest.param(OWNER, BY_SECRET, SYSTEM_KEY, id="holder of a system secret"),
    ],
)
async def test_a_key_is_revoked_by_those_who_may(
    caller: Caller, command: RevokeKeyCommand, owner: KeyOwner
) -> None:
    assert await _revoke(caller, command, owner) == [KEY_ID]


@pytest.mark.parametrize(
    ("caller", "command", "owner", "error"),
    [
        pytest.param(a_caller(), BY_ID, OWN_KEY, CallerNotPermitted, id="no right at all"),
        pytest.param(OWNER, BY_ID, OTHERS_KEY, KeyNotFound, id="another's key is unknown"),
        pytest.param(KEYS, BY_ID, SYSTEM_KEY, KeyNotFound, id="a system key is unknown"),
        pytest.param(
            a_caller(),
            RevokeKeyCommand(secret="orch_" + "f" * 40),
            OWN_KEY,
            KeyNotFound,
            id="unknown secret",
        ),
        pytest.param(OWNER, RevokeKeyCommand(), OWN_KEY, InvalidRequest, id="no target"),
        pytest.param(OWNER, RevokeKeyCommand(key_id=""), OWN_KEY, InvalidRequest, id="empty id"),
        pytest.param(
            OWNER, RevokeKeyCommand(secret="x"), OWN_KEY, InvalidRequest, id="malformed secret"
        ),
        pytest.param(
            OWNER,
            RevokeKeyCommand(key_id=KEY_ID, reason=None),
            OWN_KEY,
            InvalidRequest,
            id="unknown reason",
        ),
    ],
)
async def test_a_key_is_not_revoked_by_others(
    caller: Caller, command: RevokeKeyCommand, owner: KeyOwner, error: type[AuthsvcError]
) -> None:
    with pytest.raises(error):
        await _revoke(caller, command, owner)
