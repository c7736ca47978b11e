"""The claims of an access token whose signature is good."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.access_tokens import AccessTokenClaims, TokenRules
from authsvc.domain.denials import DenialReason

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
T = int(NOW.timestamp())
LEEWAY = 10
RULES = TokenRules("https://issuer.example", "https://api.example", timedelta(seconds=LEEWAY))

CLAIMS: dict[str, object] = {
    "iss": "https://issuer.example",
    "aud": "https://api.example",
    "sub": "user_1",
    "account_id": "acct_00000000000000000000000001",
    "scope": "sessions:read",
    "jti": "jti_1",
    "iat": T - 60,
    "exp": T + 60,
}
REQUIRED = ("iss", "aud", "sub", "account_id", "jti", "iat", "exp")
INVALID = DenialReason.TOKEN_INVALID
EXPIRED = DenialReason.TOKEN_EXPIRED


def _read(**changes: object) -> AccessTokenClaims | DenialReason:
    return RULES.read(CLAIMS | changes, NOW)


def _is_good(**changes: object) -> bool:
    return isinstance(_read(**changes), AccessTokenClaims)


def test_good_claims_are_read() -> None:
    assert _read(sid="sess_1") == AccessTokenClaims(
        subject="user_1",
        account_id="acct_00000000000000000000000001",
        scopes=("sessions:read",),
        expire_time=NOW + timedelta(seconds=60),
        issue_time=NOW - timedelta(seconds=60),
        token_id="jti_1",
        session_id="sess_1",
    )


@pytest.mark.parametrize("name", REQUIRED)
def test_a_token_without_a_required_claim_is_invalid(name: str) -> None:
    claims = {key: value for key, value in CLAIMS.items() if key != name}

    assert RULES.read(claims, NOW) is INVALID


@pytest.mark.parametrize("name", ["nbf", "sid", "scope"])
def test_a_token_without_an_optional_claim_is_good(name: str) -> None:
    claims = {key: value for key, value in CLAIMS.items() if key != name}

    assert isinstance(RULES.read(claims, NOW), AccessTokenClaims)


def test_unknown_claims_are_ignored() -> None:
    assert _is_good(colour="blue", exp_=0)


@pytest.mark.parametrize("value", [None, 1, 1.5, True, [], ["user_1"], {}, ""])
@pytest.mark.parametrize("name", ["sub", "account_id", "jti", "sid", "iss"])
def test_a_text_claim_of_another_type_is_invalid(name: str, value: object) -> None:
    assert _read(**{name: value}) is INVALID


@pytest.mark.parametrize("text", ["a\nb", "a\0b", "\u2028", "\ud800", "\u202eabc", "a" * 256])
@pytest.mark.parametrize("name", ["sub", "account_id", "jti", "sid"])
def test_a_text_claim_that_cannot_be_logged_is_invalid(name: str, text: str) -> None:
    assert _read(**{name: text}) is INVALID


def test_the_longest_text_claim_is_read() -> None:
    assert _is_good(sub="a" * 255)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="null"),
        pytest.param(str(T), id="text"),
        pytest.param(True, id="true"),
        pytest.param(False, id="false"),
        pytest.param([T], id="list"),
        pytest.param({}, id="object"),
        pytest.param(math.nan, id="NaN"),
        pytest.param(math.inf, id="infinity"),
        pytest.param(-math.inf, id="minus infinity"),
        pytest.param(-1, id="negative"),
        pytest.param(-0.5, id="negative fraction"),
        pytest.param(253_402_300_800, id="the year 10000"),
        pytest.param(1e300, id="huge float"),
        pytest.param(10**400, id="too large for a float"),
        pytest.param(-(10**400), id="too small for a float"),
    ],
)
@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
def test_a_time_that_is_no_numeric_date_is_invalid(name: str, value: object) -> None:
    assert _read(**{name: value}) is INVALID


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none()))
def test_no_expiry_raises(value: object) -> None:
    assert _read(exp=value) is not None


def test_the_last_second_of_the_calendar_is_an_expiry() -> None:
    assert _is_good(exp=253_402_300_799 - 1)


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
def test_times_may_have_fractions(name: str) -> None:
    fraction = {"exp": T + 0.5, "iat": T - 0.5, "nbf": T - 0.5}[name]

    assert _is_good(**{name: fraction})


@pytest.mark.parametrize(
    ("expiry", "good"),
    [(T + 1, True), (T, True), (T - LEEWAY + 1, True), (T - LEEWAY, False), (T - 3600, False)],
)
def test_a_token_is_good_until_its_expiry_and_the_leeway(expiry: int, *, good: bool) -> None:
    assert _is_good(exp=expiry) == good


def test_a_token_past_its_expiry_is_expired() -> None:
    assert _read(exp=T - LEEWAY) is EXPIRED


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_a_token_is_good_from_the_leeway_before_its_start(name: str) -> None:
    assert _is_good(**{name: T + LEEWAY})


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_a_token_from_the_future_is_invalid(name: str) -> None:
    assert _read(**{name: T + LEEWAY + 1}) is INVALID


def test_without_leeway_the_expiry_is_exact() -> None:
    rules = TokenRules(RULES.issuer, RULES.audience, timedelta(0))

    assert rules.read(CLAIMS | {"exp": T}, NOW) is EXPIRED


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"iss": "https://other.example"}, id="issuer"),
        pytest.param({"aud": "https://other.example"}, id="audience"),
        pytest.param({"sub": ""}, id="subject"),
        pytest.param({"scope": 1}, id="scope"),
        pytest.param({"iat": T + 3600}, id="from the future"),
    ],
)
def test_an_expired_token_with_another_flaw_is_invalid(changes: dict[str, object]) -> None:
    assert _read(exp=T - 3600, **changes) is INVALID


@pytest.mark.parametrize(
    "issuer", ["https://issuer.example/", "HTTPS://ISSUER.EXAMPLE", "issuer.example"]
)
def test_the_issuer_is_compared_byte_for_byte(issuer: str) -> None:
    assert _read(iss=issuer) is INVALID


def test_the_audience_may_be_one_of_several() -> None:
    assert _is_good(aud=["https://other.example", "https://api.example"])


@pytest.mark.parametrize(
    "audience",
    [
        pytest.param("https://other.example", id="another"),
        pytest.param("https://api.example/", id="slash behind"),
        pytest.param("x https://api.example", id="in a text"),
        pytest.param([], id="none"),
        pytest.param(["https://other.example"], id="another in a list"),
        pytest.param([["https://api.example"]], id="nested"),
        pytest.param(["https://api.example", 1], id="list with a number"),
        pytest.param({"https://api.example": 1}, id="object"),
        pytest.param(None, id="null"),
        pytest.param(1, id="number"),
    ],
)
def test_a_token_for_another_audience_is_invalid(audience: object) -> None:
    assert _read(aud=audience) is INVALID


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        ("", ()),
        ("*", ("*",)),
        ("sessions:read", ("sessions:read",)),
        ("sessions:read profiles:*", ("sessions:read", "profiles:*")),
    ],
)
def test_the_scope_claim_is_parted_at_its_blanks(scope: str, scopes: tuple[str, ...]) -> None:
    claims = _read(scope=scope)

    assert isinstance(claims, AccessTokenClaims)
    assert claims.scopes == scopes


@pytest.mark.parametrize(
    "scope",
    [None, 1, ["sessions:read"], {}, " ", "a  b", " a", "a ", "a\tb", "a,b", "Sessions", 'a"b'],
)
def test_a_malformed_scope_claim_is_invalid(scope: object) -> None:
    assert _read(scope=scope) is INVALID
