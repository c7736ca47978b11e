"""One credential to one verdict: parse, look up, judge.

The common path of `ValidateCredential` and of the authentication of this service's own callers.
Almost every call is judged from memory by `_judge_now`, a plain function that never waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from authsvc.domain.access_tokens import TokenVerification
from authsvc.domain.accounts import Account
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.credentials import KeyCredential, TokenCredential, parse_credential
from authsvc.domain.denials import DENIALS, Denial, DenialReason
from authsvc.domain.errors import RevisionNotReached
from authsvc.domain.freshness import NO_DEMAND, Freshness, FreshnessDemand, FreshnessSource
from authsvc.domain.judgement import judge_key, judge_token
from authsvc.domain.keys import KeyRecord
from authsvc.domain.principals import Principal
from authsvc.usecases.failure_limit import FailureLimit
from authsvc.usecases.fresh_lookup import Found, FreshLookup


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

    def __repr__(self) -> str:
        """Return a text without the credential."""
        return "Question(redacted)"


class Verdict(NamedTuple):
    """The answer about one credential, and how old it is."""

    outcome: Principal | Denial
    freshness: Freshness


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

    def count(self, key_id: str, outcome: str) -> None:
        """Count one verdict on a key: `OK` or the name of a denial's reason."""
        ...


class JudgeCredential:
    """Judges credentials by their records."""

    def __init__(
        self,
        *,
        keys: FreshLookup[bytes, KeyRecord],
        accounts: FreshLookup[str, Account],
        tokens: TokenVerifier,
        usage: UsageCounter,
        failures: FailureLimit,
        changes: ChangeLog,
        clock: Clock,
    ) -> None:
        """Take what records are looked up in, who counts, the limit on guesses and the log."""
        self._keys = keys
        self._accounts = accounts
        self._tokens = tokens
        self._usage = usage
        self._failures = failures
        self._changes = changes
        self._clock = clock

    async def __call__(self, question: Question, deadline: Deadline) -> Verdict:
        """Judge a credential.

        Raises:
            DatabaseUnavailable: The records could not be read before the deadline.
            TooManyLookups: Too many records are being read already.
            RevisionNotReached: The database does not have the revision that is demanded.
        """
        credential = parse_credential(question.value)
        verdict = self._judge_now(credential, question)
        if verdict is None:
            verdict = self._limit(credential, question)
        if verdict is not None:
            return verdict
        await self._require_revision(question.demand.at_least_revision or 0, deadline)
        if isinstance(credential, KeyCredential):
            found = await self._keys.find(credential.digest, deadline, question.demand)
            return self._judge_key(found, question)
        assert isinstance(credential, TokenCredential)  # noqa: S101 - all else is judged above
        return await self._verify_and_judge(credential.token, question, deadline)

    def now(self, question: Question) -> Verdict | None:
        """Judge a credential by what is in memory; None when that does not do.

        The path of almost every call: a plain function, without waiting.
        """
        return self._judge_now(parse_credential(question.value), question)

    async def judge_all(self, questions: Sequence[Question], deadline: Deadline) -> list[Verdict]:
        """Judge many credentials, with one read for all keys that memory does not have.

        Returns:
            One verdict for each question, in the same order.

        Raises:
            DatabaseUnavailable: Some record could not be read before the deadline.
            TooManyLookups: Too many records are being read already.
            RevisionNotReached: The database does not have a revision that is demanded.
        """
        credentials = [parse_credential(question.value) for question in questions]
        verdicts = [
            self._judge_now(credential, question) or self._limit(credential, question)
            for credential, question in zip(credentials, questions, strict=True)
        ]
        # A read that begins now meets every demand; where there is one, memory does not.
        missing: set[bytes] = set()
        demand = NO_DEMAND
        revision = 0
        for credential, question, verdict in zip(credentials, questions, verdicts, strict=True):
            if verdict is not None:
                continue
            revision = max(revision, question.demand.at_least_revision or 0)
            demand = demand if question.demand == NO_DEMAND else question.demand
            if isinstance(credential, KeyCredential):
                missing.add(credential.digest)
        await self._require_revision(revision, deadline)
        found = await self._keys.read_all(list(missing), deadline, demand) if missing else {}
        verifications = await self._verify_missing(credentials, questions, verdicts, deadline)
        accounts = await self._find_accounts(verifications, deadline, demand)
        judged: list[Verdict] = []
        for index, (question, verdict) in enumerate(zip(questions, verdicts, strict=True)):
            credential = credentials[index]
            if verdict is not None:
                judged.append(verdict)
            elif isinstance(credential, KeyCredential):
                judged.append(self._judge_key(found[credential.digest], question))
            else:
                judged.append(self._judge_token(verifications[index], accounts, question))
        return judged

    async def _verify_missing(
        self,
        credentials: Sequence[KeyCredential | TokenCredential | DenialReason],
        questions: Sequence[Question],
        verdicts: Sequence[Verdict | None],
        deadline: Deadline,
    ) -> dict[int, TokenVerification]:
        """Verify the tokens of a batch that have no verdict yet."""
        verifications: dict[int, TokenVerification] = {}
        demand_met = False
        for index, (credential, question) in enumerate(zip(credentials, questions, strict=True)):
            if verdicts[index] is None and isinstance(credential, TokenCredential):
                # Others get their turn between two signatures; and signing keys that were read
                # for one token of this call are fresh enough for the next.
                await asyncio.sleep(0)
                demand = NO_DEMAND if demand_met else question.demand
                verifications[index] = await self._tokens.verify(credential.token, demand, deadline)
                demand_met = demand_met or demand != NO_DEMAND
        return verifications

    async def _find_accounts(
        self,
        verifications: Mapping[int, TokenVerification],
        deadline: Deadline,
        demand: FreshnessDemand,
    ) -> dict[str, Found[Account]]:
        """Look up the accounts that tokens name, with one read for those not in memory."""
        found: dict[str, Found[Account]] = {}
        missing: set[str] = set()
        for verification in verifications.values():
            if isinstance(verification.outcome, DenialReason):
                continue
            account_id = verification.outcome.account_id
            # Of several demands this is but one, so memory is asked only where there is none.
            in_memory = self._accounts.find_now(account_id) if demand == NO_DEMAND else None
            if in_memory is None:
                missing.add(account_id)
            else:
                found[account_id] = in_memory
        if missing:
            found |= await self._accounts.read_all(list(missing), deadline, demand)
        return found

    async def _require_revision(self, revision: int, deadline: Deadline) -> None:
        """Let pass only a database that has the revision that a read from it must reflect."""
        if revision and await self._changes.newest_revision(deadline) < revision:
            raise RevisionNotReached

    def _limit(
        self, credential: KeyCredential | TokenCredential | DenialReason, question: Question
    ) -> Verdict | None:
        """Refuse a guess of an address with many failures, before anything is spent on it."""
        wait = self._failures.wait_for(question.client_address) if question.client_address else None
        if wait is None or self._knows(credential):
            return None
        denial = Denial(DenialReason.RATE_LIMITED, www_authenticate="", retry_after=wait)
        return Verdict(denial, Freshness(FreshnessSource.DATABASE, self._clock()))

    def _knows(self, credential: KeyCredential | TokenCredential | DenialReason) -> bool:
        if isinstance(credential, KeyCredential):
            return self._keys.knows(credential.digest)
        return isinstance(credential, TokenCredential) and self._tokens.knows(credential.token)

    def _judge_now(  # noqa: PLR0911 - one way out for each thing that memory may lack
        self, credential: KeyCredential | TokenCredential | DenialReason, question: Question
    ) -> Verdict | None:
        """Judge a credential by what is in memory; None when that does not do."""
        if isinstance(credential, KeyCredential):
            found = self._keys.find_now(credential.digest, question.demand)
            return None if found is None else self._judge_key(found, question)
        if isinstance(credential, DenialReason):
            freshness = Freshness(FreshnessSource.DATABASE, self._clock())
            return Verdict(DENIALS[credential], freshness)
        if question.demand != NO_DEMAND:
            return None
        verification = self._tokens.verify_now(credential.token)
        if verification is None:
            return None
        claims = verification.outcome
        if isinstance(claims, DenialReason):
            return Verdict(DENIALS[claims], verification.freshness)
        account = self._accounts.find_now(claims.account_id)
        if account is None:
            return None
        return self._judge_token(verification, {claims.account_id: account}, question)

    async def _verify_and_judge(
        self, token: str, question: Question, deadline: Deadline
    ) -> Verdict:
        verification = await self._tokens.verify(token, question.demand, deadline)
        claims = verification.outcome
        accounts: dict[str, Found[Account]] = {}
        if not isinstance(claims, DenialReason):
            found = await self._accounts.find(claims.account_id, deadline, question.demand)
            accounts[claims.account_id] = found
        return self._judge_token(verification, accounts, question)

    def _judge_key(self, found: Found[KeyRecord], question: Question) -> Verdict:
        record = found.record
        if record is None:
            self._failures.count(question.client_address)
            return Verdict(DENIALS[DenialReason.KEY_NOT_FOUND], found.freshness)
        outcome = judge_key(record, question.required_scopes, self._clock())
        self._usage.count(
            record.principal.key_id,
            outcome.reason.name if isinstance(outcome, Denial) else "OK",
        )
        return Verdict(outcome, found.freshness)

    def _judge_token(
        self,
        verification: TokenVerification,
        accounts: Mapping[str, Found[Account]],
        question: Question,
    ) -> Verdict:
        claims = verification.outcome
        if isinstance(claims, DenialReason):
            if claims is DenialReason.TOKEN_INVALID:
                self._failures.count(question.client_address)
            return Verdict(DENIALS[claims], verification.freshness)
        found = accounts[claims.account_id]
        freshness = min(verification.freshness, found.freshness, key=lambda f: f.as_of)
        if found.record is None:
            return Verdict(DENIALS[DenialReason.TOKEN_INVALID], freshness)
        return Verdict(judge_token(claims, found.record, question.required_scopes), freshness)
