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
from authsvc.domain.freshness import NO_DEMAND, FreshnessDemand
from authsvc.usecases.authenticate_caller import AuthenticateCaller
from authsvc.usecases.judge_credential import Question
from tests.unit.examples import FAKE_KEY, NoHurry
from tests.unit.stores import (
    ADMIN,
    KEYS,
    OWNER,
    NoTokens,
    a_judge,
    validated,
)


async def test_a_caller_without_a_credential_is_told_so() -> None:
    with pytest.raises(CallerCredentialMissing):
        await AuthenticateCaller(a_judge())([], NoHurry())


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
        await AuthenticateCaller(a_judge())(values, NoHurry())

    assert caught.value.reason is reason


@pytest.mark.parametrize(
    "demand",
    [NO_DEMAND, FreshnessDemand(authoritative=True), FreshnessDemand(at_least_revision=1)],
)
async def test_a_demand_for_freshness_reaches_the_keys_that_verify(
    demand: FreshnessDemand,
) -> None:
    tokens = NoTokens()

    await validated(a_judge(tokens=tokens), Question("a.b.c", demand=demand), ADMIN)

    assert tokens.demands == [demand]


@pytest.mark.parametrize(
    ("demand", "recalled"),
    [
        (NO_DEMAND, 1),
        (FreshnessDemand(authoritative=True), 0),
        (FreshnessDemand(at_least_revision=1), 0),
    ],
)
async def test_a_remembered_token_answers_only_where_no_freshness_is_demanded(
    demand: FreshnessDemand, recalled: int
) -> None:
    tokens = NoTokens()

    await a_judge(tokens=tokens)(Question("a.b.c", demand=demand), NoHurry())

    assert tokens.recalled == recalled


@pytest.mark.parametrize("caller", [OWNER, KEYS])
async def test_only_validators_validate(caller: Caller) -> None:
    with pytest.raises(CallerNotPermitted):
        await validated(a_judge(), Question(FAKE_KEY), caller)


@pytest.mark.parametrize(
    ("question", "field"),
    [
        (Question("", ("BAD",)), "required_scopes[0]"),
        (
            Question("", demand=FreshnessDemand(at_least_revision=0)),
            "freshness.at_least_revision",
        ),
        (
            Question("", demand=FreshnessDemand(at_least_revision=-1)),
            "freshness.at_least_revision",
        ),
    ],
)
async def test_a_malformed_question_is_an_error_and_no_denial(
    question: Question, field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await validated(a_judge(), question, ADMIN)

    assert [violation.field for violation in caught.value.violations] == [field]


async def test_an_unknown_key_is_a_denial() -> None:
    verdict = await validated(a_judge(), Question(FAKE_KEY), ADMIN)

    assert isinstance(verdict.outcome, Denial)
    assert verdict.outcome.reason is DenialReason.KEY_NOT_FOUND


@pytest.mark.parametrize("value", [FAKE_KEY, "a.b.c"])
def test_what_is_unsettled_does_not_show_its_credential(value: str) -> None:
    answer = a_judge().now(Question(value, demand=FreshnessDemand(authoritative=True)))

    assert repr(answer) == "Unsettled(redacted)"
