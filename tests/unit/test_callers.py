"""What each kind of caller may ask for (docs: design, section 5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.callers import Caller
from authsvc.domain.errors import CallerNotPermitted, ScopeNotGrantable
from authsvc.domain.scopes import ADMIN, KEYS, RESERVED, VALIDATE, covers
from tests.unit.examples import (
    ACCOUNT_ID,
    OTHER_ACCOUNT_ID,
    SYSTEM_ACCOUNT_ID,
    a_caller,
    a_system_caller,
    an_account,
)

CALLERS = {
    "validate": a_system_caller(VALIDATE),
    "keys": a_system_caller(KEYS),
    "admin": a_system_caller(ADMIN),
    "system *": a_system_caller("*"),
    "system keys:*": a_system_caller("keys:*"),
    "account *": a_caller("*"),
    "account keys:*": a_caller("keys:*"),
    "account keys:create": a_caller("keys:create"),
    "account sessions:*": a_caller("sessions:*"),
    "account without scopes": a_caller(),
    "account with stray admin": a_caller(ADMIN),
}
ACCOUNTS = {
    "own": an_account(ACCOUNT_ID),
    "other": an_account(OTHER_ACCOUNT_ID),
    "system": an_account(SYSTEM_ACCOUNT_ID, is_system=True),
}

# caller -> reserved scopes it passes, accounts whose keys it may manage
TABLE: dict[str, tuple[set[str], set[str]]] = {
    "validate": ({VALIDATE}, set()),
    "keys": ({KEYS}, {"own", "other"}),
    "admin": ({VALIDATE, KEYS, ADMIN}, {"own", "other", "system"}),
    "system *": (set(), set()),
    "system keys:*": (set(), set()),
    "account *": (set(), {"own"}),
    "account keys:*": (set(), {"own"}),
    "account keys:create": (set(), set()),
    "account sessions:*": (set(), set()),
    "account without scopes": (set(), set()),
    "account with stray admin": (set(), set()),
}


def _permits(caller: Caller, scope: str) -> bool:
    try:
        caller.require(scope)
    except CallerNotPermitted:
        return False
    return True


def _manages_keys(caller: Caller) -> bool:
    try:
        caller.require_key_management()
    except CallerNotPermitted:
        return False
    return True


def _grants(caller: Caller, scope: str, account: str) -> bool:
    try:
        caller.require_grantable([scope], ACCOUNTS[account])
    except ScopeNotGrantable:
        return False
    return True


@pytest.mark.parametrize("scope", sorted(RESERVED))
@pytest.mark.parametrize("name", TABLE)
def test_a_method_is_open_to_the_callers_of_the_table(name: str, scope: str) -> None:
    assert _permits(CALLERS[name], scope) == (scope in TABLE[name][0])


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("name", TABLE)
def test_the_keys_of_an_account_are_open_to_the_callers_of_the_table(
    name: str, account: str
) -> None:
    target = ACCOUNTS[account]

    permitted = CALLERS[name].may_manage_keys_of(target.account_id, is_system=target.is_system)

    assert permitted == (account in TABLE[name][1])


@pytest.mark.parametrize("name", TABLE)
def test_whoever_manages_keys_of_some_account_passes_the_gate_of_key_methods(name: str) -> None:
    assert _manages_keys(CALLERS[name]) == bool(TABLE[name][1])


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("validate", KEYS),
        ("system *", KEYS),
        ("account sessions:*", "keys:*"),
        ("account with stray admin", "keys:*"),
    ],
)
def test_a_refused_caller_learns_the_scope_that_it_can_have(name: str, needed: str) -> None:
    with pytest.raises(CallerNotPermitted) as caught:
        CALLERS[name].require_key_management()

    assert caught.value.required_scope == needed


def test_a_refused_method_names_the_scope_it_needs() -> None:
    with pytest.raises(CallerNotPermitted) as caught:
        CALLERS["account *"].require(VALIDATE)

    assert caught.value.required_scope == VALIDATE


def test_a_request_without_an_account_means_the_callers_own() -> None:
    assert CALLERS["account *"].own_account_id() == ACCOUNT_ID


def test_a_system_caller_has_no_account_of_its_own_to_mean() -> None:
    assert CALLERS["admin"].own_account_id() == ""


@pytest.mark.parametrize(
    ("name", "scope", "account"),
    [
        pytest.param("account *", "*", "own", id="all of one's own"),
        pytest.param("account *", "sessions:read", "own", id="narrower than one's own"),
        pytest.param("account *", "keys:*", "own", id="key management from all"),
        pytest.param("account keys:*", "keys:*", "own", id="the same"),
        pytest.param("account keys:*", "keys:create", "own", id="below a wildcard"),
        pytest.param("keys", "*", "other", id="all of any account"),
        pytest.param("admin", "*", "other", id="admin, all of any account"),
        pytest.param("admin", "sessions:read", "system", id="admin, plain scope of the system"),
        pytest.param("admin", VALIDATE, "system", id="admin, validate"),
        pytest.param("admin", KEYS, "system", id="admin, keys"),
        pytest.param("admin", ADMIN, "system", id="admin, admin"),
    ],
)
def test_a_caller_grants_what_it_has(name: str, scope: str, account: str) -> None:
    assert _grants(CALLERS[name], scope, account)


@pytest.mark.parametrize(
    ("name", "scope", "account"),
    [
        pytest.param("account keys:*", "*", "own", id="everything from key management"),
        pytest.param("account keys:*", "sessions:read", "own", id="another resource"),
        pytest.param("account *", VALIDATE, "own", id="reserved from *"),
        pytest.param("account *", ADMIN, "own", id="admin from *"),
        pytest.param("account *", ADMIN, "system", id="admin in the system account from *"),
        pytest.param("account with stray admin", ADMIN, "own", id="a stray reserved scope"),
        pytest.param("keys", KEYS, "other", id="reserved outside the system account"),
        pytest.param("keys", ADMIN, "system", id="keys makes itself admin"),
        pytest.param("keys", VALIDATE, "system", id="keys makes a validator"),
        pytest.param("admin", ADMIN, "other", id="admin outside the system account"),
        pytest.param("admin", VALIDATE, "own", id="validate outside the system account"),
    ],
)
def test_no_caller_grants_more_than_it_has(name: str, scope: str, account: str) -> None:
    assert not _grants(CALLERS[name], scope, account)


def test_one_scope_out_of_reach_refuses_all() -> None:
    with pytest.raises(ScopeNotGrantable):
        a_caller("sessions:*").require_grantable(
            ["sessions:read", "profiles:read"], ACCOUNTS["own"]
        )


@given(
    st.frozensets(st.sampled_from(["*", "keys:*", "keys:read", "a:*", "a:b", *RESERVED])),
    st.sampled_from(["*", "keys:*", "keys:read", "a:*", "a:b", "b:c", *RESERVED]),
)
def test_an_account_caller_never_grants_beyond_its_own_scopes(
    held: frozenset[str], scope: str
) -> None:
    granted = _grants(a_caller(*held), scope, "own")

    assert not granted or (covers(held, scope) and scope not in RESERVED)
