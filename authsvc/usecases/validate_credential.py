"""ValidateCredential and its batch: is this credential good, whose is it, what may it do?

Each has a plain function that answers from memory, without waiting, and a coroutine that settles
what memory could not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from authsvc.domain.bounds import Violations
from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline
from authsvc.domain.freshness import NO_DEMAND
from authsvc.domain.scopes import VALIDATE
from authsvc.usecases.judge_batch import JudgeBatch, Undecided, settled
from authsvc.usecases.judge_credential import JudgeCredential
from authsvc.usecases.question import Question, Unsettled, Verdict
from authsvc.usecases.verdict_counts import VerdictCounts

MAX_BATCH: Final = 1000
"""The most credentials in one batch."""


class ValidateCredential:
    """Judges a credential on behalf of a caller that may ask."""

    def __init__(self, judge: JudgeCredential, counts: VerdictCounts) -> None:
        """Take the judge of credentials, and what counts verdicts."""
        self._judge = judge
        self._count = counts.count

    def now(self, question: Question, caller: Caller) -> Verdict | Unsettled:
        """Judge the credential by what is in memory, or say what is to be settled.

        Raises:
            CallerNotPermitted: The caller lacks `authsvc:validate`.
            InvalidRequest: A required scope, the address or the revision is malformed.
        """
        caller.require(VALIDATE)
        if _has_bounds(question):
            violations = Violations()
            _check(question, "", violations)
            violations.raise_if_any()
        answer = self._judge.now(question)
        if isinstance(answer, Verdict):
            self._count(question.value, answer.outcome)
        return answer

    async def settle(self, unsettled: Unsettled, deadline: Deadline) -> Verdict:
        """Judge a credential that memory could not judge.

        Raises:
            DatabaseUnavailable: The records could not be read before the deadline.
            IssuerUnavailable: The keys of a token's issuer could not be fetched.
            TooManyLookups: Too many records are being read already.
            RevisionNotReached: The database does not have the revision that is demanded.
        """
        verdict = await self._judge.settle(unsettled, deadline)
        self._count(unsettled.question.value, verdict.outcome)
        return verdict


class BatchValidateCredentials:
    """Judges many credentials on behalf of a caller that may ask."""

    def __init__(self, judge: JudgeBatch, counts: VerdictCounts) -> None:
        """Take the judge of batches, and what counts verdicts."""
        self._judge = judge
        self._count = counts.count

    def now(self, questions: Sequence[Question], caller: Caller) -> list[Verdict | Unsettled]:
        """Judge the credentials by what is in memory.

        Returns:
            One answer for each question, in the same order.

        Raises:
            CallerNotPermitted: The caller lacks `authsvc:validate`.
            InvalidRequest: There are over 1,000, or some question breaks its bounds.
        """
        caller.require(VALIDATE)
        violations = Violations()
        if len(questions) > MAX_BATCH:
            violations.add("requests", f"has at most {MAX_BATCH} entries")
            violations.raise_if_any()
        for index, question in enumerate(questions):
            if _has_bounds(question):
                _check(question, f"requests[{index}].", violations)
        violations.raise_if_any()
        answers = self._judge.now(questions)
        verdicts = settled(answers)
        if verdicts is not None:
            self._count_all(questions, verdicts)
        return answers

    async def settle(
        self,
        questions: Sequence[Question],
        answers: Sequence[Verdict | Unsettled],
        deadline: Deadline,
    ) -> list[Verdict | Undecided]:
        """Judge the credentials that memory could not judge.

        Returns:
            One verdict for each answer, in the same order; none for a token whose issuer is away.

        Raises:
            DatabaseUnavailable: Some record could not be read before the deadline.
            TooManyLookups: Too many records are being read already.
            RevisionNotReached: The database does not have a revision that is demanded.
        """
        verdicts = await self._judge.settle(answers, deadline)
        self._count_all(questions, verdicts)
        return verdicts

    def _count_all(
        self, questions: Sequence[Question], verdicts: Sequence[Verdict | Undecided]
    ) -> None:
        for question, verdict in zip(questions, verdicts, strict=True):
            if isinstance(verdict, Verdict):
                self._count(question.value, verdict.outcome)


def _has_bounds(question: Question) -> bool:
    """Tell whether there is anything about a question that may break its bounds."""
    _, scopes, demand, address, _ = question
    return bool(scopes or address or demand is not NO_DEMAND)


def _check(question: Question, prefix: str, violations: Violations) -> None:
    violations.check_scopes(f"{prefix}required_scopes", question.required_scopes)
    violations.check_address(f"{prefix}context.client_ip", question.client_address)
    revision = question.demand.at_least_revision
    if revision is not None and revision <= 0:
        violations.add(f"{prefix}freshness.at_least_revision", "is positive")
