"""Who is calling: callers prove themselves by credentials of our own, on our own path."""

from __future__ import annotations

from collections.abc import Sequence

from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline
from authsvc.domain.denials import Denial, DenialReason
from authsvc.domain.errors import CallerCredentialInvalid, CallerCredentialMissing
from authsvc.usecases.judge_credential import JudgeCredential


class AuthenticateCaller:
    """Turns a call's credential into a caller."""

    def __init__(self, judge: JudgeCredential) -> None:
        """Take the judge of credentials."""
        self._judge = judge

    async def __call__(self, authorization: Sequence[str], deadline: Deadline) -> Caller:
        """Authenticate a caller.

        Args:
            authorization: Every value of the call's `authorization` metadata. More than one is
                refused, for no two parties need agree on which of them counts.
            deadline: How long it may take.

        Raises:
            CallerCredentialMissing: There is no credential.
            CallerCredentialInvalid: The credential is refused.
            DatabaseUnavailable: The records could not be read before the deadline.
        """
        if len(authorization) > 1:
            raise CallerCredentialInvalid(DenialReason.INVALID_KEY_FORMAT)
        value = authorization[0] if authorization else ""
        verdict = await self._judge(value, deadline=deadline)
        if not isinstance(verdict.outcome, Denial):
            return Caller(verdict.outcome)
        if verdict.outcome.reason is DenialReason.MISSING_CREDENTIAL:
            raise CallerCredentialMissing
        raise CallerCredentialInvalid(verdict.outcome.reason)
