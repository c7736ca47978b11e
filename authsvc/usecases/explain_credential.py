"""ExplainCredential: why is this credential refused, and what is to be done about it?

It never repeats the credential. The verdict is read from the database, so that it is true now, and
nothing is counted as a use of the key, nor taken from its rate limit; guesses count towards the
limit of the client's address.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol

from authsvc.domain.access_tokens import TokenReading
from authsvc.domain.accounts import AccountState
from authsvc.domain.address_rules import address_rules
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.credential_findings import read_form
from authsvc.domain.credentials import TokenCredential, parse_credential
from authsvc.domain.denials import Denial, DenialReason
from authsvc.domain.finding_hints import hint_for
from authsvc.domain.findings import Finding, FindingCode
from authsvc.domain.freshness import AUTHORITATIVE
from authsvc.domain.ids import SESSION, USER, is_id
from authsvc.domain.judgement import is_lost
from authsvc.domain.keys import Key, KeyState, OwnedKey
from authsvc.domain.scopes import VALIDATE, covers, narrowed
from authsvc.domain.users import UserRecord
from authsvc.usecases.call import Call
from authsvc.usecases.fresh_records import SessionRecordReader, UserRecordReader
from authsvc.usecases.judge_credential import JudgeCredential
from authsvc.usecases.question import Question, Verdict

_MILLISECOND: Final = timedelta(milliseconds=1)
_ACCOUNT_UNKNOWN = FindingCode.TOKEN_ACCOUNT_UNKNOWN
_USER_UNKNOWN = FindingCode.TOKEN_USER_UNKNOWN


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

    def count(self, key_id: str, outcome: str, client_address: str, caller_id: str) -> None:
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
        self,
        *,
        judge: JudgeCredential,
        keys: KnownKeys,
        users: UserRecordReader,
        sessions: SessionRecordReader,
        tokens: TokenExaminer,
        clock: Clock,
    ) -> None:
        """Take who judges without a use of the key, where details are read, and the time."""
        self._judge = judge
        self._keys = keys
        self._users = users
        self._sessions = sessions
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
        form, details = reading.findings, _Details()
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
    ) -> _Details:
        deadline, credential = call.deadline, parse_credential(question.value)
        reason = _reason(verdict)
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
            key = replace(key, metadata={}, revoke_note="", allowed_addresses=())
        faults = self._key_faults(known, question.client_address, missing)
        faults += _limit_findings(verdict)
        return _Details(faults, key, missing)

    async def _mended(self, question: Question, repaired: str, deadline: Deadline) -> _Details:
        """Tell what becomes of a malformed credential without the faults of its form."""
        verdict = await self._judge(question._replace(value=repaired), deadline)
        reason = _reason(verdict)
        if reason is None:
            return _Details((Finding(FindingCode.MENDED_IS_GOOD),))
        if _is_refused_guess(verdict):
            return _Details(mended=reason)
        credential = parse_credential(repaired)
        if isinstance(credential, TokenCredential):
            read = await self._read_token(credential.token, question, reason, deadline)
            return _Details(read.findings, None, read.missing_scopes, reason)
        if reason is DenialReason.KEY_NOT_FOUND:
            return await self._unknown_key(question, repaired, reason, deadline)
        known = Finding(FindingCode.MENDED_IS_KNOWN)
        return _Details((known, *_limit_findings(verdict)), mended=reason)

    async def _unknown_key(
        self, question: Question, key: str, mended: DenialReason | None, deadline: Deadline
    ) -> _Details:
        """Look for the lower-case form of a well-formed key that is not known."""
        unknown = Finding(FindingCode.KEY_UNKNOWN)
        if key == key.lower():
            return _Details((unknown,), mended=mended)
        # Without the address: the key was counted as a failure once already.
        lower = question._replace(value=key.lower(), client_address="")
        verdict = await self._judge(lower, deadline)
        if _reason(verdict) is DenialReason.ADDRESS_NOT_ALLOWED:
            # It is known, so that nothing is counted for the address that it has to be judged by.
            lower = lower._replace(client_address=question.client_address)
            verdict = await self._judge(lower, deadline)
        if not _is_known(verdict):
            return _Details((unknown,), mended=mended)
        reason = _reason(verdict)
        known = Finding(FindingCode.LOWER_CASE_IS_KNOWN)
        if reason is None:
            return _Details((unknown, known))
        faults = Finding(FindingCode.MENDED_IS_KNOWN), *_limit_findings(verdict)
        return _Details((unknown, known, *faults), mended=reason)

    async def _read_token(
        self, token: str, question: Question, reason: DenialReason | None, deadline: Deadline
    ) -> _Details:
        read = await self._tokens.examine(token, deadline)
        findings, user = read.findings, await self._find_user(read, deadline)
        if reason is DenialReason.TOKEN_INVALID and not findings:
            names_user = is_id(read.subject, USER)
            findings = (Finding(_USER_UNKNOWN if names_user else _ACCOUNT_UNKNOWN),)
        if user is not None and user.disabled:
            findings += (Finding(FindingCode.TOKEN_USER_DISABLED),)
        if await self._has_lost_session(read, deadline):
            findings += (Finding(FindingCode.TOKEN_SESSION_ENDED),)
        if reason is DenialReason.ACCOUNT_DISABLED:
            findings += (Finding(FindingCode.ACCOUNT_DISABLED),)
        missing: tuple[str, ...] = ()
        if read.scopes is not None:
            opens: Iterable[str] = read.scopes
            if user is not None and user.most_scopes is not None:
                opens = narrowed(opens, user.most_scopes)
            missing = _missing(question.required_scopes, opens)
        if missing:
            findings += (Finding(FindingCode.SCOPES_MISSING),)
        if read.issuer:
            findings = (Finding(FindingCode.TOKEN_FOREIGN, issuer=read.issuer), *findings)
        return _Details(findings, None, missing)

    async def _find_user(self, read: TokenReading, deadline: Deadline) -> UserRecord | None:
        """Return the user that a genuine token names, if it is of the token's account."""
        if not is_id(read.subject, USER):
            return None
        user = (await self._users.find_user_records([read.subject], deadline)).get(read.subject)
        return user if user is not None and user.account_id == read.account_id else None

    async def _has_lost_session(self, read: TokenReading, deadline: Deadline) -> bool:
        """Tell whether a genuine token belongs to a session that is no more."""
        if not is_id(read.session_id, SESSION):
            return False
        found = await self._sessions.find_session_records([read.session_id], deadline)
        return is_lost(found.get(read.session_id), read.subject)

    def _key_faults(
        self, known: OwnedKey, client_address: str, missing: tuple[str, ...]
    ) -> tuple[Finding, ...]:
        key, now = known.key, self._clock()
        expired = key.expire_time is not None and key.expire_time <= now
        faults = {
            FindingCode.KEY_REVOKED: key.state_at(now) is KeyState.REVOKED,
            FindingCode.KEY_DISABLED: key.disabled,
            FindingCode.KEY_EXPIRED: expired,
            FindingCode.ACCOUNT_DISABLED: known.account.state is AccountState.DISABLED,
        }
        found = [Finding(code) for code, is_so in faults.items() if is_so]
        found += _address_faults(key.allowed_addresses, client_address)
        found += [Finding(FindingCode.SCOPES_MISSING)] if missing else []
        return tuple(found)


def _address_faults(allowed: tuple[str, ...], client_address: str) -> list[Finding]:
    rules = address_rules(allowed)
    if rules is None or rules.allow(client_address):
        return []
    code = FindingCode.ADDRESS_NOT_ALLOWED if client_address else FindingCode.ADDRESS_MISSING
    return [Finding(code, length=len(allowed))]


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


def _missing(required: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    has = frozenset(granted)
    return tuple(sorted({scope for scope in required if not covers(has, scope)}))
