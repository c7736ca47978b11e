"""What judges credentials, by records in memory: built here, joined in `authsvc.app`."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import timedelta

from authsvc.composition.foreign_issuers import TokenReaders, build_token_readers
from authsvc.config import Settings
from authsvc.config_values import OutagePolicy
from authsvc.domain.access_tokens import TokenRules
from authsvc.domain.clock import Clock
from authsvc.postgres.accounts import PostgresAccounts
from authsvc.postgres.changes import PostgresChangeLog
from authsvc.postgres.database import Database
from authsvc.postgres.follower import ChangeFollower
from authsvc.postgres.keys import PostgresKeys
from authsvc.postgres.managed_keys import PostgresManagedKeys
from authsvc.postgres.sessions import PostgresSessions
from authsvc.postgres.users import PostgresUsers
from authsvc.rate_limits.opening import RateLimits
from authsvc.tokens.keyring import Keyring
from authsvc.tokens.token_findings import AccessTokenExaminer
from authsvc.tokens.verifier import AccessTokenVerifier
from authsvc.usecases.explain_credential import ExplainCredential
from authsvc.usecases.explain_token import ExplainToken
from authsvc.usecases.failure_limit import FailureLimit
from authsvc.usecases.followed_log import FollowedLog
from authsvc.usecases.fresh_lookup import LookupBounds
from authsvc.usecases.fresh_records import FreshRecords
from authsvc.usecases.judge_batch import JudgeBatch
from authsvc.usecases.judge_credential import JudgeCredential
from authsvc.usecases.judge_token import JudgeToken
from authsvc.usecases.rate_limits import OnlyRead, Unlimited
from authsvc.usecases.usage import Uncounted, UsageCounter
from authsvc.usecases.verdict_counts import VerdictCounts
from authsvc.usecases.watch_revocations import RevocationFeed


@dataclass(frozen=True, slots=True)
class Judging:
    """What judges credentials, and what keeps the records that it judges by fresh."""

    judge: JudgeCredential
    judge_batch: JudgeBatch
    onlooker: JudgeCredential
    """Judges as `judge` does, counting no use and taking nothing from a limit."""
    explain_credential: ExplainCredential
    tokens: TokenReaders
    records: FreshRecords
    """What credentials are judged by."""
    verdicts: VerdictCounts
    """What callers were told."""
    failures: FailureLimit
    """What guesses of each client address are counted in."""
    log: FollowedLog
    feed: RevocationFeed
    follower: ChangeFollower
    outage_max_staleness: timedelta | None
    """How old records may be while the database is away; None: they may not answer then."""

    def can_serve_stale(self) -> bool:
        """Tell whether validations are answered though the database is away."""
        limit, age = self.outage_max_staleness, self.log.age()
        return limit is not None and age is not None and age <= limit.total_seconds()


def build_judging(
    settings: Settings,
    database: Database,
    *,
    keyring: Keyring,
    usage: UsageCounter,
    rate_limits: RateLimits,
    clock: Clock,
) -> Judging:
    """Build it on an open pool.

    Args:
        settings: All of them.
        database: Where records are read, and their changes followed.
        keyring: What access tokens are verified by.
        usage: What use is counted by.
        rate_limits: What limits of keys are taken from.
        clock: The source of time.
    """
    bounds = _lookup_bounds(settings)
    log = FollowedLog(
        max_staleness=timedelta(seconds=settings.max_staleness), monotonic=time.monotonic
    )
    users, sessions = PostgresUsers(database), PostgresSessions(database)
    records = FreshRecords(
        log=log,
        keys=PostgresKeys(database),
        accounts=PostgresAccounts(database),
        users=users,
        sessions=sessions,
        bounds=bounds,
        clock=clock,
    )
    rules = TokenRules(settings.token_issuer, settings.token_audience, settings.leeway)
    tokens = build_token_readers(
        settings,
        own_verifier=AccessTokenVerifier(
            keyring=keyring, rules=rules, remembered=settings.cache_tokens, clock=clock
        ),
        own_examiner=AccessTokenExaminer(keyring=keyring, rules=rules, clock=clock),
        clock=clock,
    )
    failures = FailureLimit(
        failures_per_minute=settings.failures_per_minute, monotonic=time.monotonic
    )
    judge_token = JudgeToken(
        accounts=records.accounts,
        users=records.users,
        sessions=records.sessions,
        tokens=tokens.verifier,
        failures=failures,
    )
    judge, explaining_judge, onlooker = (
        JudgeCredential(
            keys=records.keys,
            judge_token=judge_token,
            usage=counter,
            failures=failures,
            limits=limits,
            changes=PostgresChangeLog(database),
            clock=clock,
        )
        for counter, limits in (
            (usage, rate_limits),
            (Uncounted(), OnlyRead(rate_limits)),
            (Uncounted(), Unlimited()),
        )
    )
    feed = RevocationFeed(max_streams=settings.watch_streams, buffer=settings.watch_buffer)
    return Judging(
        judge=judge,
        judge_batch=JudgeBatch(
            judge=judge,
            judge_token=judge_token,
            keys=records.keys,
            accounts=records.accounts,
            users=records.users,
            sessions=records.sessions,
            tokens=tokens.verifier,
        ),
        onlooker=onlooker,
        explain_credential=ExplainCredential(
            judge=explaining_judge,
            keys=PostgresManagedKeys(database),
            explain_token=ExplainToken(users=users, sessions=sessions, tokens=tokens.examiner),
            clock=clock,
        ),
        tokens=tokens,
        records=records,
        verdicts=VerdictCounts(),
        failures=failures,
        log=log,
        feed=feed,
        follower=ChangeFollower(
            settings.database_url.get_secret_value(),
            # What is kept first: the others speak of it.
            [records, keyring, log, feed],
            history=database.history,
            leave_server=database.leave_server,
            retention=timedelta(hours=settings.change_retention),
            clock=clock,
            monotonic=time.monotonic,
            jitter=random.random,
        ),
        outage_max_staleness=bounds.outage_max_staleness,
    )


def outage_max_staleness(settings: Settings) -> timedelta | None:
    """Return how old records may be while the database is away; None: they may not answer."""
    if settings.outage_policy is not OutagePolicy.SERVE_STALE:
        return None
    return timedelta(seconds=settings.outage_max_staleness)


def _lookup_bounds(settings: Settings) -> LookupBounds:
    return LookupBounds(
        records=settings.cache_records,
        absent=settings.cache_absent,
        reads=settings.max_lookups,
        outage_max_staleness=outage_max_staleness(settings),
    )
