"""Who is calling: callers prove themselves by credentials of our own, on our own path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline
from authsvc.domain.denials import Denial, DenialReason
from authsvc.domain.errors import (
    CallerCredentialInvalid,
    CallerCredentialMissing,
    CallerRateLimited,
    TooManyLookups,
)
from authsvc.domain.freshness import NO_DEMAND, FreshnessDemand
from authsvc.domain.keys import KeyRecord
from authsvc.usecases.judge_credential import JudgeCredential
from authsvc.usecases.question import Question, Verdict

_OF_KNOWN_KEYS: Final = frozenset(
    {
        DenialReason.KEY_REVOKED,
        DenialReason.KEY_DISABLED,
        DenialReason.KEY_EXPIRED,
        DenialReason.ACCOUNT_DISABLED,
        DenialReason.ADDRESS_NOT_ALLOWED,
    }
)


class AuthenticateCaller:
    """Turns a call's credential into a caller."""

    def __init__(self, judge: JudgeCredential, *, onlooker: JudgeCredential) -> None:
        """Take who judges.

        Args:
            judge: Judges the credential of a call, which is a use of it.
            onlooker: Judges alike, but counts no use and takes nothing from a limit.
        """
        self._judge = judge
        self._onlooker = onlooker

    def now(self, authorization: Sequence[str], peer: str = "") -> Caller | None:
        """Authenticate a caller by what is in memory; None when that does not do.

        Args:
            authorization: As for `__call__`.
            peer: As for `__call__`.

        Raises:
            CallerCredentialMissing: There is no credential.
            CallerCredentialInvalid: The credential is refused.
            CallerRateLimited: The caller's key is over its own limit.
            TooManyLookups: Too many guesses came from there.
        """
        answer = self._judge.now(_question(authorization, peer))
        return _caller(answer) if isinstance(answer, Verdict) else None

    async def __call__(
        self,
        authorization: Sequence[str],
        deadline: Deadline,
        peer: str = "",
        demand: FreshnessDemand = NO_DEMAND,
    ) -> Caller:
        """Authenticate a caller.

        Args:
            authorization: Every value of the call's `authorization` metadata. More than one is
                refused, for no two parties need agree on which of them counts.
            deadline: How long it may take.
            peer: The IP address that calls; empty when it is not known. Guesses are counted for
                it, and keys may be restricted to some.
            demand: How fresh the caller's own record must be.

        Raises:
            CallerCredentialMissing: There is no credential.
            CallerCredentialInvalid: The credential is refused.
            CallerRateLimited: The caller's key is over its own limit.
            DatabaseUnavailable: The records could not be read before the deadline.
            TooManyLookups: Too many records are being read, or too many guesses came from there.
        """
        question = _question(authorization, peer, demand)
        verdict = await self._judge(question, deadline)
        if isinstance(verdict.outcome, Denial) and verdict.outcome.reason in _OF_KNOWN_KEYS:
            refused = await self._judge.find_refused(question, deadline)
            return _caller(verdict, refused)
        return _caller(verdict)

    async def again(
        self, authorization: Sequence[str], deadline: Deadline, peer: str = ""
    ) -> Caller:
        """Authenticate the caller of a call that goes on, which is no further use of its key.

        Args:
            authorization: As for `__call__`.
            deadline: How long it may take.
            peer: As for `__call__`.

        Raises:
            CallerCredentialMissing: There is no credential.
            CallerCredentialInvalid: The credential is refused.
            DatabaseUnavailable: The records could not be read before the deadline.
            TooManyLookups: Too many records are being read, or too many guesses came from there.
        """
        return _caller(await self._onlooker(_question(authorization, peer), deadline))


def _question(
    authorization: Sequence[str], peer: str, demand: FreshnessDemand = NO_DEMAND
) -> Question:
    if len(authorization) > 1:
        raise CallerCredentialInvalid(DenialReason.INVALID_KEY_FORMAT)
    return Question(authorization[0] if authorization else "", (), demand, peer)


def _caller(verdict: Verdict, refused: KeyRecord | None = None) -> Caller:
    outcome = verdict.outcome
    if not isinstance(outcome, Denial):
        return Caller(outcome)
    reason = outcome.reason
    if reason is DenialReason.MISSING_CREDENTIAL:
        raise CallerCredentialMissing
    if reason is DenialReason.RATE_LIMITED:
        if outcome.rate_limit is None or outcome.retry_after is None:
            raise TooManyLookups
        raise CallerRateLimited(outcome.retry_after)
    if refused is None:
        raise CallerCredentialInvalid(reason)
    raise CallerCredentialInvalid(reason, refused.principal.key_id, refused.principal.account_id)
