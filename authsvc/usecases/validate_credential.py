"""ValidateCredential: is this credential good, whose is it, and what may it do?"""

from __future__ import annotations

from dataclasses import dataclass, field

from authsvc.domain.bounds import Violations
from authsvc.domain.scopes import VALIDATE
from authsvc.usecases.call import Call
from authsvc.usecases.judge_credential import JudgeCredential, Verdict


@dataclass(frozen=True, slots=True)
class ValidateCredentialQuery:
    """The credential, and what is asked of it."""

    value: str = field(repr=False)
    """An Authorization header's value as it came, or a bare credential."""
    required_scopes: tuple[str, ...] = ()
    authoritative: bool = False
    at_least_revision: int | None = None


class ValidateCredential:
    """Judges a credential on behalf of a caller that may ask."""

    def __init__(self, judge: JudgeCredential) -> None:
        """Take the judge of credentials."""
        self._judge = judge

    async def __call__(self, query: ValidateCredentialQuery, call: Call) -> Verdict:
        """Judge the credential.

        Raises:
            CallerNotPermitted: The caller lacks `authsvc:validate`.
            InvalidRequest: A required scope or the revision is malformed.
            DatabaseUnavailable: The records could not be read before the deadline.
        """
        call.caller.require(VALIDATE)
        if query.required_scopes or query.at_least_revision is not None:
            violations = Violations()
            violations.check_scopes("required_scopes", query.required_scopes)
            if query.at_least_revision is not None and query.at_least_revision <= 0:
                violations.add("freshness.at_least_revision", "is positive")
            violations.raise_if_any()
        return await self._judge(
            query.value,
            required_scopes=query.required_scopes,
            # What is read from the database now reflects every revision it has handed out.
            fresh=query.authoritative or query.at_least_revision is not None,
            deadline=call.deadline,
        )
