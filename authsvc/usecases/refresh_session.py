"""RefreshSession: a refresh token for new tokens, once.

A token that is used a second time, too late for an honest repeat, is in two hands. Which of them is
the thief's cannot be told, so the session ends for both (RFC 9700 section 4.14.2).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.errors import RefreshTokenInvalid, RefreshTokenReused, SessionEnded
from authsvc.domain.origin import Origin
from authsvc.domain.refresh_tokens import (
    Decide,
    GrantedSession,
    RefreshToken,
    Rotation,
    SessionHolder,
    StoredRefreshToken,
    TokenPair,
)
from authsvc.domain.sessions import Session, SessionEndReason, SessionLifetimes, SessionState
from authsvc.domain.tallies import Tally
from authsvc.domain.users import UserRole
from authsvc.usecases.call import OpenCall
from authsvc.usecases.limit_refreshes import LimitRefreshes
from authsvc.usecases.session_tokens import MakeTokens, SessionTokens


class RefreshTokens(Protocol):
    """Where refresh tokens are kept."""

    async def refresh(
        self, digest: bytes, decide: Decide, deadline: Deadline
    ) -> GrantedSession | None:
        """Use a token, one use of a session after the other.

        Args:
            digest: The digest of the token.
            decide: Says what becomes of it. What it raises leaves everything as it was.
            deadline: How long it may take.

        Returns:
            What was granted, now or before; None when the token is not known.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline; the token may
                have been used all the same.
        """
        ...


class Sessions(Protocol):
    """Where sessions are ended."""

    async def end_session(
        self,
        session_id: str,
        reason: SessionEndReason,
        now: datetime,
        *,
        origin: Origin,
        deadline: Deadline,
    ) -> Session | None:
        """End a session, unless it was ended, and return it as it is then; None if it is gone.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...


class PairSealer(Protocol):
    """Seals what a token was answered with, so that only that token opens it."""

    def seal(self, token: RefreshToken, pair: TokenPair, session_id: str) -> bytes:
        """Encrypt a pair."""
        ...

    def open(self, token: RefreshToken, sealed: bytes, session_id: str) -> TokenPair:
        """Decrypt a pair."""
        ...


class RefreshSession:
    """Refreshes sessions."""

    def __init__(
        self,
        *,
        refresh_tokens: RefreshTokens,
        sessions: Sessions,
        tokens: SessionTokens,
        sealer: PairSealer,
        limit_refreshes: LimitRefreshes,
        lifetimes: SessionLifetimes,
        reuse_window: timedelta,
        clock: Clock,
        repeats: Tally,
    ) -> None:
        """Take the stores, what makes and seals tokens, and how long all of it is good.

        Args:
            refresh_tokens: Where refresh tokens are kept.
            sessions: Where sessions are ended.
            tokens: Makes tokens.
            sealer: Seals answers to repeats.
            limit_refreshes: Keeps guesses off, and refreshes within bounds.
            lifetimes: How long sessions live.
            reuse_window: For how long a token that was used gets the answer that it got.
            clock: The source of time.
            repeats: Counts the tokens that got the answer that they got before.
        """
        self._refresh_tokens = refresh_tokens
        self._sessions = sessions
        self._tokens = tokens
        self._sealer = sealer
        self._limit_refreshes = limit_refreshes
        self._lifetimes = lifetimes
        self._reuse_window = reuse_window
        self._clock = clock
        self._repeats = repeats

    async def __call__(
        self, refresh_token: str, client_address: str, call: OpenCall
    ) -> GrantedSession:
        """Refresh a session.

        Args:
            refresh_token: As it came.
            client_address: From where, as the caller tells; may be empty.
            call: The call.

        Raises:
            InvalidRequest: There is no token, or the address is malformed.
            CallerCredentialInvalid: The call claims an address with a credential that is refused.
            RefreshTokenInvalid: The token is malformed, or not known.
            RefreshTokenReused: It was used before; the session has been ended for it.
            SessionEnded: The session is over, or its user or account is disabled.
            CallerRateLimited: The session was refreshed too often.
            TooManyLookups: Too many tokens are being looked up already; fewer may be where too many
                unknown ones came from the address.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        violations = Violations()
        if not refresh_token:
            violations.add("refresh_token", "is required")
        violations.check_address("context.client_ip", client_address)
        violations.raise_if_any()
        token = RefreshToken.parse(refresh_token)
        if token is None:
            raise RefreshTokenInvalid
        digest, address = token.digest(), await call.client_address(client_address)
        await self._limit_refreshes.require_known(digest, address, call.deadline)
        make_tokens = await self._tokens.ready(call.deadline)

        def decide(
            presented: StoredRefreshToken, holder: SessionHolder
        ) -> Rotation | GrantedSession:
            session, now = presented.session, self._clock()
            if holder.disabled or session.state_at(now) is not SessionState.ACTIVE:
                raise SessionEnded
            if presented.use_time is None:
                self._limit_refreshes.take(session.session_id)
                seen = session.seen(now, address, self._lifetimes.idle)
                return self._rotation(token, seen, make_tokens, holder.role, now)
            answer = presented.answer_at(now)
            if answer is None:
                raise RefreshTokenReused(session.session_id, session.account_id)
            self._repeats.add()
            return GrantedSession(session, self._sealer.open(token, answer, session.session_id))

        try:
            granted = await self._refresh_tokens.refresh(digest, decide, call.deadline)
        except RefreshTokenReused as reused:
            # In a transaction of its own: what ends a session waits for other writers first, and
            # must not hold the session meanwhile.
            await self._sessions.end_session(
                reused.session_id,
                SessionEndReason.REFRESH_TOKEN_REUSED,
                self._clock(),
                origin=call.origin,
                deadline=call.deadline,
            )
            raise
        if granted is None:
            raise RefreshTokenInvalid
        return granted

    def _rotation(
        self,
        token: RefreshToken,
        session: Session,
        make_tokens: MakeTokens,
        role: UserRole,
        now: datetime,
    ) -> Rotation:
        pair = make_tokens(session, role, now)
        return Rotation(
            GrantedSession(session, pair),
            use_time=now,
            sealed_answer=self._sealer.seal(token, pair, session.session_id),
            answer_delete_time=now + self._reuse_window,
        )
