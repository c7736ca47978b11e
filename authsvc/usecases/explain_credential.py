"""ExplainCredential: why is this credential refused, and what is to be done about it?

It never repeats the credential. The verdict is read from the database, so that it is true now, and
nothing is counted as a use of the key; guesses count towards the limit of the client's address.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from authsvc.domain.access_tokens import TokenReading
from authsvc.domain.accounts import AccountState
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.credential_findings import read_form
from authsvc.domain.credentials import TokenCredential, parse_credential
from authsvc.domain.denials import Denial, DenialReason
from authsvc.domain.finding_hints import hint_for
from authsvc.domain.findings import Finding, FindingCode
from authsvc.domain.freshness import AUTHORITATIVE
from authsvc.domain.keys import Key, KeyState, OwnedKey
from authsvc.domain.scopes import VALIDATE, covers
from authsvc.usecases.call import Call
from authsvc.usecases.judge_credential import JudgeCredential, Question, Verdict

_UNKNOWN_KEY = frozenset({DenialReason.KEY_NOT_FOUND, DenialReason.RATE_LIMITED})


class KnownKeys(Protocol):
    """Where the details of keys are read."""

    async def find_key_by_digest(self, digest: bytes, deadline: Deadline) -> OwnedKey | None:
        """Return the key with this SHA-256 digest, whatever its state, and whose it is; or None.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...


class TokenExaminer(Protocol):
    """Finds everything that is wrong with an access token."""

    async def examine(self, token: str, deadline: Deadline) -> TokenReading:
        """Examine a token of well-formed segments.

        Raises:
            DatabaseUnavailable: The signing keys could not be read before the deadline.
        """
        ...


class Uncounted:
    """Counts no use: to explain a key is not to use it."""

    def count(self, key_id: str, outcome: str) -> None:
        """Do nothing."""


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


@dataclass(frozen=True, slots=True)
class _Details:
    """What the records and the token say."""

    findings: tuple[Finding, ...] = ()
    key: Key | None = None
    missing_scopes: tuple[str, ...] = ()
    mended: DenialReason | None = None
    """Why it would still be refused without the faults of its form."""


class ExplainCredential:
    """Explains a credential to a caller that may ask."""

    def __init__(
        self, *, judge: JudgeCredential, keys: KnownKeys, tokens: TokenExaminer, clock: Clock
    ) -> None:
        """Take a judge that counts no usage, where details are read, and the time."""
        self._judge = judge
        self._keys = keys
        self._tokens = tokens
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
        form, details = reading.findings, _Details()
        if isinstance(parse_credential(question.value), bytes) and reason not in _UNKNOWN_KEY:
            # The upper case of a known key is its own.
            form = tuple(f for f in form if f.code is not FindingCode.UPPER_CASE_HEXADECIMAL)
        # Over the limit nothing more is told, lest the limit be got around.
        if reason is not DenialReason.RATE_LIMITED and reading.repaired is not None:
            details = await self._details(question, reason, reading.repaired, call)
        findings = form + details.findings
        hint = hint_for(reason, findings, details.mended)
        return Explanation(verdict, findings, hint, details.key, details.missing_scopes)

    async def _details(
        self, question: Question, reason: DenialReason | None, core: str, call: Call
    ) -> _Details:
        deadline, credential = call.deadline, parse_credential(question.value)
        if isinstance(credential, TokenCredential):
            return await self._read_token(credential.token, question, reason, deadline)
        if not isinstance(credential, bytes):
            return await self._mended(question, core, deadline)
        if reason is DenialReason.KEY_NOT_FOUND:
            return await self._unknown_key(question, core, None, deadline)
        known = await self._keys.find_key_by_digest(credential, deadline)
        if known is None:
            return _Details()
        missing = _missing(question.required_scopes, known.opens)
        key = known.key
        if not call.caller.may_manage_keys_of(key.account_id, is_system=known.account.is_system):
            # What its managers wrote about it is for them.
            key = replace(key, metadata={}, revoke_note="")
        return _Details(self._key_faults(known, missing), key, missing)

    async def _mended(self, question: Question, repaired: str, deadline: Deadline) -> _Details:
        """Tell what becomes of a malformed credential without the faults of its form."""
        verdict = await self._judge(question._replace(value=repaired), deadline)
        reason = _reason(verdict)
        if reason is None:
            return _Details((Finding(FindingCode.MENDED_IS_GOOD),))
        if reason is DenialReason.RATE_LIMITED:
            return _Details(mended=reason)
        credential = parse_credential(repaired)
        if isinstance(credential, TokenCredential):
            read = await self._read_token(credential.token, question, reason, deadline)
            return _Details(read.findings, None, read.missing_scopes, reason)
        if reason is DenialReason.KEY_NOT_FOUND:
            return await self._unknown_key(question, repaired, reason, deadline)
        return _Details((Finding(FindingCode.MENDED_IS_KNOWN),), mended=reason)

    async def _unknown_key(
        self, question: Question, key: str, mended: DenialReason | None, deadline: Deadline
    ) -> _Details:
        """Look for the lower-case form of a well-formed key that is not known."""
        unknown = Finding(FindingCode.KEY_UNKNOWN)
        if key == key.lower():
            return _Details((unknown,), mended=mended)
        # Without the address: the key was counted as a failure once already.
        lower = question._replace(value=key.lower(), client_address="")
        reason = _reason(await self._judge(lower, deadline))
        if reason in _UNKNOWN_KEY:
            return _Details((unknown,), mended=mended)
        known = Finding(FindingCode.LOWER_CASE_IS_KNOWN)
        if reason is None:
            return _Details((unknown, known))
        return _Details((unknown, known, Finding(FindingCode.MENDED_IS_KNOWN)), mended=reason)

    async def _read_token(
        self, token: str, question: Question, reason: DenialReason | None, deadline: Deadline
    ) -> _Details:
        read = await self._tokens.examine(token, deadline)
        findings = read.findings
        if reason is DenialReason.TOKEN_INVALID and not findings:
            findings = (Finding(FindingCode.TOKEN_ACCOUNT_UNKNOWN),)
        if reason is DenialReason.ACCOUNT_DISABLED:
            findings += (Finding(FindingCode.ACCOUNT_DISABLED),)
        missing: tuple[str, ...] = ()
        if read.scopes is not None:
            missing = _missing(question.required_scopes, read.scopes)
        if missing:
            findings += (Finding(FindingCode.SCOPES_MISSING),)
        return _Details(findings, None, missing)

    def _key_faults(self, known: OwnedKey, missing: tuple[str, ...]) -> tuple[Finding, ...]:
        key, now = known.key, self._clock()
        expired = key.expire_time is not None and key.expire_time <= now
        faults = {
            FindingCode.KEY_REVOKED: key.state_at(now) is KeyState.REVOKED,
            FindingCode.KEY_DISABLED: key.disabled,
            FindingCode.KEY_EXPIRED: expired,
            FindingCode.ACCOUNT_DISABLED: known.account.state is AccountState.DISABLED,
            FindingCode.SCOPES_MISSING: bool(missing),
        }
        return tuple(Finding(code) for code, is_so in faults.items() if is_so)


def _reason(verdict: Verdict) -> DenialReason | None:
    return verdict.outcome.reason if isinstance(verdict.outcome, Denial) else None


def _missing(required: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    has = frozenset(granted)
    return tuple(sorted({scope for scope in required if not covers(has, scope)}))
