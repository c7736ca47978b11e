"""One access token to one verdict: verify it, look up what it names, judge."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from authsvc.domain.access_tokens import AccessTokenClaims, TokenVerification
from authsvc.domain.accounts import Account
from authsvc.domain.clock import Deadline
from authsvc.domain.denials import DENIALS, DenialReason
from authsvc.domain.freshness import NO_DEMAND, Freshness, FreshnessDemand
from authsvc.domain.judgement import judge_token
from authsvc.domain.sessions import SessionRecord
from authsvc.domain.users import UserRecord
from authsvc.usecases.failure_limit import FailureLimit
from authsvc.usecases.fresh_lookup import Found, FreshLookup
from authsvc.usecases.question import Question, Verdict


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
            IssuerUnavailable: The keys of another issuer could not be fetched before it.
        """
        ...


class TokenRecords(NamedTuple):
    """The records of what a token names."""

    account: Found[Account]
    user: Found[UserRecord] | None
    """None for a subject that is no user's id."""
    session: Found[SessionRecord] | None
    """None for a token without a session, or whose session is no id of ours."""


class JudgeToken:
    """Judges access tokens by their claims and by the records of what they name."""

    def __init__(
        self,
        *,
        accounts: FreshLookup[str, Account],
        users: FreshLookup[str, UserRecord],
        sessions: FreshLookup[str, SessionRecord],
        tokens: TokenVerifier,
        failures: FailureLimit,
    ) -> None:
        """Take what records are looked up in, who verifies, and the limit on guesses."""
        self._accounts = accounts
        self._users = users
        self._sessions = sessions
        self._tokens = tokens
        self._failures = failures

    def knows(self, token: str) -> bool:
        """Tell whether a token was verified before."""
        return self._tokens.knows(token)

    def now(self, token: str, question: Question) -> Verdict | None:
        """Judge a token by what is in memory; None when that does not do."""
        verification = self._tokens.verify_now(token) if question.demand is NO_DEMAND else None
        if verification is None:
            return None
        claims = verification.outcome
        if isinstance(claims, DenialReason):
            return Verdict(DENIALS[claims], verification.freshness)
        account, user, session = self._accounts.find_now(claims.account_id), None, None
        if account is None:
            return None
        if claims.user_id:
            user = self._users.find_now(claims.user_id)
            if user is None:
                return None
        if claims.known_session_id:
            session = self._sessions.find_now(claims.known_session_id)
            if session is None:
                return None
        records = TokenRecords(account, user, session)
        return self.judge(claims, verification.freshness, records, question)

    async def settle(self, token: str, question: Question, deadline: Deadline) -> Verdict:
        """Judge a token that memory could not judge.

        Raises:
            DatabaseUnavailable: The keys or the records could not be read before the deadline.
            IssuerUnavailable: The keys of the token's issuer could not be fetched.
            TooManyLookups: Too many records are being read already.
        """
        verification = await self._tokens.verify(token, question.demand, deadline)
        claims = verification.outcome
        if isinstance(claims, DenialReason):
            return self.deny(claims, verification.freshness, question)
        account = await self._accounts.find(claims.account_id, deadline, question.demand)
        user, session = None, None
        if claims.user_id:
            user = await self._users.find(claims.user_id, deadline, question.demand)
        if claims.known_session_id:
            session = await self._sessions.find(claims.known_session_id, deadline, question.demand)
        records = TokenRecords(account, user, session)
        return self.judge(claims, verification.freshness, records, question)

    def deny(self, reason: DenialReason, freshness: Freshness, question: Question) -> Verdict:
        """Deny a token that was not verified."""
        if reason is DenialReason.TOKEN_INVALID:
            self._failures.count(question.client_address)
        return Verdict(DENIALS[reason], freshness)

    def judge(
        self,
        claims: AccessTokenClaims,
        freshness: Freshness,
        records: TokenRecords,
        question: Question,
    ) -> Verdict:
        """Judge a verified token by the records of what it names.

        Args:
            claims: What it says.
            freshness: How old the knowledge is by which it was verified.
            records: Its account, its user and its session.
            question: What is asked of it.
        """
        account, user, session = records
        freshness = _older(freshness, account.freshness)
        user_record, session_record = None, None
        if user is not None:
            freshness, user_record = _older(freshness, user.freshness), user.record
        if session is not None:
            freshness, session_record = _older(freshness, session.freshness), session.record
        if account.record is None:
            return Verdict(DENIALS[DenialReason.TOKEN_INVALID], freshness)
        outcome = judge_token(
            claims, account.record, user_record, question.required_scopes, session_record
        )
        return Verdict(outcome, freshness)


def _older(one: Freshness, other: Freshness) -> Freshness:
    return one if one.as_of <= other.as_of else other
