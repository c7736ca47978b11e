"""CreateSession: a person logs in by email address and password."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from authsvc.domain import ids
from authsvc.domain.accounts import Account, AccountState
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.emails import MAX_EMAIL_LENGTH
from authsvc.domain.errors import LoginRefused, Retriable
from authsvc.domain.login_limits import CountedAttempt
from authsvc.domain.origin import ActorKind, Origin
from authsvc.domain.passwords import Password
from authsvc.domain.refresh_tokens import GrantedSession
from authsvc.domain.sessions import MAX_USER_AGENT_LENGTH, Session, SessionLifetimes
from authsvc.domain.users import User
from authsvc.usecases.call import OpenCall
from authsvc.usecases.limit_logins import LimitLogins
from authsvc.usecases.managed_keys import Accounts
from authsvc.usecases.session_tokens import SessionTokens
from authsvc.usecases.verify_password import VerifyPassword


@dataclass(frozen=True, slots=True)
class CreateSessionCommand:
    """What a person logs in with."""

    email: str = field(repr=False)
    password: Password
    client_address: str = ""
    """From where, as the caller tells; may be empty."""
    user_agent: str = ""


class SessionStore(Protocol):
    """Where sessions begin."""

    async def insert_session(
        self,
        session: Session,
        refresh_digest: bytes,
        *,
        user: User,
        counted: CountedAttempt,
        origin: Origin,
        deadline: Deadline,
    ) -> bool:
        """Keep a new session, and take back the attempt that was counted as a failure.

        Args:
            session: The session.
            refresh_digest: The digest of its first refresh token.
            user: The user as it was when the password was compared.
            counted: The attempt.
            origin: What the audit log is told.
            deadline: How long it may take.

        Returns:
            False when the user got another password since, or it or its account was disabled.

        Raises:
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        ...


class CreateSession:
    """Logs people in."""

    def __init__(
        self,
        *,
        limit_logins: LimitLogins,
        verify_password: VerifyPassword,
        accounts: Accounts,
        store: SessionStore,
        tokens: SessionTokens,
        lifetimes: SessionLifetimes,
        clock: Clock,
        new_id: Callable[[str], str],
    ) -> None:
        """Take what checks the log-in, what keeps the session, and the sources of time and ids."""
        self._limit_logins = limit_logins
        self._verify_password = verify_password
        self._accounts = accounts
        self._store = store
        self._tokens = tokens
        self._lifetimes = lifetimes
        self._clock = clock
        self._new_id = new_id

    async def __call__(self, command: CreateSessionCommand, call: OpenCall) -> GrantedSession:
        """Begin a session.

        Raises:
            InvalidRequest: The command breaks bounds.
            CallerCredentialInvalid: The call claims an address with a credential that is refused.
            LoginRefused: Address and password open nothing; why is not told.
            TooManyFailedLogins: Attempts before this one failed; it was not looked at.
            TooManyLogins: Too many passwords are being compared already.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        _check(command)
        address = await call.client_address(command.client_address)
        counted = await self._limit_logins.begin(command.email, address, call.deadline)
        try:
            granted = await self._begin(command, address, counted, call)
        except Retriable:
            await self._limit_logins.take_back(counted, call.deadline_from_now())
            raise
        if granted is None:
            raise LoginRefused
        return granted

    async def _begin(
        self, command: CreateSessionCommand, address: str, counted: CountedAttempt, call: OpenCall
    ) -> GrantedSession | None:
        """Begin a session, or return None when address and password open nothing."""
        user = await self._verified_user(command, call)
        make_tokens = await self._tokens.ready(call.deadline_from_now())
        if user is None:
            return None
        now = self._clock()
        session = self._session(user, address, command.user_agent, now)
        tokens = make_tokens(session, user.role, now)
        is_kept = await self._store.insert_session(
            session,
            tokens.refresh_token.digest(),
            user=user,
            counted=counted,
            origin=_acting(user, call.origin),
            deadline=call.deadline_from_now(),
        )
        return GrantedSession(session, tokens) if is_kept else None

    async def _verified_user(self, command: CreateSessionCommand, call: OpenCall) -> User | None:
        user = await self._verify_password(command.email, command.password, call.deadline)
        # Asked for nobody's account too: all refusals are to take the same work.
        account_id = "" if user is None else user.account_id
        account = await self._accounts.find_account(account_id, call.deadline_from_now())
        return user if user is not None and _may_log_in(user, account) else None

    def _session(self, user: User, address: str, user_agent: str, now: datetime) -> Session:
        lifetimes = self._lifetimes
        expire_time = now + lifetimes.absolute
        return Session(
            session_id=self._new_id(ids.SESSION),
            user_id=user.user_id,
            account_id=user.account_id,
            # Postgres has no NUL in a text.
            user_agent=user_agent.replace("\0", "")[:MAX_USER_AGENT_LENGTH],
            address=address,
            last_seen_address=address,
            create_time=now,
            last_seen_time=now,
            idle_expire_time=min(now + lifetimes.idle, expire_time),
            expire_time=expire_time,
        )


def _check(command: CreateSessionCommand) -> None:
    violations = Violations()
    if not command.email:
        violations.add("email", "is required")
    elif len(command.email) > MAX_EMAIL_LENGTH:
        violations.add("email", f"has at most {MAX_EMAIL_LENGTH} characters")
    if not command.password:
        violations.add("password", "is required")
    violations.check_address("context.client_ip", command.client_address)
    violations.raise_if_any()


def _may_log_in(user: User, account: Account | None) -> bool:
    return not user.disabled and account is not None and account.state is AccountState.ACTIVE


def _acting(user: User, origin: Origin) -> Origin:
    """Return the origin with the person in it: who logs in has just proved who they are."""
    return replace(
        origin,
        actor_kind=ActorKind.USER,
        actor_id=user.user_id,
        actor_account_id=user.account_id,
    )
