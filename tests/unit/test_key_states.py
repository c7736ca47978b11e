"""The states of a key's life, and which of several reasons a denial gives."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest

from authsvc.domain.access_tokens import AccessTokenClaims
from authsvc.domain.accounts import AccountState
from authsvc.domain.denials import Denial, DenialReason
from authsvc.domain.judgement import judge_key, judge_token
from authsvc.domain.keys import Key, KeyRecord, KeyState
from authsvc.domain.principals import Principal, PrincipalKind
from authsvc.domain.scopes import ADMIN, KEYS, VALIDATE
from tests.unit.examples import ACCOUNT_ID, KEY_ID, NOW, SECOND, an_account

# In the order of precedence.
FLAWS = {
    "revoked": DenialReason.KEY_REVOKED,
    "disabled": DenialReason.KEY_DISABLED,
    "expired": DenialReason.KEY_EXPIRED,
    "account": DenialReason.ACCOUNT_DISABLED,
    "address": DenialReason.ADDRESS_NOT_ALLOWED,
    "scope": DenialReason.INSUFFICIENT_SCOPE,
}
STATES = {
    "revoked": KeyState.REVOKED,
    "disabled": KeyState.DISABLED,
    "expired": KeyState.EXPIRED,
}


def at_now() -> datetime:
    return NOW


def _record(
    *flaws: str, scopes: tuple[str, ...] = ("sessions:*",), system: bool = False
) -> KeyRecord:
    return KeyRecord(
        key_id=KEY_ID,
        name="ci",
        account_id=ACCOUNT_ID,
        account_state=AccountState.DISABLED if "account" in flaws else AccountState.ACTIVE,
        account_is_system=system,
        scopes=scopes,
        metadata={"team": "a"},
        expire_time=NOW if "expired" in flaws else None,
        disabled="disabled" in flaws,
        revoked="revoked" in flaws,
        allowed_addresses=("192.0.2.0/24",) if "address" in flaws else (),
    )


def _key(*flaws: str, expire_in: timedelta | None = None) -> Key:
    return Key(
        key_id=KEY_ID,
        account_id=ACCOUNT_ID,
        name="ci",
        scopes=("*",),
        hint="orch_0000…0001",
        create_time=NOW,
        expire_time=NOW if "expired" in flaws else None if expire_in is None else NOW + expire_in,
        metadata={},
        revision=1,
        disabled="disabled" in flaws,
        revoke_time=NOW if "revoked" in flaws else None,
    )


def _reason(verdict: Principal | Denial) -> DenialReason | None:
    return verdict.reason if isinstance(verdict, Denial) else None


def _claims(*scopes: str) -> AccessTokenClaims:
    return AccessTokenClaims("user_1", ACCOUNT_ID, scopes, NOW + SECOND, NOW, "jti_1", "sess_1")


def _required(*flaws: str) -> list[str]:
    return ["profiles:read"] if "scope" in flaws else ["sessions:read"]


@pytest.mark.parametrize("flaw", FLAWS)
def test_each_flaw_alone_has_its_own_reason(flaw: str) -> None:
    verdict = judge_key(_record(flaw), _required(flaw), at_now)

    assert _reason(verdict) is FLAWS[flaw]


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(FLAWS, 2)))
def test_of_two_flaws_the_earlier_in_the_order_is_given(first: str, second: str) -> None:
    verdict = judge_key(_record(first, second), _required(first, second), at_now)

    assert _reason(verdict) is FLAWS[first]


def test_of_all_flaws_revocation_is_given() -> None:
    verdict = judge_key(_record(*FLAWS), _required(*FLAWS), at_now)

    assert _reason(verdict) is DenialReason.KEY_REVOKED


def test_a_key_without_flaws_is_good() -> None:
    verdict = judge_key(_record(), ["sessions:read"], at_now)

    assert verdict == Principal(
        kind=PrincipalKind.API_KEY,
        account_id=ACCOUNT_ID,
        scopes=frozenset({"sessions:*"}),
        is_system=False,
        expire_time=None,
        key_id=KEY_ID,
        key_name="ci",
        metadata={"team": "a"},
    )


def test_a_key_without_scopes_is_good_when_none_is_required() -> None:
    assert isinstance(judge_key(_record(scopes=()), [], at_now), Principal)


@pytest.mark.parametrize("address", ["", "192.0.3.1", "2001:db8::1"])
def test_a_restricted_key_is_refused_from_elsewhere_and_from_nowhere(address: str) -> None:
    verdict = judge_key(_record("address"), [], at_now, address)

    assert _reason(verdict) is DenialReason.ADDRESS_NOT_ALLOWED


@pytest.mark.parametrize("address", ["192.0.2.1", "::ffff:192.0.2.1"])
def test_a_restricted_key_is_good_from_its_addresses(address: str) -> None:
    assert isinstance(judge_key(_record("address"), [], at_now, address), Principal)


def test_scopes_are_looked_at_behind_the_address() -> None:
    verdict = judge_key(_record("address"), ["profiles:read"], at_now, "192.0.2.1")

    assert _reason(verdict) is DenialReason.INSUFFICIENT_SCOPE


def test_all_required_scopes_are_needed() -> None:
    verdict = judge_key(_record(), ["sessions:read", "profiles:read"], at_now)

    assert _reason(verdict) is DenialReason.INSUFFICIENT_SCOPE


def test_a_key_is_good_until_the_moment_of_its_expiry() -> None:
    record = _record("expired")

    assert isinstance(judge_key(record, [], lambda: NOW - timedelta(microseconds=1)), Principal)


@pytest.mark.parametrize("scope", [VALIDATE, KEYS, ADMIN])
def test_a_reserved_scope_in_an_ordinary_accounts_record_opens_nothing(scope: str) -> None:
    verdict = judge_key(_record(scopes=("*", scope)), [scope], at_now)

    assert _reason(verdict) is DenialReason.INSUFFICIENT_SCOPE


def test_a_reserved_scope_of_the_system_account_is_kept() -> None:
    assert isinstance(
        judge_key(_record(scopes=(ADMIN,), system=True), [VALIDATE], at_now), Principal
    )


@pytest.mark.parametrize("state", STATES)
def test_each_flaw_alone_has_its_own_state(state: str) -> None:
    assert _key(state).state_at(NOW) is STATES[state]


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(STATES, 2)))
def test_of_two_states_the_earlier_in_the_order_is_told(first: str, second: str) -> None:
    assert _key(first, second).state_at(NOW) is STATES[first]


@pytest.mark.parametrize("expire_in", [None, SECOND, timedelta(microseconds=1)])
def test_a_key_before_its_expiry_is_active(expire_in: timedelta | None) -> None:
    assert _key(expire_in=expire_in).state_at(NOW) is KeyState.ACTIVE


def test_a_token_stands_for_its_user() -> None:
    principal = judge_token(_claims("sessions:read"), an_account(), None, ["sessions:read"])

    assert principal == Principal(
        kind=PrincipalKind.USER,
        account_id=ACCOUNT_ID,
        scopes=frozenset({"sessions:read"}),
        is_system=False,
        expire_time=NOW + SECOND,
        user_id="user_1",
        session_id="sess_1",
    )


def test_a_token_of_a_disabled_account_is_refused_before_its_scopes_are_looked_at() -> None:
    account = an_account(state=AccountState.DISABLED)

    verdict = judge_token(_claims(), account, None, ["sessions:read"])

    assert _reason(verdict) is DenialReason.ACCOUNT_DISABLED


def test_a_token_without_the_scope_is_refused() -> None:
    verdict = judge_token(_claims("sessions:read"), an_account(), None, ["sessions:write"])

    assert _reason(verdict) is DenialReason.INSUFFICIENT_SCOPE


@pytest.mark.parametrize("is_system", [False, True])
def test_a_token_never_carries_reserved_scopes(*, is_system: bool) -> None:
    verdict = judge_token(_claims("*", ADMIN), an_account(is_system=is_system), None, [VALIDATE])

    assert _reason(verdict) is DenialReason.INSUFFICIENT_SCOPE


@pytest.mark.parametrize(
    ("principal", "actor"),
    [
        (judge_key(_record(), [], at_now), KEY_ID),
        (judge_token(_claims(), an_account(), None, []), "user_1"),
    ],
)
def test_the_actor_is_the_key_or_the_user(principal: Principal | Denial, actor: str) -> None:
    assert isinstance(principal, Principal)
    assert principal.actor == actor
