"""One credential to one verdict: parse, look up, judge.

The common path of `ValidateCredential` and of the authentication of this service's own callers.
Almost every call is judged from memory by `JudgeCredential.now`, a plain function that never waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from authsvc.domain.access_tokens import AccessTokenClaims, TokenVerification
from authsvc.domain.accounts import Account
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.credentials import KeyDigest, TokenCredential, parse_credential
from authsvc.domain.denials import DENIALS, Denial, DenialReason
from authsvc.domain.errors import DatabaseUnavailable, RevisionNotReached, TooManyLookups
from authsvc.domain.freshness import NO_DEMAND, Freshness, FreshnessDemand, FreshnessSource
from authsvc.domain.judgement import judge_key, judge_token
from authsvc.domain.keys import KeyRecord
from authsvc.domain.principals import Principal
from authsvc.domain.sessions import SessionRecord
from authsvc.domain.usage_batches import GRANTED
from authsvc.domain.users import UserRecord
from authsvc.usecases.failure_limit import FailureLimit
from authsvc.usecases.fresh_lookup import Found, FreshLookup
from authsvc.usecases.rate_limits import RateLimiter, outcome_of, take_in_order


class TokenVerifier(Protocol):
    """Verifies the signature and the claims of access tokens."""

    def verify_now(self, token: str) -> TokenVerification | None:
        """Return what memory has to say about a token, or None when it must be verified."""
        ...

    def knows(self, token: str) -> bool:
        """Tell whether a token was verified before."""
        ...

    async def verify(
        self, token: str, demand: FreshnessDemand, deadline: Deadline
    ) -> TokenVerification:
        """Verify a token.

        Raises:
            DatabaseUnavailable: The signing keys could not be read before the deadline.
            IssuerUnavailable: The keys of another issuer could not be fetched before it.
        """
        ...


class Question(NamedTuple):
    """A credential, and what is asked of it."""

    value: str
    """An Authorization header's value as it came, or a bare credential."""
    required_scopes: tuple[str, ...] = ()
    """Well-formed scopes, all of which it must have."""
    demand: FreshnessDemand = NO_DEMAND
    """How fresh the verdict must be."""
    client_address: str = ""
    """The IP address that presented the credential; empty when it is not known."""
    caller_id: str = ""
    """Who asks: its key's id or its certificate's name; empty when this service does, about its
    own caller."""

    def __repr__(self) -> str:
        """Return a text without the credential."""
        return "Question(redacted)"


class Verdict(NamedTuple):
    """The answer about one credential, and how old it is."""

    outcome: Principal | Denial
    freshness: Freshness


class Unsettled(NamedTuple):
    """A question that cannot be answered without waiting, and the credential that it is about."""

    credential: KeyDigest | TokenCredential
    question: Question

    def __repr__(self) -> str:
        """Return a text without the credential."""
        return "Unsettled(redacted)"


class TokenRecords(NamedTuple):
    """The records of what a token names."""

    account: Found[Account]
    user: Found[UserRecord] | None
    """None for a subject that is no user's id."""
    session: Found[SessionRecord] | None
    """None for a token without a session, or whose session is no id of ours."""


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
        accounts: FreshLookup[str, Account],
        users: FreshLookup[str, UserRecord],
        sessions: FreshLookup[str, SessionRecord],
        tokens: TokenVerifier,
        usage: UsageCounter,
        failures: FailureLimit,
        limits: RateLimiter,
        changes: ChangeLog,
        clock: Clock,
    ) -> None:
        """Take what records are looked up in, who counts, the limits and the log.

        `failures` limits guesses by address, `limits` the requests of each key.
        """
        self._keys = keys
        self._accounts = accounts
        self._users = users
        self._sessions = sessions
        self._tokens = tokens
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
        verification = await self._tokens.verify(credential.token, question.demand, deadline)
        claims = verification.outcome
        if isinstance(claims, DenialReason):
            return self.judge_refused(claims, verification.freshness, question)
        account = await self._accounts.find(claims.account_id, deadline, question.demand)
        user, session = None, None
        if claims.user_id:
            user = await self._users.find(claims.user_id, deadline, question.demand)
        if claims.known_session_id:
            session = await self._sessions.find(claims.known_session_id, deadline, question.demand)
        return self.judge_claims(
            claims, verification.freshness, TokenRecords(account, user, session), question
        )

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

    def judge_refused(
        self, reason: DenialReason, freshness: Freshness, question: Question
    ) -> Verdict:
        """Deny a token that was not verified."""
        if reason is DenialReason.TOKEN_INVALID:
            self._failures.count(question.client_address)
        return Verdict(DENIALS[reason], freshness)

    def judge_claims(
        self,
        claims: AccessTokenClaims,
        freshness: Freshness,
        records: TokenRecords,
        question: Question,
    ) -> Verdict:
        """Judge a verified token by the records of what it names.

        Args:
            claims: What it says.
            freshness: How old the knowledge is by which it was verified.
            records: Its account, its user and its session.
            question: What is asked of it.
        """
        account, user, session = records
        freshness = _older(freshness, account.freshness)
        user_record, session_record = None, None
        if user is not None:
            freshness, user_record = _older(freshness, user.freshness), user.record
        if session is not None:
            freshness, session_record = _older(freshness, session.freshness), session.record
        if account.record is None:
            return Verdict(DENIALS[DenialReason.TOKEN_INVALID], freshness)
        outcome = judge_token(
            claims, account.record, user_record, question.required_scopes, session_record
        )
        return Verdict(outcome, freshness)

    def _judge_token_now(self, token: str, question: Question) -> Verdict | None:
        """Judge a token by what is in memory; None when that does not do."""
        verification = self._tokens.verify_now(token) if question.demand is NO_DEMAND else None
        if verification is None:
            return None
        claims = verification.outcome
        if isinstance(claims, DenialReason):
            return Verdict(DENIALS[claims], verification.freshness)
        account, user, session = self._accounts.find_now(claims.account_id), None, None
        if account is None:
            return None
        if claims.user_id:
            user = self._users.find_now(claims.user_id)
            if user is None:
                return None
        if claims.known_session_id:
            session = self._sessions.find_now(claims.known_session_id)
            if session is None:
                return None
        records = TokenRecords(account, user, session)
        return self.judge_claims(claims, verification.freshness, records, question)

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
        return self._tokens.knows(credential.token)


def _older(one: Freshness, other: Freshness) -> Freshness:
    return one if one.as_of <= other.as_of else other
