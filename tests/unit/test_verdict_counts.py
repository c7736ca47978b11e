"""Verdicts are counted by what was presented, and by what became of it."""

from __future__ import annotations

import pytest

from authsvc.domain.denials import DENIALS, DenialReason
from authsvc.domain.principals import Principal, PrincipalKind
from authsvc.usecases.verdict_counts import VerdictCounts
from tests.unit.examples import ACCOUNT_ID, FAKE_KEY

TOKEN = "e30.e30.c2ln"


@pytest.mark.parametrize(
    ("value", "reason", "kind"),
    [
        ("", DenialReason.MISSING_CREDENTIAL, "none"),
        ("Basic YTpi", DenialReason.UNSUPPORTED_SCHEME, "none"),
        ("something", DenialReason.INVALID_KEY_FORMAT, "key"),
        ("some.thing", DenialReason.INVALID_KEY_FORMAT, "key"),
        (FAKE_KEY, DenialReason.KEY_NOT_FOUND, "key"),
        (FAKE_KEY, DenialReason.INSUFFICIENT_SCOPE, "key"),
        (f"Bearer {FAKE_KEY}", DenialReason.RATE_LIMITED, "key"),
        (TOKEN, DenialReason.TOKEN_EXPIRED, "token"),
        (TOKEN, DenialReason.INSUFFICIENT_SCOPE, "token"),
        (f"Bearer {TOKEN}", DenialReason.ACCOUNT_DISABLED, "token"),
    ],
)
def test_a_denial_is_counted(value: str, reason: DenialReason, kind: str) -> None:
    counts = VerdictCounts()

    counts.count(value, DENIALS[reason])

    assert counts.figures() == {("key", "OK"): 0, ("token", "OK"): 0, (kind, reason.name): 1}


@pytest.mark.parametrize(
    ("kind", "name"), [(PrincipalKind.API_KEY, "key"), (PrincipalKind.USER, "token")]
)
def test_a_good_credential_is_counted(kind: PrincipalKind, name: str) -> None:
    counts = VerdictCounts()

    principal = Principal(kind, ACCOUNT_ID, frozenset(), is_system=False, expire_time=None)
    counts.count("whatever", principal)

    assert counts.figures()[name, "OK"] == 1
