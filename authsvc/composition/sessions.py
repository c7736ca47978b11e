"""Sessions of the dashboard: built here, joined with the rest in `authsvc.app`."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from authsvc.composition.background import Work
from authsvc.composition.login_limits import limit_logins
from authsvc.composition.signing import Signing, current_signer, encryption_keys, page_tokens
from authsvc.config import Settings
from authsvc.domain import ids
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.sessions import SessionLifetimes
from authsvc.domain.tallies import Tally
from authsvc.postgres.accounts import PostgresAccounts
from authsvc.postgres.database import Database
from authsvc.postgres.session_housekeeping import PostgresSessionHousekeeping
from authsvc.postgres.session_tokens import PostgresSessionTokens
from authsvc.postgres.sessions import PostgresSessions
from authsvc.postgres.users import PostgresUsers
from authsvc.rpc.session_servicer import SessionServicer
from authsvc.tokens.pair_sealing import TokenPairSealer
from authsvc.usecases.create_session import CreateSession
from authsvc.usecases.limit_refreshes import LimitRefreshes, RefreshBounds
from authsvc.usecases.list_sessions import ListSessions
from authsvc.usecases.passwords import PasswordHasher
from authsvc.usecases.refresh_session import RefreshSession
from authsvc.usecases.revoke_session import RevokeAllSessions, RevokeSession
from authsvc.usecases.session_tokens import SessionTokens
from authsvc.usecases.tidy_sessions import keep_tidy
from authsvc.usecases.verify_password import VerifyPassword


def session_servicer(
    settings: Settings,
    database: Database,
    signing: Signing,
    *,
    hasher: PasswordHasher,
    refresh_repeats: Tally,
    refused_guesses: Tally,
    clock: Clock,
) -> SessionServicer:
    """Build what serves sessions and the keys of their tokens over gRPC."""
    encryption_key, previous = encryption_keys(settings)
    users, accounts = PostgresUsers(database), PostgresAccounts(database)
    sessions, session_tokens = PostgresSessions(database), PostgresSessionTokens(database)
    lifetimes = SessionLifetimes(
        idle=timedelta(seconds=settings.session_idle_lifetime),
        absolute=timedelta(seconds=settings.session_lifetime),
        access_token=timedelta(seconds=settings.access_token_ttl),
    )
    tokens = SessionTokens(
        keys=current_signer(settings, signing.keyring),
        lifetimes=lifetimes,
        new_id=ids.new_id,
        random_bytes=os.urandom,
    )
    return SessionServicer(
        get_jwks=signing.get_jwks,
        rotate_signing_key=signing.rotate_signing_key,
        create_session=CreateSession(
            limit_logins=limit_logins(settings, database, clock=clock),
            verify_password=VerifyPassword(store=users, hasher=hasher),
            accounts=accounts,
            store=session_tokens,
            tokens=tokens,
            lifetimes=lifetimes,
            clock=clock,
            new_id=ids.new_id,
        ),
        refresh_session=RefreshSession(
            refresh_tokens=session_tokens,
            sessions=sessions,
            tokens=tokens,
            sealer=TokenPairSealer(encryption_key, previous, os.urandom),
            limit_refreshes=LimitRefreshes(
                tokens=session_tokens,
                bounds=_refresh_bounds(settings),
                refused_guesses=refused_guesses,
                monotonic=time.monotonic,
            ),
            lifetimes=lifetimes,
            reuse_window=timedelta(seconds=settings.refresh_reuse_window),
            clock=clock,
            repeats=refresh_repeats,
        ),
        revoke_session=RevokeSession(store=sessions, clock=clock),
        revoke_all_sessions=RevokeAllSessions(users=users, store=sessions, clock=clock),
        list_sessions=ListSessions(
            users=users, sessions=sessions, page_tokens=page_tokens(settings), clock=clock
        ),
        clock=clock,
    )


def _refresh_bounds(settings: Settings) -> RefreshBounds:
    return RefreshBounds(
        lookups=settings.max_lookups,
        # The other half of the connections is left to those who do not guess.
        guessed_lookups=max(1, settings.database_pool_size // 2),
        failures_per_minute=settings.failures_per_minute,
        refreshes_per_minute=settings.refreshes_per_minute,
    )


def tidying(database: Database, *, clock: Clock, new_deadline: Callable[[], Deadline]) -> Work:
    """Return what deletes what sessions leave behind, until cancelled."""
    housekeeping = PostgresSessionHousekeeping(database)
    return partial(
        keep_tidy,
        housekeeping,
        clock,
        new_deadline,
        monotonic=time.monotonic,
        jitter=random.random,
    )
