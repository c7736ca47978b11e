"""What a token of another issuer must say, and whom it stands for here."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.access_tokens import AccessTokenClaims
from authsvc.domain.denials import DenialReason
from authsvc.domain.findings import Finding
from authsvc.domain.findings import FindingCode as Code
from authsvc.domain.foreign_issuers import (
    ClaimedAccount,
    FixedAccount,
    ForeignTokenRules,
    ScopeMapping,
)
from tests.unit.forging import NOW, T

ACCOUNT = "acct_01h2xcejqtf2nbrexx3vqjhp41"
OTHER = "acct_01h2xcejqtf2nbrexx3vqjhp42"
RULES = ForeignTokenRules(
    alias="partner",
    issuer="https://id.partner.example",
    audiences=frozenset({"https://api.example", "other"}),
    account=ClaimedAccount("org", {"acme": ACCOUNT}),
    scopes=ScopeMapping("scope", {"read": ("sessions:read",), "all": ("sessions:*", "keys:*")}),
    subject_claim="sub",
    leeway=timedelta(seconds=10),
    max_lifetime=timedelta(hours=1),
)
Outcome: TypeAlias = AccessTokenClaims | DenialReason
CLAIMS: dict[str, object] = {
    "iss": RULES.issuer,
    "aud": "https://api.example",
    "sub": "ada",
    "org": "acme",
    "scope": "openid read",
    "iat": T - 60,
    "exp": T + 60,
}


def read(rules: ForeignTokenRules = RULES, /, **changes: object) -> Outcome:
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not ...}
    outcome = rules.read(claims, NOW)
    faults = rules.find_faults(claims, NOW)
    # What is told is what is decided.
    assert (outcome is DenialReason.TOKEN_EXPIRED) == (
        [f.code for f in faults] == [Code.TOKEN_EXPIRED]
    )
    assert isinstance(outcome, AccessTokenClaims) == (not faults)
    return outcome


def good(rules: ForeignTokenRules = RULES, /, **changes: object) -> AccessTokenClaims:
    outcome = read(rules, **changes)
    assert isinstance(outcome, AccessTokenClaims)
    return outcome


def test_a_token_stands_for_a_user_of_its_issuer() -> None:
    claims = good(jti="j1")

    assert claims.subject == "partner|ada"
    assert claims.account_id == ACCOUNT
    assert claims.scopes == ("sessions:read",)
    assert (claims.token_id, claims.session_id) == ("j1", "")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"iss": "https://other.example"}, [Finding(Code.TOKEN_ISSUER)]),
        ({"iss": RULES.issuer + "/"}, [Finding(Code.TOKEN_ISSUER)]),
        ({"aud": "https://other.example"}, [Finding(Code.TOKEN_AUDIENCE)]),
        ({"aud": []}, [Finding(Code.TOKEN_AUDIENCE)]),
        ({"aud": ["other", 1]}, [Finding(Code.TOKEN_AUDIENCE)]),
        ({"aud": {"other": 1}}, [Finding(Code.TOKEN_AUDIENCE)]),
        ({"org": "stranger"}, [Finding(Code.TOKEN_ACCOUNT_UNMAPPED)]),
        ({"org": 7}, [Finding(Code.TOKEN_CLAIM_MALFORMED, claim="org")]),
        ({"sub": ""}, [Finding(Code.TOKEN_CLAIM_MALFORMED, claim="sub")]),
        ({"sub": "a" * 256}, [Finding(Code.TOKEN_CLAIM_MALFORMED, claim="sub")]),
        ({"sub": "a\nb"}, [Finding(Code.TOKEN_CLAIM_MALFORMED, claim="sub")]),
        ({"exp": "soon"}, [Finding(Code.TOKEN_CLAIM_MALFORMED, claim="exp")]),
        ({"nbf": True}, [Finding(Code.TOKEN_CLAIM_MALFORMED, claim="nbf")]),
        ({"scope": 1}, [Finding(Code.TOKEN_CLAIM_MALFORMED, claim="scope")]),
        ({"scope": ["read", 1]}, [Finding(Code.TOKEN_CLAIM_MALFORMED, claim="scope")]),
        ({"iat": T + 11}, [Finding(Code.TOKEN_NOT_YET_VALID, length=11)]),
        ({"nbf": T + 11}, [Finding(Code.TOKEN_NOT_YET_VALID, length=11)]),
        ({"exp": T + 3600 - 49}, [Finding(Code.TOKEN_LIFETIME, length=11)]),
        ({"exp": T - 10}, [Finding(Code.TOKEN_EXPIRED, length=10)]),
    ],
)
def test_each_fault_is_found(changes: dict[str, object], found: list[Finding]) -> None:
    expected = (
        DenialReason.TOKEN_EXPIRED
        if found[0].code is Code.TOKEN_EXPIRED
        else DenialReason.TOKEN_INVALID
    )

    assert list(RULES.find_faults(CLAIMS | changes, NOW)) == found
    assert read(RULES, **changes) is expected


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "iat", "sub", "org"])
def test_what_every_issuer_must_say_may_not_be_missing(name: str) -> None:
    assert read(RULES, **{name: ...}) is DenialReason.TOKEN_INVALID
    claims = {other: value for other, value in CLAIMS.items() if other != name}
    assert list(RULES.find_faults(claims, NOW)) == [Finding(Code.TOKEN_CLAIM_MISSING, claim=name)]


def test_a_token_that_is_wrong_and_expired_is_invalid() -> None:
    assert read(exp=T - 60, org="stranger") is DenialReason.TOKEN_INVALID


def test_leeway_reaches_both_ways_and_no_further() -> None:
    assert good(iat=T + 10)
    assert good(nbf=T + 10)
    assert good(exp=T - 9)
    assert good(exp=T + 3600 - 60 + 10)


def test_one_audience_of_several_is_enough() -> None:
    assert good(aud=["https://elsewhere.example", "other"])


@pytest.mark.parametrize(
    ("value", "scopes"),
    [
        ("", ()),
        ("openid profile", ()),
        ("read read", ("sessions:read",)),
        (["all", "read"], ("sessions:*", "keys:*", "sessions:read")),
        ([], ()),
        ("authsvc:admin sessions:read *", ()),
        (..., ("a",)),
    ],
)
def test_scopes_are_mapped_and_others_dropped(value: object, scopes: tuple[str, ...]) -> None:
    rules = replace(RULES, scopes=replace(RULES.scopes, default=("a",)))

    assert good(rules, scope=value).scopes == scopes


def test_the_account_may_be_the_claim_itself_or_fixed() -> None:
    claimed = replace(RULES, account=ClaimedAccount("org"))
    fixed = replace(RULES, account=FixedAccount(OTHER))

    assert good(claimed, org=OTHER).account_id == OTHER
    assert read(claimed, org="acme") is DenialReason.TOKEN_INVALID
    assert read(claimed, org="key_01h2xcejqtf2nbrexx3vqjhp41") is DenialReason.TOKEN_INVALID
    assert good(fixed, org=...).account_id == OTHER


def test_another_claim_may_be_the_subject() -> None:
    rules = replace(RULES, subject_claim="oid")

    assert good(rules, oid="o-1", sub=...).subject == "partner|o-1"
    assert read(rules) is DenialReason.TOKEN_INVALID


@given(st.text(min_size=1), st.text(min_size=1))
def test_no_subject_passes_for_one_of_another_issuer_or_of_ours(one: str, other: str) -> None:
    subjects = set()
    for alias in ("partner", "partner-2"):
        for sub in (one, f"partner|{other}", "user_01h2xcejqtf2nbrexx3vqjhp41"):
            outcome = read(replace(RULES, alias=alias), sub=sub)
            if isinstance(outcome, AccessTokenClaims):
                assert outcome.subject.partition("|")[0] == alias
                assert (alias, sub) not in subjects or one == f"partner|{other}"
                subjects.add((alias, sub))
                assert not outcome.subject.startswith("user_")


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text())
)


@given(st.dictionaries(st.sampled_from([*CLAIMS, "nbf", "jti"]), values))
def test_no_claims_are_too_odd_to_judge(changes: dict[str, object]) -> None:
    assert read(RULES, **changes)
