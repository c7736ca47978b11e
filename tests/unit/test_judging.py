"""Who is calling, and what a validation asks for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from authsvc.domain.callers import Caller
from authsvc.domain.changes import Watermark
from authsvc.domain.denials import DENIALS, Denial, DenialReason
from authsvc.domain.errors import (
    CallerCredentialInvalid,
    CallerCredentialMissing,
    CallerNotPermitted,
    InvalidRequest,
)
from authsvc.domain.freshness import NO_DEMAND, FreshnessDemand
from authsvc.domain.keys import OwnedKey
from authsvc.usecases.authenticate_caller import AuthenticateCaller
from authsvc.usecases.followed_log import FollowedLog
from authsvc.usecases.judge_credential import JudgeCredential
from authsvc.usecases.question import Question, Verdict
from tests.unit.examples import FAKE_KEY, KEY_ID, NOW, NoHurry, an_account
from tests.unit.judges import a_judge, some_records, validated
from tests.unit.managed_keys import a_key
from tests.unit.stores import ADMIN, KEYS, OWNER, KnownKeysInMemory, NoTokens, Usage


async def test_a_caller_without_a_credential_is_told_so() -> None:
    with pytest.raises(CallerCredentialMissing):
        await AuthenticateCaller(a_judge(), onlooker=a_judge())([], NoHurry())


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
        await AuthenticateCaller(a_judge(), onlooker=a_judge())(values, NoHurry())

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


RESTRICTED = OwnedKey(a_key(allowed_addresses=("192.0.2.0/24",)), an_account())
NOT_ALLOWED = (KEY_ID, "ADDRESS_NOT_ALLOWED")


async def a_judge_that_remembers(known: OwnedKey, usage: Usage) -> JudgeCredential:
    """Return a judge that has the record of a key in memory."""
    log = FollowedLog(max_staleness=timedelta(seconds=5), monotonic=lambda: 0.0)
    log.on_caught_up(Watermark(1, NOW, 0.0))
    judge = a_judge(some_records(keys=KnownKeysInMemory({FAKE_KEY: known}), log=log), usage=usage)
    await judge(Question(FAKE_KEY, client_address="192.0.2.1"), NoHurry())
    usage.counted.clear()
    return judge


async def test_a_restricted_caller_is_taken_from_memory_with_its_address() -> None:
    usage = Usage()
    judge = await a_judge_that_remembers(RESTRICTED, usage)
    authenticate = AuthenticateCaller(judge, onlooker=judge)

    caller = authenticate.now([FAKE_KEY], "192.0.2.1")

    assert caller is not None
    assert caller.principal.key_id == KEY_ID
    assert usage.counted == [(KEY_ID, "OK")]


@pytest.mark.parametrize("peer", ["192.0.3.1", ""])
async def test_a_restricted_caller_is_refused_from_elsewhere_and_from_nowhere(peer: str) -> None:
    usage = Usage()
    judge = await a_judge_that_remembers(RESTRICTED, usage)
    authenticate = AuthenticateCaller(judge, onlooker=judge)

    with pytest.raises(CallerCredentialInvalid) as caught:
        await authenticate([FAKE_KEY], NoHurry(), peer)

    assert caught.value.reason is DenialReason.ADDRESS_NOT_ALLOWED
    assert usage.counted == [NOT_ALLOWED]


async def test_a_caller_without_rules_is_settled_without_its_address() -> None:
    judge = await a_judge_that_remembers(OwnedKey(a_key(), an_account()), Usage())
    authenticate = AuthenticateCaller(judge, onlooker=judge)

    assert isinstance(authenticate.now([FAKE_KEY]), Caller)


async def test_a_restricted_key_without_an_address_is_denied_from_memory() -> None:
    usage = Usage()
    judge = await a_judge_that_remembers(RESTRICTED, usage)

    answer = judge.now(Question(FAKE_KEY))

    assert isinstance(answer, Verdict)
    assert answer.outcome is DENIALS[DenialReason.ADDRESS_NOT_ALLOWED]
    assert usage.counted == [NOT_ALLOWED]


@pytest.mark.parametrize("value", [FAKE_KEY, "a.b.c"])
def test_what_is_unsettled_does_not_show_its_credential(value: str) -> None:
    answer = a_judge().now(Question(value, demand=FreshnessDemand(authoritative=True)))

    assert repr(answer) == "Unsettled(redacted)"
