"""ExplainCredential: why is this credential refused, and what is to be done about it?

It never repeats the credential. The verdict is read from the database, so that it is true now, and
nothing is counted as a use of the key, nor taken from its rate limit; guesses count towards the
limit of the client's address.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol

from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.credential_findings import read_form
from authsvc.domain.credentials import TokenCredential, parse_credential
from authsvc.domain.denials import Denial, DenialReason
from authsvc.domain.finding_hints import hint_for
from authsvc.domain.findings import Finding, FindingCode
from authsvc.domain.freshness import AUTHORITATIVE
from authsvc.domain.key_faults import key_faults
from authsvc.domain.keys import Key, OwnedKey
from authsvc.domain.scopes import VALIDATE, missing_scopes
from authsvc.usecases.call import Call
from authsvc.usecases.explain_token import Details, ExplainToken
from authsvc.usecases.judge_credential import JudgeCredential
from authsvc.usecases.question import Question, Verdict

_MILLISECOND: Final = timedelta(milliseconds=1)


class KnownKeys(Protocol):
    """Where the details of keys are read."""

    async def find_key_by_digest(self, digest: bytes, deadline: Deadline) -> OwnedKey | None:
        """Return the key with this SHA-256 digest, whatever its state, and whose it is; or None.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict, what was found, and what to do next."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    hint: str
    key: Key | None = None
    """The known key that the credential is, whatever its state."""
    missing_scopes: tuple[str, ...] = ()
    """Those of the required scopes that the known key or the token lacks, sorted."""


class ExplainCredential:
    """Explains a credential to a caller that may ask."""

    def __init__(
        self,
        *,
        judge: JudgeCredential,
        keys: KnownKeys,
        explain_token: ExplainToken,
        clock: Clock,
    ) -> None:
        """Take who judges without a use of the key, where keys are read, and the time."""
        self._judge = judge
        self._keys = keys
        self._explain_token = explain_token
        self._clock = clock

    async def __call__(self, question: Question, call: Call) -> Explanation:
        """Explain a credential.

        Args:
            question: The credential and what is asked of it; its demand on freshness is set here.
            call: Who calls.

        Raises:
            CallerNotPermitted: The caller lacks `authsvc:validate`.
            InvalidRequest: A required scope or the address is malformed.
            DatabaseUnavailable: The records could not be read before the deadline.
            IssuerUnavailable: The keys of a token's issuer could not be fetched.
            TooManyLookups: Too many records are being read already.
        """
        call.caller.require(VALIDATE)
        violations = Violations()
        violations.check_scopes("required_scopes", question.required_scopes)
        violations.check_address("context.client_ip", question.client_address)
        violations.raise_if_any()
        question = question._replace(demand=AUTHORITATIVE)
        reading = read_form(question.value)
        verdict = await self._judge(question, call.deadline)
        reason = _reason(verdict)
        form, details = reading.findings, Details()
        if isinstance(parse_credential(question.value), bytes) and _is_known(verdict):
            # The upper case of a known key is its own.
            form = tuple(f for f in form if f.code is not FindingCode.UPPER_CASE_HEXADECIMAL)
        # Over the limit on guesses nothing more is told, lest it be got around.
        if not _is_refused_guess(verdict) and reading.repaired is not None:
            details = await self._details(question, verdict, reading.repaired, call)
        findings = form + details.findings
        hint = hint_for(reason, findings, details.mended)
        return Explanation(verdict, findings, hint, details.key, details.missing_scopes)

    async def _details(
        self, question: Question, verdict: Verdict, core: str, call: Call
    ) -> Details:
        deadline, credential = call.deadline, parse_credential(question.value)
        reason = _reason(verdict)
        if isinstance(credential, TokenCredential):
            return await self._explain_token(credential.token, question, reason, deadline)
        if not isinstance(credential, bytes):
            return await self._mended(question, core, deadline)
        if reason is DenialReason.KEY_NOT_FOUND:
            return await self._unknown_key(question, core, None, deadline)
        known = await self._keys.find_key_by_digest(credential, deadline)
        if known is None:
            return Details()
        missing = missing_scopes(question.required_scopes, known.opens)
        key = known.key
        if not call.caller.may_manage_keys_of(key.account_id, is_system=known.account.is_system):
            # What its managers wrote about it is for them.
            key = replace(key, metadata={}, revoke_note="", allowed_addresses=())
        faults = key_faults(known, question.client_address, missing, self._clock())
        faults += _limit_findings(verdict)
        return Details(faults, key, missing)

    async def _mended(self, question: Question, repaired: str, deadline: Deadline) -> Details:
        """Tell what becomes of a malformed credential without the faults of its form."""
        verdict = await self._judge(question._replace(value=repaired), deadline)
        reason = _reason(verdict)
        if reason is None:
            return Details((Finding(FindingCode.MENDED_IS_GOOD),))
        if _is_refused_guess(verdict):
            return Details(mended=reason)
        credential = parse_credential(repaired)
        if isinstance(credential, TokenCredential):
            read = await self._explain_token(credential.token, question, reason, deadline)
            return Details(read.findings, None, read.missing_scopes, reason)
        if reason is DenialReason.KEY_NOT_FOUND:
            return await self._unknown_key(question, repaired, reason, deadline)
        known = Finding(FindingCode.MENDED_IS_KNOWN)
        return Details((known, *_limit_findings(verdict)), mended=reason)

    async def _unknown_key(
        self, question: Question, key: str, mended: DenialReason | None, deadline: Deadline
    ) -> Details:
        """Look for the lower-case form of a well-formed key that is not known."""
        unknown = Finding(FindingCode.KEY_UNKNOWN)
        if key == key.lower():
            return Details((unknown,), mended=mended)
        # Without the address: the key was counted as a failure once already.
        lower = question._replace(value=key.lower(), client_address="")
        verdict = await self._judge(lower, deadline)
        if _reason(verdict) is DenialReason.ADDRESS_NOT_ALLOWED:
            # It is known, so that nothing is counted for the address that it has to be judged by.
            lower = lower._replace(client_address=question.client_address)
            verdict = await self._judge(lower, deadline)
        if not _is_known(verdict):
            return Details((unknown,), mended=mended)
        reason = _reason(verdict)
        known = Finding(FindingCode.LOWER_CASE_IS_KNOWN)
        if reason is None:
            return Details((unknown, known))
        faults = Finding(FindingCode.MENDED_IS_KNOWN), *_limit_findings(verdict)
        return Details((unknown, known, *faults), mended=reason)


def _reason(verdict: Verdict) -> DenialReason | None:
    return verdict.outcome.reason if isinstance(verdict.outcome, Denial) else None


def _is_refused_guess(verdict: Verdict) -> bool:
    """Tell whether the address has guessed too often, so that the key was not even looked up."""
    outcome = verdict.outcome
    return _reason(verdict) is DenialReason.RATE_LIMITED and not (
        isinstance(outcome, Denial) and outcome.rate_limit
    )


def _is_known(verdict: Verdict) -> bool:
    """Tell whether a well-formed key was found."""
    return _reason(verdict) is not DenialReason.KEY_NOT_FOUND and not _is_refused_guess(verdict)


def _limit_findings(verdict: Verdict) -> tuple[Finding, ...]:
    """Tell of the key's own limit where that is why it is refused."""
    outcome = verdict.outcome
    if not isinstance(outcome, Denial) or outcome.rate_limit is None or not outcome.retry_after:
        return ()
    # Told to people: the millisecond that is on the safe side does not make 60 seconds 61.
    wait = max(1, math.ceil((outcome.retry_after - _MILLISECOND).total_seconds()))
    code = FindingCode.RATE_LIMIT_REACHED
    return (Finding(code, length=wait, rate_limit=outcome.rate_limit),)
