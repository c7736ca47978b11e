"""One credential to one verdict: parse, look up, judge.

The common path of `ValidateCredential` and of the authentication of this service's own callers.
Almost every call is judged from memory by `JudgeCredential.now`, a plain function that never waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.credentials import KeyDigest, TokenCredential, parse_credential
from authsvc.domain.denials import DENIALS, Denial, DenialReason
from authsvc.domain.errors import DatabaseUnavailable, RevisionNotReached, TooManyLookups
from authsvc.domain.freshness import NO_DEMAND, Freshness, FreshnessSource
from authsvc.domain.judgement import judge_key
from authsvc.domain.keys import KeyRecord
from authsvc.domain.principals import Principal
from authsvc.domain.usage_batches import GRANTED
from authsvc.usecases.failure_limit import FailureLimit
from authsvc.usecases.fresh_lookup import FreshLookup
from authsvc.usecases.judge_token import JudgeToken
from authsvc.usecases.question import Question, Unsettled, Verdict
from authsvc.usecases.rate_limits import RateLimiter, outcome_of, take_in_order


class ChangeLog(Protocol):
    """The log of all changes."""

    async def newest_revision(self, deadline: Deadline) -> int:
        """Return the newest revision; 0 when there is none.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...


class UsageCounter(Protocol):
    """Counts what keys are used for."""

    def count(self, key_id: str, outcome: str, client_address: str, caller_id: str) -> None:
        """Count one verdict on a key: `OK` or the name of a denial's reason."""
        ...


class JudgeCredential:
    """Judges credentials by their records."""

    def __init__(
        self,
        *,
        keys: FreshLookup[bytes, KeyRecord],
        judge_token: JudgeToken,
        usage: UsageCounter,
        failures: FailureLimit,
        limits: RateLimiter,
        changes: ChangeLog,
        clock: Clock,
    ) -> None:
        """Take where keys are looked up, who judges tokens and counts, the limits and the log.

        `failures` limits guesses by address, `limits` the requests of each key.
        """
        self._keys = keys
        self._judge_token = judge_token
        self._judge_token_now = judge_token.now
        self._remembered = keys.remembered
        self._count = usage.count
        self._failures = failures
        self._limits = limits
        self._changes = changes
        self._clock = clock

    async def __call__(self, question: Question, deadline: Deadline) -> Verdict:
        """Judge a credential, from memory or by what the database has.

        Raises:
            DatabaseUnavailable: The records could not be read before the deadline.
            IssuerUnavailable: The keys of a token's issuer could not be fetched.
            TooManyLookups: Too many records are being read already.
            RevisionNotReached: The database does not have the revision that is demanded.
        """
        answer = self.now(question)
        return answer if isinstance(answer, Verdict) else await self.settle(answer, deadline)

    def now(self, question: Question) -> Verdict | Unsettled:
        """Judge a credential by what is in memory, or say what is to be settled.

        The path of almost every call: a plain function, without waiting.
        """
        credential = parse_credential(question.value)
        if isinstance(credential, bytes):
            freshness = self._keys.freshness_for(question.demand)
            outcome = None if freshness is None else self.judge_now(credential, question)
            if outcome is not None and freshness is not None:
                return Verdict(outcome, freshness)
        elif isinstance(credential, TokenCredential):
            verdict = self._judge_token_now(credential.token, question)
            if verdict is not None:
                return verdict
        else:
            freshness = Freshness(FreshnessSource.DATABASE, self._clock())
            return Verdict(DENIALS[credential], freshness)
        return self._limit(credential, question) or Unsettled(credential, question)

    async def find_refused(self, question: Question, deadline: Deadline) -> KeyRecord | None:
        """Return the record of a key that was just refused; None for what is no key of anybody.

        From memory, where judging has left it. The change that ended the key may just have dropped
        it from there: then it is read, and this is None if it cannot be.
        """
        credential = parse_credential(question.value)
        if not isinstance(credential, bytes):
            return None
        try:
            return (await self._keys.find(credential, deadline)).record
        except (DatabaseUnavailable, TooManyLookups):
            return None

    async def settle(self, unsettled: Unsettled, deadline: Deadline) -> Verdict:
        """Judge a credential that memory could not judge.

        Raises:
            DatabaseUnavailable: The records could not be read before the deadline.
            IssuerUnavailable: The keys of a token's issuer could not be fetched.
            TooManyLookups: Too many records are being read already.
            RevisionNotReached: The database does not have the revision that is demanded.
        """
        credential, question = unsettled
        if question.demand is not NO_DEMAND:
            await self.require_revision(question.demand.at_least_revision or 0, deadline)
        if isinstance(credential, bytes):
            record, freshness = await self._keys.find(credential, deadline, question.demand)
            if record is None:
                return Verdict(self.judge_absent(question), freshness)
            outcome = self.judge_record(record, question)
            if outcome is None:
                (outcome,) = await self.take([(record, question)])
            return Verdict(outcome, freshness)
        return await self._judge_token.settle(credential.token, question, deadline)

    async def require_revision(self, revision: int, deadline: Deadline) -> None:
        """Let pass only a database that has the revision that a read from it must reflect.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
            RevisionNotReached: It does not have it.
        """
        if revision and await self._changes.newest_revision(deadline) < revision:
            raise RevisionNotReached

    def judge_now(self, digest: KeyDigest, question: Question) -> Principal | Denial | None:
        """Judge a key by its record in memory; None when that does not do.

        It counts only while the records in memory are fresh enough.
        """
        record = self._remembered(digest)
        if record is None:
            if not self._keys.knows_absent(digest):
                return None
            # A caller that repeats a bad key of its own costs nothing, and must not lock others
            # out that come from the same address.
            is_own = not question.caller_id
            return DENIALS[DenialReason.KEY_NOT_FOUND] if is_own else self.judge_absent(question)
        return self.judge_record(record, question)

    def judge_record(self, record: KeyRecord, question: Question) -> Principal | Denial | None:
        """Judge a key by its record, and count it.

        Returns:
            None, and nothing is counted, where all is well but for a limit that only `take` can
            take from.
        """
        outcome = judge_key(record, question.required_scopes, self._clock, question.client_address)
        if record.rate_limit is not None and isinstance(outcome, Principal):
            taken = self._limits.take_now(record.principal.key_id, record.rate_limit)
            if taken is None:
                return None
            outcome = outcome_of(record, record.rate_limit, taken)
        self._count(
            record.principal.key_id,
            outcome.reason.name if isinstance(outcome, Denial) else GRANTED,
            question.client_address,
            question.caller_id,
        )
        return outcome

    def judge_absent(self, question: Question) -> Denial:
        """Judge a key that does not exist, and count the failure."""
        self._failures.count(question.client_address)
        return DENIALS[DenialReason.KEY_NOT_FOUND]

    async def take(self, judged: Sequence[tuple[KeyRecord, Question]]) -> list[Principal | Denial]:
        """Finish what `judge_record` left open: take from the limits of good keys, and count.

        Returns:
            One outcome for each record, in the same order.
        """
        limited = [(record, record.rate_limit) for record, _ in judged if record.rate_limit]
        outcomes = await take_in_order(self._limits, limited)
        for (record, question), outcome in zip(judged, outcomes, strict=True):
            self._count(
                record.principal.key_id,
                outcome.reason.name if isinstance(outcome, Denial) else GRANTED,
                question.client_address,
                question.caller_id,
            )
        return outcomes

    def _limit(self, credential: KeyDigest | TokenCredential, question: Question) -> Verdict | None:
        """Refuse a guess of an address with many failures, before anything is spent on it."""
        wait = self._failures.wait_for(question.client_address) if question.client_address else None
        if wait is None or self._knows(credential):
            return None
        self._failures.refusals.add()
        denial = Denial(DenialReason.RATE_LIMITED, www_authenticate="", retry_after=wait)
        return Verdict(denial, Freshness(FreshnessSource.DATABASE, self._clock()))

    def _knows(self, credential: KeyDigest | TokenCredential) -> bool:
        if isinstance(credential, bytes):
            return self._keys.knows(credential)
        return self._judge_token.knows(credential.token)
