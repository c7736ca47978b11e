"""Keys with a rate limit: when it is taken from, by whom, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from authsvc.domain.accounts import AccountState
from authsvc.domain.changes import Watermark
from authsvc.domain.clock import Deadline
from authsvc.domain.denials import Denial, DenialReason
from authsvc.domain.errors import CallerRateLimited, DatabaseUnavailable, TooManyLookups
from authsvc.domain.freshness import AUTHORITATIVE, FreshnessDemand, FreshnessSource
from authsvc.domain.key_secrets import digest_of
from authsvc.domain.keys import KeyRecord
from authsvc.domain.principals import Principal
from authsvc.domain.rate_limits import RateLimit
from authsvc.domain.takings import ONE_TAKEN, Taken, Wanted
from authsvc.usecases.authenticate_caller import AuthenticateCaller
from authsvc.usecases.failure_limit import FailureLimit
from authsvc.usecases.followed_log import FollowedLog
from authsvc.usecases.judge_batch import Undecided
from authsvc.usecases.judge_credential import JudgeCredential
from authsvc.usecases.question import Question, Unsettled, Verdict
from authsvc.usecases.rate_limits import OnlyRead, RateLimiter, Unlimited
from tests.unit.examples import ACCOUNT_ID, NOW, NoHurry
from tests.unit.judges import a_batch_judge, a_judge, some_records
from tests.unit.stores import Keys, NoTokens, Usage

LIMIT = RateLimit(3, timedelta(minutes=1))
WAIT = timedelta(seconds=20)
LIMITED, OTHER, FREE = ("orch_" + digit * 40 for digit in "123")
UNKNOWN = "orch_" + "0" * 40
KEY_IDS = {LIMITED: "key_limited", OTHER: "key_other", FREE: "key_free"}


def a_record(
    secret: str = LIMITED, *, limit: RateLimit | None = LIMIT, **changes: object
) -> KeyRecord:
    values: dict[str, object] = {
        "key_id": KEY_IDS[secret],
        "name": "ci",
        "account_id": ACCOUNT_ID,
        "account_state": AccountState.ACTIVE,
        "account_is_system": False,
        "scopes": ("a:read",),
        "metadata": {},
        "expire_time": None,
        "disabled": False,
        "revoked": False,
        "rate_limit": limit,
    }
    return KeyRecord(**values | changes)  # type: ignore[arg-type] # of many types


class CountingKeys(Keys):
    """Three keys, two of them limited; tells how often records were read."""

    def __init__(self, *records: KeyRecord) -> None:
        super().__init__()
        records = records or (a_record(), a_record(OTHER), a_record(FREE, limit=None))
        secrets = {key_id: secret for secret, key_id in KEY_IDS.items()}
        self.records = {digest_of(secrets[one.principal.key_id]): one for one in records}
        self.reads: list[int] = []

    async def find_key_records(
        self, digests: Sequence[bytes], deadline: Deadline
    ) -> Mapping[bytes, KeyRecord]:
        await super().find_key_records(digests, deadline)
        self.reads.append(len(digests))
        return {digest: self.records[digest] for digest in digests if digest in self.records}


class Counts:
    """Limits by simple counts, in this process or as if they were elsewhere."""

    def __init__(self, *, elsewhere: bool = False) -> None:
        self.elsewhere = elsewhere
        self.taken: dict[str, int] = {}
        self.asked: list[list[Wanted]] = []

    def take_now(self, key_id: str, limit: RateLimit) -> Taken | None:
        return None if self.elsewhere else self._take(Wanted(key_id, limit))

    async def take(self, wanted: Sequence[Wanted]) -> list[Taken]:
        self.asked.append(list(wanted))
        return [self._take(one) for one in wanted]

    def look_now(self, key_id: str, limit: RateLimit) -> Taken | None:
        return None if self.elsewhere else self._look(key_id, limit)

    async def look(self, key_id: str, limit: RateLimit) -> Taken:
        return self._look(key_id, limit)

    def _take(self, wanted: Wanted) -> Taken:
        key_id, limit, requests = wanted
        fitting = min(requests, limit.requests - self.taken.get(key_id, 0))
        self.taken[key_id] = self.taken.get(key_id, 0) + fitting
        return Taken(fitting, None if fitting == requests else WAIT)

    def _look(self, key_id: str, limit: RateLimit) -> Taken:
        return ONE_TAKEN if self.taken.get(key_id, 0) < limit.requests else Taken(0, WAIT)


class Judging:
    """A judge and what it counts in, with all keys in memory."""

    def __init__(self, limits: RateLimiter, keys: CountingKeys | None = None) -> None:
        log = FollowedLog(max_staleness=timedelta(seconds=5), monotonic=lambda: 0.0)
        log.on_caught_up(Watermark(7, NOW, 0.0))
        self.keys = keys or CountingKeys()
        self.records = some_records(keys=self.keys, log=log)
        self.usage = Usage()
        self.judge = a_judge(self.records, usage=self.usage, limits=limits)
        self.batch = a_batch_judge(self.judge, self.records, NoTokens())

    async def remember(self) -> None:
        """Have all keys in memory, without a use of them."""
        await self.records.keys.read_all(list(self.keys.records), NoHurry())
        self.keys.reads.clear()

    async def outcomes(self, *secrets: str) -> list[str]:
        """Return what the same questions get one by one."""
        return [_name(await self.judge(Question(secret), NoHurry())) for secret in secrets]

    async def batch_outcomes(self, *secrets: str) -> list[str]:
        answers = self.batch.now([Question(secret) for secret in secrets])
        return [_name(verdict) for verdict in await self.batch.settle(answers, NoHurry())]


async def judging(limits: RateLimiter, keys: CountingKeys | None = None) -> Judging:
    found = Judging(limits, keys)
    await found.remember()
    return found


def _name(verdict: Verdict | Undecided) -> str:
    assert isinstance(verdict, Verdict)
    outcome = verdict.outcome
    return outcome.reason.name if isinstance(outcome, Denial) else "OK"


@pytest.fixture(params=[False, True], ids=["in process", "elsewhere"])
def counts(request: pytest.FixtureRequest) -> Counts:
    return Counts(elsewhere=request.param)


async def test_after_its_limit_a_key_is_denied(counts: Counts) -> None:
    outcomes = await (await judging(counts)).outcomes(*[LIMITED] * 5)

    assert outcomes == ["OK"] * 3 + ["RATE_LIMITED"] * 2


async def test_the_denial_says_how_long_to_wait_and_of_which_limit_it_is(counts: Counts) -> None:
    judge = (await judging(counts)).judge
    counts.taken["key_limited"] = 3

    outcome = (await judge(Question(LIMITED), NoHurry())).outcome

    assert outcome == Denial(DenialReason.RATE_LIMITED, "", WAIT, LIMIT)


async def test_a_key_without_a_limit_asks_nobody(counts: Counts) -> None:
    judged = await judging(counts)

    assert await judged.outcomes(*[FREE] * 9) == ["OK"] * 9
    assert not counts.taken
    assert not counts.asked


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (a_record(revoked=True), "KEY_REVOKED"),
        (a_record(disabled=True), "KEY_DISABLED"),
        (a_record(expire_time=NOW), "KEY_EXPIRED"),
        (a_record(account_state=AccountState.DISABLED), "ACCOUNT_DISABLED"),
        (a_record(scopes=("b:read",)), "INSUFFICIENT_SCOPE"),
    ],
)
@pytest.mark.parametrize("used", [0, 3])
async def test_every_other_reason_comes_first_and_takes_nothing(
    counts: Counts, record: KeyRecord, reason: str, used: int
) -> None:
    judged = await judging(counts, CountingKeys(record))
    counts.taken["key_limited"] = used

    verdict = await judged.judge(Question(LIMITED, ("a:read",)), NoHurry())

    assert _name(verdict) == reason
    assert counts.taken == {"key_limited": used}
    assert not counts.asked


async def test_each_use_is_counted_once_with_its_outcome(counts: Counts) -> None:
    judged = await judging(counts)

    await judged.outcomes(*[LIMITED] * 2)
    await judged.batch_outcomes(*[LIMITED] * 2)

    key_id = "key_limited"
    assert judged.usage.counted == [(key_id, "OK")] * 3 + [(key_id, "RATE_LIMITED")]


async def test_a_batch_takes_in_order_as_often_as_a_key_is_in_it(counts: Counts) -> None:
    judged = await judging(counts)
    counts.taken["key_other"] = 2

    outcomes = await judged.batch_outcomes(
        LIMITED, OTHER, FREE, LIMITED, OTHER, LIMITED, UNKNOWN, LIMITED
    )

    limited = "RATE_LIMITED"
    assert outcomes == ["OK", "OK", "OK", "OK", limited, "OK", "KEY_NOT_FOUND", limited]
    assert counts.taken == {"key_limited": 3, "key_other": 3}


async def test_a_batch_that_fails_takes_nothing_and_counts_nothing(
    counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given keys in memory, and a database that is gone
    judged = await judging(counts)

    async def fail(digests: Sequence[bytes], deadline: Deadline) -> Mapping[bytes, KeyRecord]:
        assert digests
        assert deadline
        raise DatabaseUnavailable

    monkeypatch.setattr(judged.records.keys, "_read", fail)

    # When a batch asks for one more
    with pytest.raises(DatabaseUnavailable):
        await judged.batch_outcomes(LIMITED, FREE, UNKNOWN, LIMITED)

    # Then nobody got a verdict, and none has left a trace
    assert counts.taken == {}
    assert judged.usage.counted == []


async def test_a_demand_that_memory_meets_is_not_read_with_the_rest(counts: Counts) -> None:
    judged = await judging(counts)
    questions = [Question(FREE, demand=FreshnessDemand(at_least_revision=7)), Question(UNKNOWN)]

    verdicts = await judged.batch.settle(judged.batch.now(questions), NoHurry())

    assert [_name(verdict) for verdict in verdicts] == ["OK", "KEY_NOT_FOUND"]
    assert judged.keys.reads == [1]


async def test_a_batch_asks_elsewhere_once_for_each_key() -> None:
    counts = Counts(elsewhere=True)

    await (await judging(counts)).batch_outcomes(LIMITED, OTHER, LIMITED, FREE, LIMITED)

    assert counts.asked == [[Wanted("key_limited", LIMIT, 3), Wanted("key_other", LIMIT, 1)]]


async def test_a_limit_in_this_process_is_taken_from_without_waiting() -> None:
    judged = await judging(Counts())

    answer = judged.judge.now(Question(LIMITED))

    assert isinstance(answer, Verdict)


async def test_a_limit_elsewhere_is_not_taken_from_without_waiting() -> None:
    counts = Counts(elsewhere=True)
    judged = await judging(counts)

    answer = judged.judge.now(Question(LIMITED))

    assert isinstance(answer, Unsettled)
    assert not judged.usage.counted
    assert not counts.taken


async def test_a_limited_key_in_memory_is_not_read(counts: Counts) -> None:
    judged = await judging(counts)

    verdict = await judged.judge(Question(LIMITED), NoHurry())
    await judged.batch_outcomes(LIMITED, OTHER, FREE)

    assert verdict.freshness.source is FreshnessSource.CACHE
    assert judged.keys.reads == []


async def test_a_batch_reads_only_what_memory_does_not_have(counts: Counts) -> None:
    judged = await judging(counts)

    await judged.batch_outcomes(LIMITED, UNKNOWN, OTHER)

    assert judged.keys.reads == [1]


async def test_a_limited_key_that_is_demanded_fresh_is_read_and_taken_from_once(
    counts: Counts,
) -> None:
    judged = await judging(counts)

    questions = [Question(LIMITED, demand=AUTHORITATIVE), Question(OTHER)]
    verdicts = await judged.batch.settle(judged.batch.now(questions), NoHurry())

    assert [_name(verdict) for verdict in verdicts] == ["OK", "OK"]
    assert judged.keys.reads == [1]
    assert counts.taken == {"key_limited": 1, "key_other": 1}


async def test_who_only_reads_sees_the_verdict_and_takes_nothing(counts: Counts) -> None:
    judged = await judging(OnlyRead(counts))
    assert await judged.outcomes(*[LIMITED] * 9) == ["OK"] * 9

    counts.taken["key_limited"] = 3

    assert await judged.outcomes(LIMITED) == ["RATE_LIMITED"]
    assert counts.taken == {"key_limited": 3}


def authentication(judge: JudgeCredential, onlooker: JudgeCredential) -> AuthenticateCaller:
    return AuthenticateCaller(judge, onlooker=onlooker)


async def test_a_caller_takes_from_its_limit_once_a_call(counts: Counts) -> None:
    judged = await judging(counts)
    authenticate = authentication(judged.judge, judged.judge)

    # As a call does: by memory, and where that does not do, with waiting
    if authenticate.now([LIMITED]) is None:
        await authenticate([LIMITED], NoHurry())

    assert counts.taken == {"key_limited": 1}
    assert judged.usage.counted == [("key_limited", "OK")]


async def test_a_caller_over_its_limit_is_told_how_long_to_wait(counts: Counts) -> None:
    judged = await judging(counts)
    counts.taken["key_limited"] = 3

    with pytest.raises(CallerRateLimited) as caught:
        await authentication(judged.judge, judged.judge)([LIMITED], NoHurry())

    assert caught.value.retry_delay == WAIT


async def test_an_address_that_guesses_is_told_of_lookups_and_of_no_limit() -> None:
    failures = FailureLimit(failures_per_minute=1, monotonic=lambda: 0.0)
    failures.count("192.0.2.1")
    judge = a_judge(failures=failures)

    with pytest.raises(TooManyLookups):
        await authentication(judge, judge)([UNKNOWN], NoHurry(), "192.0.2.1")


async def test_who_is_authenticated_again_takes_nothing_and_is_not_counted() -> None:
    counts = Counts()
    judged = await judging(counts)
    onlooking = await judging(Unlimited())
    authenticate = authentication(judged.judge, onlooking.judge)

    callers = [await authenticate.again([LIMITED], NoHurry()) for _ in range(9)]

    assert isinstance(callers[-1].principal, Principal)
    assert not counts.taken
    assert not judged.usage.counted


async def test_unlimited_limits_let_everything_pass() -> None:
    wanted = [Wanted("key_limited", LIMIT, 100)]

    assert await Unlimited().take(wanted) == [Taken(100)]
