"""ValidateCredential and its batch: is this credential good, whose is it, what may it do?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from authsvc.domain.bounds import Violations
from authsvc.domain.callers import Caller
from authsvc.domain.freshness import NO_DEMAND
from authsvc.domain.scopes import VALIDATE
from authsvc.usecases.call import Call
from authsvc.usecases.judge_credential import JudgeCredential, Question, Verdict

MAX_BATCH: Final = 1000
"""The most credentials in one batch."""


class ValidateCredential:
    """Judges a credential on behalf of a caller that may ask."""

    def __init__(self, judge: JudgeCredential) -> None:
        """Take the judge of credentials."""
        self._judge = judge

    async def __call__(self, question: Question, call: Call) -> Verdict:
        """Judge the credential.

        Raises:
            CallerNotPermitted: The caller lacks `authsvc:validate`.
            InvalidRequest: A required scope or the revision is malformed.
            DatabaseUnavailable: The records could not be read before the deadline.
            TooManyLookups: Too many records are being read already.
        """
        _admit(question, call.caller)
        return await self._judge(question, call.deadline)

    def now(self, question: Question, caller: Caller) -> Verdict | None:
        """Judge the credential by what is in memory; None when that does not do.

        Raises:
            CallerNotPermitted: The caller lacks `authsvc:validate`.
            InvalidRequest: A required scope or the revision is malformed.
        """
        _admit(question, caller)
        return self._judge.now(question)


class BatchValidateCredentials:
    """Judges many credentials on behalf of a caller that may ask."""

    def __init__(self, judge: JudgeCredential) -> None:
        """Take the judge of credentials."""
        self._judge = judge

    async def __call__(self, questions: Sequence[Question], call: Call) -> list[Verdict]:
        """Judge the credentials.

        Returns:
            One verdict for each question, in the same order.

        Raises:
            CallerNotPermitted: The caller lacks `authsvc:validate`.
            InvalidRequest: There are over 1,000, or some question breaks its bounds.
            DatabaseUnavailable: Some record could not be read before the deadline.
            TooManyLookups: Too many records are being read already.
        """
        call.caller.require(VALIDATE)
        violations = Violations()
        if len(questions) > MAX_BATCH:
            violations.add("requests", f"has at most {MAX_BATCH} entries")
            violations.raise_if_any()
        for index, question in enumerate(questions):
            if (
                question.required_scopes
                or question.client_address
                or (question.demand is not NO_DEMAND)
            ):
                _check(question, f"requests[{index}].", violations)
        violations.raise_if_any()
        return await self._judge.judge_all(questions, call.deadline)


def _admit(question: Question, caller: Caller) -> None:
    caller.require(VALIDATE)
    if question.required_scopes or question.client_address or question.demand is not NO_DEMAND:
        violations = Violations()
        _check(question, "", violations)
        violations.raise_if_any()


def _check(question: Question, prefix: str, violations: Violations) -> None:
    violations.check_scopes(f"{prefix}required_scopes", question.required_scopes)
    violations.check_address(f"{prefix}context.client_ip", question.client_address)
    revision = question.demand.at_least_revision
    if revision is not None and revision <= 0:
        violations.add(f"{prefix}freshness.at_least_revision", "is positive")
