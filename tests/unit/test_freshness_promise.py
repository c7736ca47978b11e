"""The freshness promise, against a model: hypothesis looks for an order of events that breaks it.

The database is a model here, for only so can a read be held between its snapshot and its return
while changes pass by. What answers is the real judge, lookup, cache and watermark.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from authsvc.domain.accounts import Account, AccountState
from authsvc.domain.changes import Change, ChangeKind, Watermark
from authsvc.domain.clock import Deadline, TimeLimit
from authsvc.domain.denials import Denial
from authsvc.domain.freshness import NO_DEMAND, FreshnessDemand, FreshnessSource
from authsvc.domain.judgement import judge_key
from authsvc.domain.key_secrets import digest_of
from authsvc.domain.keys import KeyRecord
from authsvc.domain.sessions import SessionRecord
from authsvc.domain.users import UserRecord
from authsvc.usecases.failure_limit import FailureLimit
from authsvc.usecases.followed_log import FollowedLog
from authsvc.usecases.fresh_lookup import LookupBounds
from authsvc.usecases.fresh_records import FreshRecords
from authsvc.usecases.judge_credential import JudgeCredential
from authsvc.usecases.question import Question, Verdict
from authsvc.usecases.rate_limits import Unlimited
from tests.unit.judges import a_token_judge

MAX_STALENESS = 5.0
KEYS = tuple(f"orch_{number:040x}" for number in range(3))
ACCOUNTS = ("acct_a", "acct_b")
RARELY = (False, False, False, True)
START = datetime(2026, 1, 1, tzinfo=UTC)


class Overtaking(Enum):
    """A change that passes a read by."""

    REVOCATION = auto()
    SWITCH = auto()
    ACCOUNT = auto()


@dataclass(frozen=True)
class KeyRow:
    key_id: str
    account_id: str
    revoked: bool = False
    disabled: bool = False
    expire_time: datetime | None = None


@dataclass(frozen=True)
class State:
    """The database between two changes."""

    since: float
    keys: Mapping[str, KeyRow]
    disabled_accounts: frozenset[str] = frozenset()

    def record(self, secret: str) -> KeyRecord | None:
        row = self.keys.get(secret)
        if row is None:
            return None
        disabled = row.account_id in self.disabled_accounts
        return KeyRecord(
            key_id=row.key_id,
            name="name",
            account_id=row.account_id,
            account_state=AccountState.DISABLED if disabled else AccountState.ACTIVE,
            account_is_system=False,
            scopes=("*",),
            metadata={},
            expire_time=row.expire_time,
            disabled=row.disabled,
            revoked=row.revoked,
        )


@dataclass
class HeldRead:
    """A read that has its snapshot and has not returned yet."""

    digests: Sequence[bytes]
    state: int
    let_go: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Validation:
    """A question that waits for its answer."""

    secret: str
    task: asyncio.Task[Verdict]
    oldest_read: int
    """The oldest state that a read for this question can have seen."""


class NoTokens:
    """No question here is a token."""

    def knows(self, token: str) -> bool:
        raise AssertionError(len(token))

    def verify_now(self, token: str) -> None:
        raise AssertionError(len(token))

    async def verify(self, token: str, demand: FreshnessDemand, deadline: Deadline) -> Any:  # noqa: ANN401
        raise AssertionError(len(token), demand, deadline)


class NoUsage:
    def count(self, key_id: str, outcome: str, client_address: str, caller_id: str) -> None: ...


class FreshnessPromise(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.elapsed = 0.0
        self.clock_error = timedelta(0)
        self.states = [State(0.0, {})]
        self.changes: list[Change] = []
        self.position: int | None = None
        self.followed_state = 0
        self.held: list[HeldRead] = []
        self.holds_reads = False
        self.waiting: list[Validation] = []
        self.log = FollowedLog(
            max_staleness=timedelta(seconds=MAX_STALENESS), monotonic=lambda: self.elapsed
        )
        # Room for fewer records than there are keys, so that some are evicted.
        bounds = LookupBounds(records=2, absent=1, reads=1000, outage_max_staleness=None)
        self.records = FreshRecords(
            log=self.log,
            keys=self,
            accounts=self,
            users=self,
            sessions=self,
            bounds=bounds,
            clock=self.now,
        )
        failures = FailureLimit(failures_per_minute=1000, monotonic=lambda: self.elapsed)
        self.judge = JudgeCredential(
            keys=self.records.keys,
            judge_token=a_token_judge(self.records, NoTokens(), failures),
            usage=NoUsage(),
            changes=self,
            failures=failures,
            limits=Unlimited(),
            clock=self.now,
        )

    def teardown(self) -> None:
        for read in self.held:
            read.let_go.set()
        self.settle()
        self.loop.close()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed) + self.clock_error

    # The model of the database.

    def commit(self, kind: ChangeKind, account_id: str, key_id: str = "", **columns: Any) -> None:  # noqa: ANN401
        self.states.append(replace(self.states[-1], since=self.elapsed, **columns))
        self.changes.append(Change(len(self.states) - 1, kind, account_id, key_id))

    def commit_key(self, kind: ChangeKind, secret: str, row: KeyRow) -> None:
        keys = {**self.states[-1].keys, secret: row}
        self.commit(kind, row.account_id, row.key_id, keys=keys)

    async def find_key_records(
        self, digests: Sequence[bytes], deadline: Deadline
    ) -> Mapping[bytes, KeyRecord]:
        assert deadline.remaining() > 0
        state = self.states[-1]
        if self.holds_reads:
            read = HeldRead(digests, len(self.states) - 1)
            self.held.append(read)
            await read.let_go.wait()
        records = {digest_of(secret): state.record(secret) for secret in KEYS}
        return {digest: record for digest in digests if (record := records[digest]) is not None}

    async def newest_revision(self, deadline: Deadline) -> int:
        raise AssertionError(deadline)

    async def find_user_records(
        self, _user_ids: Sequence[str], _deadline: Deadline
    ) -> Mapping[str, UserRecord]:
        return {}

    async def find_session_records(
        self, _session_ids: Sequence[str], _deadline: Deadline
    ) -> Mapping[str, SessionRecord]:
        return {}

    async def find_accounts(
        self, account_ids: Sequence[str], deadline: Deadline
    ) -> Mapping[str, Account]:
        raise AssertionError(account_ids, deadline)

    # What can happen.

    @initialize()
    def start_with_a_key(self) -> None:
        self.follow()
        self.create(KEYS[0], ACCOUNTS[0])

    @rule(secret=st.sampled_from(KEYS), account_id=st.sampled_from(ACCOUNTS))
    def create(self, secret: str, account_id: str) -> None:
        if secret not in self.states[-1].keys:
            row = KeyRow(f"key_{KEYS.index(secret)}", account_id)
            self.commit_key(ChangeKind.KEY_CREATED, secret, row)

    @rule(secret=st.sampled_from(KEYS))
    def revoke(self, secret: str) -> None:
        row = self.states[-1].keys.get(secret)
        if row is not None:
            self.commit_key(ChangeKind.KEY_REVOKED, secret, replace(row, revoked=True))

    @rule(secret=st.sampled_from(KEYS))
    def switch_off_or_on(self, secret: str) -> None:
        row = self.states[-1].keys.get(secret)
        if row is not None:
            changed = replace(row, disabled=not row.disabled)
            self.commit_key(ChangeKind.KEY_CHANGED, secret, changed)

    @rule(secret=st.sampled_from(KEYS), seconds=st.integers(min_value=-5, max_value=20))
    def set_expiry(self, secret: str, seconds: int) -> None:
        row = self.states[-1].keys.get(secret)
        if row is not None:
            changed = replace(row, expire_time=self.now() + timedelta(seconds=seconds))
            self.commit_key(ChangeKind.KEY_CHANGED, secret, changed)

    @rule(account_id=st.sampled_from(ACCOUNTS))
    def switch_account_off_or_on(self, account_id: str) -> None:
        disabled = self.states[-1].disabled_accounts ^ {account_id}
        self.commit(ChangeKind.ACCOUNT_CHANGED, account_id, disabled_accounts=disabled)

    @rule()
    def follow(self) -> None:
        """The follower reads the log. Where this rule does not come up, notifications are lost."""
        if self.position is None:
            self.records.on_gap()
            self.log.on_gap()
        elif fresh := self.changes[self.position :]:
            self.records.on_changes(fresh)
            self.log.on_changes(fresh)
        self.position = len(self.changes)
        self.followed_state = len(self.states) - 1
        watermark = Watermark(self.position, self.now(), self.elapsed)
        self.records.on_caught_up(watermark)
        self.log.on_caught_up(watermark)

    @rule(really=st.sampled_from(RARELY))
    def lose_the_position(self, *, really: bool) -> None:
        """The follower comes back to a log that was pruned past it."""
        if really:
            self.position = None

    @rule(seconds=st.sampled_from([0.125, 1.0, 6.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.elapsed += seconds

    @rule(seconds=st.integers(min_value=-3600, max_value=3600))
    def step_the_clock(self, seconds: int) -> None:
        self.clock_error += timedelta(seconds=seconds)

    @rule(index=st.integers(min_value=0, max_value=1))
    def let_a_read_return(self, index: int) -> None:
        if index < len(self.held):
            self.held.pop(index).let_go.set()

    @rule(secret=st.sampled_from(KEYS), held=st.booleans(), authoritative=st.sampled_from(RARELY))
    def validate(self, secret: str, *, held: bool, authoritative: bool) -> None:
        self.holds_reads = held
        demand = FreshnessDemand(authoritative=True) if authoritative else NO_DEMAND
        question = Question(secret, demand=demand)
        limit = TimeLimit(1000.0, lambda: 0.0)
        shared = [r.state for r in self.held if digest_of(secret) in r.digests]
        self.waiting.append(
            Validation(
                secret,
                self.loop.create_task(self.judge(question, limit)),
                oldest_read=min([len(self.states) - 1, *([] if authoritative else shared)]),
            )
        )
        self.settle()

    @rule(secret=st.sampled_from(KEYS), change=st.sampled_from(Overtaking))
    def let_a_change_overtake_a_read(self, secret: str, change: Overtaking) -> None:
        """What is rare and matters most: a read under way while a change is made and followed.

        When it returns, and what is asked then, is left to the other rules.
        """
        self.validate(secret, held=True, authoritative=True)
        row = self.states[-1].keys.get(secret)
        if row is None:
            self.create(secret, ACCOUNTS[0])
        elif change is Overtaking.REVOCATION:
            self.revoke(secret)
        elif change is Overtaking.SWITCH:
            self.switch_off_or_on(secret)
        else:
            self.switch_account_off_or_on(row.account_id)
        self.follow()

    # What must hold.

    @invariant()
    def every_answer_keeps_the_promise(self) -> None:
        self.settle()
        answered = [validation for validation in self.waiting if validation.task.done()]
        self.waiting = [validation for validation in self.waiting if not validation.task.done()]
        for validation in answered:
            self.check(validation, validation.task.result())

    @invariant()
    def memory_holds_nothing_older_than_it_says(self) -> None:
        """Looks at whole records: what a verdict shows first would hide the rest."""
        for secret in KEYS:
            found = self.records.keys.find_now(digest_of(secret))
            if found is not None:
                watermark = self.log.watermark
                assert watermark is not None
                assert self.elapsed - watermark.as_of_monotonic <= MAX_STALENESS
                possible = [_seen(s.record(secret)) for s in self.states[self.followed_state :]]
                assert _seen(found.record) in possible

    def settle(self) -> None:
        for _ in range(5):
            self.loop.run_until_complete(asyncio.sleep(0))

    def check(self, validation: Validation, verdict: Verdict) -> None:
        if verdict.freshness.source is FreshnessSource.CACHE:
            # Every change that the follower has seen is reflected, and it looked not long ago.
            oldest = self.followed_state
            watermark = self.log.watermark
            assert watermark is not None
            assert self.elapsed - watermark.as_of_monotonic <= MAX_STALENESS
        else:
            oldest = validation.oldest_read
        possible = {self.verdict_on(state, validation.secret) for state in self.states[oldest:]}
        given = _name(verdict.outcome)
        assert given in possible, f"{given}, but since {verdict.freshness} only {possible}"

    def verdict_on(self, state: State, secret: str) -> str:
        record = state.record(secret)
        return "KEY_NOT_FOUND" if record is None else _name(judge_key(record, (), self.now))


def _seen(record: KeyRecord | None) -> tuple[object, ...] | None:
    """Return all that changes of a record."""
    if record is None:
        return None
    return record.revoked, record.disabled, record.account_disabled, record.expire_time


def _name(outcome: object) -> str:
    return outcome.reason.name if isinstance(outcome, Denial) else "OK"


FreshnessPromise.TestCase.settings = settings(
    max_examples=250, stateful_step_count=40, deadline=None
)
TestFreshnessPromise = FreshnessPromise.TestCase
