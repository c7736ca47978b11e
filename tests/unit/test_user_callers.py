"""Who may manage users, and what it may not see."""

from __future__ import annotations

import pytest

from authsvc.domain.callers import Caller
from authsvc.domain.errors import CallerNotPermitted
from authsvc.domain.scopes import ADMIN, KEYS, VALIDATE
from tests.unit.examples import (
    ACCOUNT_ID,
    OTHER_ACCOUNT_ID,
    SYSTEM_ACCOUNT_ID,
    USER_ID,
    a_caller,
    a_system_caller,
    a_user_caller,
)

OWN, OTHER = ACCOUNT_ID, OTHER_ACCOUNT_ID
# Each caller, whose users it may manage, and what it is told to lack if it may manage none.
TABLE: dict[str, tuple[Caller, set[str], str]] = {
    "admin": (a_system_caller(ADMIN), {OWN, OTHER}, ""),
    "keys": (a_system_caller(KEYS), set(), ADMIN),
    "validate": (a_system_caller(VALIDATE), set(), ADMIN),
    "system *": (a_system_caller("*"), set(), ADMIN),
    "account key *": (a_caller("*"), set(), ADMIN),
    "account key users:*": (a_caller("users:*"), set(), ADMIN),
    "account key with stray admin": (a_caller(ADMIN), set(), ADMIN),
    "owner": (a_user_caller("*"), {OWN}, ""),
    "owner of another account": (a_user_caller("*", account_id=OTHER), {OTHER}, ""),
    "member": (a_user_caller("sessions:*"), set(), "*"),
    "user keys:*": (a_user_caller("keys:*"), set(), "*"),
    "user * of another issuer": (a_user_caller("*", user_id="partner|1"), set(), ADMIN),
    "user with stray admin": (a_user_caller(ADMIN), set(), "*"),
    "system user *": (
        a_user_caller("*", account_id=SYSTEM_ACCOUNT_ID, is_system=True),
        set(),
        ADMIN,
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_caller_manages_the_users_of_the_accounts_in_the_table(name: str) -> None:
    caller, manages, _ = TABLE[name]

    assert {one for one in (OWN, OTHER) if caller.may_manage_users_of(one)} == manages


@pytest.mark.parametrize("name", TABLE)
def test_who_manages_none_is_told_what_it_lacks(name: str) -> None:
    caller, manages, lacks = TABLE[name]

    if manages:
        caller.require_user_management()
        return
    with pytest.raises(CallerNotPermitted) as refused:
        caller.require_user_management()
    assert refused.value.required_scope == lacks


def test_a_key_is_nobody() -> None:
    assert not a_caller("*").is_user("")
    assert not a_caller("*").is_user(USER_ID)
    assert a_user_caller().is_user(USER_ID)
    assert not a_user_caller().is_user("user_00000000000000000000000002")
