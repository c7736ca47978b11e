"""Every denial, as it is pasted into an HTTP response (docs: design, section 3)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.denials import DENIALS, Denial, DenialReason, insufficient_scope
from authsvc.domain.scopes import is_scope

REALM = 'Bearer realm="orchestrator"'

# reason -> message, status, error name, error code of the challenge ("" bare, None no challenge)
TABLE: dict[str, tuple[str, int, str, str | None]] = {
    "MISSING_CREDENTIAL": ("Missing Authorization header", 401, "UNAUTHORIZED", ""),
    "UNSUPPORTED_SCHEME": ("Unsupported authorization scheme", 401, "UNAUTHORIZED", ""),
    "INVALID_KEY_FORMAT": ("Invalid API key format", 401, "UNAUTHORIZED", "invalid_token"),
    "KEY_NOT_FOUND": ("API key not found", 401, "UNAUTHORIZED", "invalid_token"),
    "KEY_REVOKED": ("API key revoked", 401, "UNAUTHORIZED", "invalid_token"),
    "KEY_EXPIRED": ("API key expired", 401, "UNAUTHORIZED", "invalid_token"),
    "KEY_DISABLED": ("API key disabled", 401, "UNAUTHORIZED", "invalid_token"),
    "TOKEN_INVALID": ("Invalid token", 401, "UNAUTHORIZED", "invalid_token"),
    "TOKEN_EXPIRED": ("Token expired", 401, "UNAUTHORIZED", "invalid_token"),
    "TOKEN_REVOKED": ("Token revoked", 401, "UNAUTHORIZED", "invalid_token"),
    "ACCOUNT_DISABLED": ("Account disabled", 403, "FORBIDDEN", None),
    "ADDRESS_NOT_ALLOWED": ("Client address not allowed", 403, "FORBIDDEN", None),
    "INSUFFICIENT_SCOPE": ("Insufficient scope", 403, "FORBIDDEN", "insufficient_scope"),
    "RATE_LIMITED": ("Rate limit exceeded", 429, "TOO_MANY_REQUESTS", None),
}


def _denial(name: str) -> Denial:
    return DENIALS[DenialReason[name]]


def _challenge(name: str) -> str:
    message, _, _, code = TABLE[name]
    if code is None:
        return ""
    return f'{REALM}, error="{code}", error_description="{message}"' if code else REALM


def test_the_table_has_every_reason() -> None:
    assert set(TABLE) == {reason.name for reason in DenialReason}


def test_there_is_a_denial_for_every_reason() -> None:
    assert set(DENIALS) == set(DenialReason)


@pytest.mark.parametrize("name", TABLE)
def test_a_denial_is_known_by_its_reason(name: str) -> None:
    assert _denial(name).reason is DenialReason[name]


@pytest.mark.parametrize("name", TABLE)
def test_the_message_is_the_documented_one(name: str) -> None:
    assert _denial(name).reason.message == TABLE[name][0]


@pytest.mark.parametrize("name", TABLE)
def test_the_status_is_the_documented_one(name: str) -> None:
    assert _denial(name).reason.http_status == TABLE[name][1]


@pytest.mark.parametrize("name", TABLE)
def test_the_error_name_is_the_documented_one(name: str) -> None:
    assert _denial(name).error == TABLE[name][2]


@pytest.mark.parametrize("name", TABLE)
def test_the_challenge_is_that_of_rfc_6750(name: str) -> None:
    assert _denial(name).www_authenticate == _challenge(name)


@pytest.mark.parametrize("name", TABLE)
def test_nothing_is_to_be_waited_for(name: str) -> None:
    assert _denial(name).retry_after is None


def test_the_challenge_names_all_required_scopes_in_order() -> None:
    denial = insufficient_scope(["sessions:write", "profiles:read"])

    assert denial.www_authenticate == (
        f'{REALM}, error="insufficient_scope", error_description="Insufficient scope", '
        'scope="profiles:read sessions:write"'
    )


def test_a_scope_that_is_required_twice_is_named_once() -> None:
    denial = insufficient_scope(["sessions:read", "sessions:read"])

    assert denial.www_authenticate.endswith('scope="sessions:read"')


def test_a_denial_with_scopes_has_the_same_reason() -> None:
    assert insufficient_scope(["a"]).reason is DenialReason.INSUFFICIENT_SCOPE


@given(st.lists(st.text(st.sampled_from('ab:*."\\ \r\n'), max_size=4)))
def test_no_well_formed_scope_breaks_out_of_the_quotes(texts: list[str]) -> None:
    scopes = [text for text in texts if is_scope(text)]

    challenge = insufficient_scope(scopes).www_authenticate

    assert re.fullmatch(r'Bearer( [a-z_]+="[^"\\\r\n]*",?){4}', challenge)
