"""Who is calling, and what a validation asks for."""

from __future__ import annotations

import pytest

from authsvc.domain.callers import Caller
from authsvc.domain.denials import Denial, DenialReason
from authsvc.domain.errors import (
    CallerCredentialInvalid,
    CallerCredentialMissing,
    CallerNotPermitted,
    InvalidRequest,
)
from authsvc.usecases.authenticate_caller import AuthenticateCaller
from authsvc.usecases.judge_credential import JudgeCredential
from authsvc.usecases.validate_credential import ValidateCredential, ValidateCredentialQuery
from tests.unit.examples import (
    FAKE_KEY,
    NOW,
    NoHurry,
)
from tests.unit.stores import (
    ADMIN,
    KEYS,
    OWNER,
    Keys,
    NoTokens,
    a_call,
    some_accounts,
)


def _judge(tokens: NoTokens | None = None) -> JudgeCredential:
    return JudgeCredential(
        keys=Keys(), accounts=some_accounts(), tokens=tokens or NoTokens(), clock=lambda: NOW
    )


async def test_a_caller_without_a_credential_is_told_so() -> None:
    with pytest.raises(CallerCredentialMissing):
        await AuthenticateCaller(_judge())([], NoHurry())


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["x"], DenialReason.INVALID_KEY_FORMAT),
        ([FAKE_KEY], DenialReason.KEY_NOT_FOUND),
        ([FAKE_KEY, FAKE_KEY], DenialReason.INVALID_KEY_FORMAT),
        (["", FAKE_KEY], DenialReason.INVALID_KEY_FORMAT),
        (["Basic x"], DenialReason.UNSUPPORTED_SCHEME),
        (["a.b.c"], DenialReason.TOKEN_INVALID),
    ],
)
async def test_a_caller_with_a_bad_credential_is_told_why(
    values: list[str], reason: DenialReason
) -> None:
    with pytest.raises(CallerCredentialInvalid) as caught:
        await AuthenticateCaller(_judge())(values, NoHurry())

    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("query", "fresh"),
    [
        (ValidateCredentialQuery("a.b.c"), False),
        (ValidateCredentialQuery("a.b.c", authoritative=True), True),
        (ValidateCredentialQuery("a.b.c", at_least_revision=1), True),
    ],
)
async def test_a_demand_for_freshness_reaches_the_keys_that_verify(
    query: ValidateCredentialQuery, *, fresh: bool
) -> None:
    tokens = NoTokens()

    await ValidateCredential(_judge(tokens))(query, a_call(ADMIN))

    assert tokens.fresh == [fresh]


@pytest.mark.parametrize("caller", [OWNER, KEYS])
async def test_only_validators_validate(caller: Caller) -> None:
    with pytest.raises(CallerNotPermitted):
        await ValidateCredential(_judge())(ValidateCredentialQuery(FAKE_KEY), a_call(caller))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (ValidateCredentialQuery("", ("BAD",)), "required_scopes[0]"),
        (ValidateCredentialQuery("", at_least_revision=0), "freshness.at_least_revision"),
        (ValidateCredentialQuery("", at_least_revision=-1), "freshness.at_least_revision"),
    ],
)
async def test_a_malformed_query_is_an_error_and_no_denial(
    query: ValidateCredentialQuery, field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await ValidateCredential(_judge())(query, a_call(ADMIN))

    assert [violation.field for violation in caught.value.violations] == [field]


async def test_an_unknown_key_is_a_denial() -> None:
    verdict = await ValidateCredential(_judge())(ValidateCredentialQuery(FAKE_KEY), a_call(ADMIN))

    assert isinstance(verdict.outcome, Denial)
    assert verdict.outcome.reason is DenialReason.KEY_NOT_FOUND
