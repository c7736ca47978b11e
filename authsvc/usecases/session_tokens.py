"""The tokens of a session: what a log-in and each refresh hand out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from authsvc.domain.clock import Deadline
from authsvc.domain.refresh_tokens import RefreshToken, TokenPair
from authsvc.domain.sessions import Session, SessionLifetimes
from authsvc.domain.users import ROLE_SCOPES, UserRole

_TOKEN_ID: Final = "tok"  # noqa: S105 - a prefix of ids

MakeTokens = Callable[[Session, UserRole, datetime], TokenPair]
"""Makes the tokens of a session for a user in a role, at a moment. A plain function."""


class TokenSigner(Protocol):
    """Signs access tokens with one key."""

    def sign(
        self,
        *,
        user_id: str,
        account_id: str,
        scopes: Sequence[str],
        token_id: str,
        issue_time: datetime,
        ttl: timedelta,
        session_id: str = "",
    ) -> str:
        """Sign a token that is good for `ttl`, in whole seconds."""
        ...


class SigningKeys(Protocol):
    """The keys that sign access tokens."""

    async def get_signer(self, deadline: Deadline) -> TokenSigner:
        """Return what signs with the key that signs now.

        Raises:
            DatabaseUnavailable: The keys could not be read before the deadline.
        """
        ...


class SessionTokens:
    """Makes the tokens of sessions."""

    def __init__(
        self,
        *,
        keys: SigningKeys,
        lifetimes: SessionLifetimes,
        new_id: Callable[[str], str],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """Take the keys, how long tokens live, and the sources of ids and randomness."""
        self._keys = keys
        self._lifetimes = lifetimes
        self._new_id = new_id
        self._random_bytes = random_bytes

    async def ready(self, deadline: Deadline) -> MakeTokens:
        """Return what makes tokens without waiting, for use while rows are locked.

        Raises:
            DatabaseUnavailable: The signing keys could not be read before the deadline.
        """
        signer = await self._keys.get_signer(deadline)

        def make(session: Session, role: UserRole, now: datetime) -> TokenPair:
            # No access token outlives its session, so that none is judged by the session's times.
            ttl = min(self._lifetimes.access_token, session.idle_expire_time - now)
            issue_time = now.replace(microsecond=0)
            ttl = timedelta(seconds=int(ttl.total_seconds()))
            access_token = signer.sign(
                user_id=session.user_id,
                account_id=session.account_id,
                scopes=sorted(ROLE_SCOPES[role]),
                token_id=self._new_id(_TOKEN_ID),
                issue_time=issue_time,
                ttl=ttl,
                session_id=session.session_id,
            )
            refresh_token = RefreshToken.generate(self._random_bytes)
            return TokenPair(access_token, issue_time + ttl, refresh_token)

        return make
