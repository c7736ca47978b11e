"""Judges of credentials by records from stores in memory."""

from __future__ import annotations

from datetime import timedelta

from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline
from authsvc.usecases.failure_limit import FailureLimit
from authsvc.usecases.followed_log import FollowedLog
from authsvc.usecases.fresh_lookup import LookupBounds
from authsvc.usecases.fresh_records import (
    AccountReader,
    FreshRecords,
    KeyRecordReader,
    SessionRecordReader,
    UserRecordReader,
)
from authsvc.usecases.judge_batch import JudgeBatch
from authsvc.usecases.judge_credential import JudgeCredential
from authsvc.usecases.judge_token import JudgeToken, TokenVerifier
from authsvc.usecases.question import Question, Verdict
from authsvc.usecases.rate_limits import RateLimiter, Unlimited
from authsvc.usecases.validate_credential import ValidateCredential
from authsvc.usecases.verdict_counts import VerdictCounts
from tests.unit.examples import NOW, NoHurry
from tests.unit.stores import Keys, NoTokens, SessionRecords, Usage, UserRecords, some_accounts

BOUNDS = LookupBounds(records=10, absent=10, reads=10, outage_max_staleness=None)


def some_records(
    keys: KeyRecordReader | None = None,
    accounts: AccountReader | None = None,
    users: UserRecordReader | None = None,
    sessions: SessionRecordReader | None = None,
    *,
    log: FollowedLog | None = None,
    bounds: LookupBounds = BOUNDS,
) -> FreshRecords:
    """Records that are looked up in these stores; by default nothing was followed yet."""
    unfollowed = FollowedLog(max_staleness=timedelta(seconds=5), monotonic=lambda: 0.0)
    return FreshRecords(
        log=log or unfollowed,
        keys=keys or Keys(),
        accounts=accounts or some_accounts(),
        users=users or UserRecords(),
        sessions=sessions or SessionRecords(),
        bounds=bounds,
        clock=lambda: NOW,
    )


class Changes:
    """A change log that has every revision."""

    async def newest_revision(self, _deadline: Deadline) -> int:
        return 1_000_000


def a_judge(
    records: FreshRecords | None = None,
    tokens: TokenVerifier | None = None,
    usage: Usage | None = None,
    failures: FailureLimit | None = None,
    limits: RateLimiter | None = None,
) -> JudgeCredential:
    found = records or some_records()
    failures = failures or FailureLimit(failures_per_minute=1000, monotonic=lambda: 0.0)
    return JudgeCredential(
        keys=found.keys,
        judge_token=a_token_judge(found, tokens or NoTokens(), failures),
        usage=usage or Usage(),
        changes=Changes(),
        limits=limits or Unlimited(),
        failures=failures,
        clock=lambda: NOW,
    )


def a_token_judge(
    records: FreshRecords, tokens: TokenVerifier, failures: FailureLimit
) -> JudgeToken:
    return JudgeToken(
        accounts=records.accounts,
        users=records.users,
        sessions=records.sessions,
        tokens=tokens,
        failures=failures,
    )


def a_batch_judge(
    judge: JudgeCredential, records: FreshRecords, tokens: TokenVerifier
) -> JudgeBatch:
    failures = FailureLimit(failures_per_minute=1000, monotonic=lambda: 0.0)
    return JudgeBatch(
        judge=judge,
        judge_token=a_token_judge(records, tokens, failures),
        keys=records.keys,
        accounts=records.accounts,
        users=records.users,
        sessions=records.sessions,
        tokens=tokens,
    )


async def validated(judge: JudgeCredential, question: Question, caller: Caller) -> Verdict:
    """Return the verdict that a caller gets, from memory or not."""
    validate = ValidateCredential(judge, VerdictCounts())
    answer = validate.now(question, caller)
    return answer if isinstance(answer, Verdict) else await validate.settle(answer, NoHurry())
