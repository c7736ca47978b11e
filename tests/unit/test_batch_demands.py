"""A batch of tokens: what each demands of freshness holds for the accounts that they name, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from authsvc.domain.access_tokens import AccessTokenClaims, TokenVerification
from authsvc.domain.accounts import Account
from authsvc.domain.changes import Watermark
from authsvc.domain.clock import Deadline
from authsvc.domain.denials import Denial
from authsvc.domain.freshness import (
    AUTHORITATIVE,
    NO_DEMAND,
    Freshness,
    FreshnessDemand,
    FreshnessSource,
)
from authsvc.domain.signing_keys import SigningAlgorithm
from authsvc.tokens.foreign.verifier import AllTokensVerifier
from authsvc.tokens.verifier import AccessTokenVerifier
from authsvc.usecases.followed_log import FollowedLog
from authsvc.usecases.judge_batch import JudgeBatch
from authsvc.usecases.question import Question, Verdict
from tests.unit.examples import ACCOUNT_ID, FAKE_KEY, NOW, NoHurry
from tests.unit.forging import CLAIMS, RULES, SEALER, Issuer, KeysInMemory, Watch, a_keyring
from tests.unit.forging import NOW as FORGED_AT
from tests.unit.judges import a_batch_judge, a_judge, some_records
from tests.unit.stores import Accounts, NoTokens, some_accounts

TOKEN = "a.b.c"


class GoodTokens(NoTokens):
    """A verifier that takes every token, for a user of one account."""

    async def verify(
        self, token: str, demand: FreshnessDemand, deadline: Deadline
    ) -> TokenVerification:
        await super().verify(token, demand, deadline)
        hour = timedelta(hours=1)
        claims = AccessTokenClaims("user_1", ACCOUNT_ID, (), NOW + hour, NOW, "jti_1")
        return TokenVerification(claims, Freshness(FreshnessSource.DATABASE, NOW))


class CountingAccounts(Accounts):
    """Accounts that tell how often they were read."""

    reads = 0

    async def find_accounts(
        self, account_ids: Sequence[str], deadline: Deadline
    ) -> Mapping[str, Account]:
        self.reads += 1
        return await super().find_accounts(account_ids, deadline)


async def a_judge_that_knows_the_account() -> tuple[JudgeBatch, CountingAccounts]:
    log = FollowedLog(max_staleness=timedelta(seconds=5), monotonic=lambda: 0.0)
    log.on_caught_up(Watermark(7, NOW, 0.0))
    accounts = CountingAccounts(*some_accounts().accounts)
    records, tokens = some_records(accounts=accounts, log=log), GoodTokens()
    judge = a_judge(records, tokens)
    await judge(Question(TOKEN), NoHurry())
    assert accounts.reads == 1
    batch = a_batch_judge(judge, records, tokens)
    return batch, accounts


async def test_without_a_demand_the_account_comes_from_memory() -> None:
    judge, accounts = await a_judge_that_knows_the_account()

    await judge.settle(judge.now([Question(TOKEN)] * 2), NoHurry())

    assert accounts.reads == 1


@pytest.mark.parametrize(
    "demands",
    [
        [FreshnessDemand(authoritative=True)],
        [FreshnessDemand(at_least_revision=9)],
        [FreshnessDemand(authoritative=True), NO_DEMAND],
        # Memory has revision 7: that does for the last demand, and not for the first.
        [FreshnessDemand(at_least_revision=9), FreshnessDemand(at_least_revision=5)],
    ],
)
async def test_with_a_demand_the_account_is_read_once_for_the_call(
    demands: list[FreshnessDemand],
) -> None:
    judge, accounts = await a_judge_that_knows_the_account()

    questions = [Question(TOKEN, demand=demand) for demand in demands]
    await judge.settle(judge.now([*questions, Question(FAKE_KEY)]), NoHurry())

    assert accounts.reads == 2


@pytest.mark.parametrize("before", [["a.b.c"], [], ["a.b.c", "b.c.d"]])
async def test_a_demand_is_not_met_by_a_token_that_no_key_was_read_for(
    issuers: Mapping[SigningAlgorithm, Issuer], before: list[str]
) -> None:
    issuer = issuers[SigningAlgorithm.ES256]
    store = KeysInMemory(issuer.sealed_by(SEALER))
    own = AccessTokenVerifier(
        keyring=a_keyring(store, Watch()), rules=RULES, remembered=10, clock=lambda: FORGED_AT
    )
    tokens = AllTokensVerifier(own=own, issuers=[], remembered=10, clock=lambda: FORGED_AT)
    records = some_records(accounts=some_accounts())
    judge = a_judge(records, tokens)
    batch = a_batch_judge(judge, records, tokens)
    token = issuer.token(payload=CLAIMS)
    await judge(Question(token), NoHurry())
    store.keys.clear()

    questions = [Question(value, demand=AUTHORITATIVE) for value in [*before, token]]
    verdicts = await batch.settle(batch.now(questions), NoHurry())

    last = verdicts[-1]
    assert isinstance(last, Verdict)
    assert isinstance(last.outcome, Denial)
    assert last.outcome.reason.name == "TOKEN_INVALID"
    assert store.reads == 2
