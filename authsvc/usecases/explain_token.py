"""Why an access token is refused: what it says, and the records of what it names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from authsvc.domain.access_tokens import TokenReading
from authsvc.domain.clock import Deadline
from authsvc.domain.denials import DenialReason
from authsvc.domain.findings import Finding, FindingCode
from authsvc.domain.ids import SESSION, USER, is_id
from authsvc.domain.judgement import is_lost
from authsvc.domain.keys import Key
from authsvc.domain.scopes import missing_scopes, narrowed
from authsvc.domain.users import UserRecord
from authsvc.usecases.fresh_records import SessionRecordReader, UserRecordReader
from authsvc.usecases.question import Question

_ACCOUNT_UNKNOWN = FindingCode.TOKEN_ACCOUNT_UNKNOWN
_USER_UNKNOWN = FindingCode.TOKEN_USER_UNKNOWN


class TokenExaminer(Protocol):
    """Finds everything that is wrong with an access token."""

    async def examine(self, token: str, deadline: Deadline) -> TokenReading:
        """Examine a token of well-formed segments.

        Raises:
            DatabaseUnavailable: The signing keys could not be read before the deadline.
        """
        ...


@dataclass(frozen=True, slots=True)
class Details:
    """What the records and the token say."""

    findings: tuple[Finding, ...] = ()
    key: Key | None = None
    missing_scopes: tuple[str, ...] = ()
    mended: DenialReason | None = None
    """Why it would still be refused without the faults of its form."""


class ExplainToken:
    """Explains access tokens."""

    def __init__(
        self,
        *,
        users: UserRecordReader,
        sessions: SessionRecordReader,
        tokens: TokenExaminer,
    ) -> None:
        """Take who examines tokens, and where what they name is read."""
        self._users = users
        self._sessions = sessions
        self._tokens = tokens

    async def __call__(
        self, token: str, question: Question, reason: DenialReason | None, deadline: Deadline
    ) -> Details:
        """Explain a token of well-formed segments.

        Args:
            token: The token.
            question: What is asked of it.
            reason: Why it is refused; None when it is good.
            deadline: How long it may take.

        Raises:
            DatabaseUnavailable: The keys or the records could not be read before the deadline.
        """
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
            missing = missing_scopes(question.required_scopes, opens)
        if missing:
            findings += (Finding(FindingCode.SCOPES_MISSING),)
        if read.issuer:
            findings = (Finding(FindingCode.TOKEN_FOREIGN, issuer=read.issuer), *findings)
        return Details(findings, None, missing)

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
