"""The composition root: the one place that builds the parts and joins them."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import structlog
from google.protobuf.descriptor import ServiceDescriptor

from authsvc.composition.foreign_issuers import TokenReaders, build_token_readers
from authsvc.composition.http import serving_http_of
from authsvc.composition.sessions import session_servicer, tidying
from authsvc.composition.signing import Signing, answer_sealers, build_signing, page_tokens
from authsvc.config import InvalidSettings, Settings
from authsvc.config_values import OutagePolicy
from authsvc.domain import ids
from authsvc.domain.access_tokens import TokenRules
from authsvc.domain.clock import TimeLimit
from authsvc.passwords.argon2_hasher import Argon2Cost, Argon2Hasher
from authsvc.passwords.common import is_common_password
from authsvc.postgres.accounts import PostgresAccounts
from authsvc.postgres.answered_requests import PostgresAnswers
from authsvc.postgres.audit import PostgresAuditLog
from authsvc.postgres.changes import PostgresChangeLog
from authsvc.postgres.database import Database
from authsvc.postgres.follower import ChangeFollower
from authsvc.postgres.key_import import PostgresKeyImport
from authsvc.postgres.key_revocation import PostgresKeyRevocation
from authsvc.postgres.key_rotation import PostgresKeyRotation
from authsvc.postgres.keys import PostgresKeys
from authsvc.postgres.managed_keys import PostgresManagedKeys
from authsvc.postgres.recorded_usage import PostgresRecordedUsage
from authsvc.postgres.schema import require_current_schema
from authsvc.postgres.sessions import PostgresSessions
from authsvc.postgres.usage import PostgresUsage
from authsvc.postgres.users import PostgresUsers
from authsvc.rate_limits.opening import RateLimits, open_rate_limits
from authsvc.rpc.account_servicer import AccountServicer
from authsvc.rpc.audit_servicer import AuditServicer
from authsvc.rpc.auth_servicer import AuthServicer
from authsvc.rpc.calls import Calls
from authsvc.rpc.health import Health
from authsvc.rpc.server import Tls, open_server, serve_until
from authsvc.tokens.current_signer import CurrentSigner
from authsvc.tokens.signer import AccessTokenSigner
from authsvc.tokens.token_findings import AccessTokenExaminer
from authsvc.tokens.verifier import AccessTokenVerifier
from authsvc.usecases.accounts import CreateAccount, GetAccount, ListAccounts
from authsvc.usecases.answered_requests import AnsweredRequests
from authsvc.usecases.audit_denials import AuditDenials
from authsvc.usecases.authenticate_caller import AuthenticateCaller
from authsvc.usecases.bootstrap import Bootstrap
from authsvc.usecases.create_key import CreateKey
from authsvc.usecases.create_user import CreateUser
from authsvc.usecases.explain_credential import ExplainCredential, Uncounted
from authsvc.usecases.failure_limit import FailureLimit
from authsvc.usecases.followed_log import FollowedLog
from authsvc.usecases.fresh_lookup import LookupBounds
from authsvc.usecases.fresh_records import FreshRecords
from authsvc.usecases.get_key import GetKey
from authsvc.usecases.get_usage import GetAccountUsage, GetKeyUsage
from authsvc.usecases.import_keys import ImportKeys
from authsvc.usecases.issue_key import IssueKey
from authsvc.usecases.judge_batch import JudgeBatch
from authsvc.usecases.judge_credential import JudgeCredential
from authsvc.usecases.list_audit_events import ListAuditEvents
from authsvc.usecases.list_keys import ListKeys
from authsvc.usecases.list_users import GetUser, ListUsers
from authsvc.usecases.maintain_audit import keep_maintained
from authsvc.usecases.rate_limits import OnlyRead, Unlimited
from authsvc.usecases.report_leaked_key import ReportLeakedKey
from authsvc.usecases.revoke_key import RevokeKey
from authsvc.usecases.revoke_keys import RevokeKeys
from authsvc.usecases.rotate_key import RotateKey
from authsvc.usecases.set_user_password import SetUserPassword
from authsvc.usecases.update_account import UpdateAccount
from authsvc.usecases.update_key import UpdateKey
from authsvc.usecases.update_user import UpdateUser
from authsvc.usecases.usage import UsageCounter
from authsvc.usecases.usage_maintenance import MaintainUsage
from authsvc.usecases.validate_credential import BatchValidateCredentials, ValidateCredential
from authsvc.usecases.watch_revocations import RevocationFeed, WatchRevocations
from authsvc.version import VERSION
from orchestrator.auth.v1 import (
    account_service_pb2,
    audit_service_pb2,
    auth_service_pb2,
    session_service_pb2,
)

_PROBE_SECONDS: Final = 1.0
_BACKGROUND_SECONDS: Final = 10.0

_AUTH_SERVICE: Final = auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"]
_ACCOUNT_SERVICE: Final = account_service_pb2.DESCRIPTOR.services_by_name["AccountService"]
_AUDIT_SERVICE: Final = audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"]
_SESSION_SERVICE: Final = session_service_pb2.DESCRIPTOR.services_by_name["SessionService"]

log = structlog.get_logger()


def utc_now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)


def time_limit(seconds: float = _BACKGROUND_SECONDS) -> TimeLimit:
    """Return a limit for work that no call waits for."""
    return TimeLimit(seconds, time.monotonic)


@dataclass(frozen=True, slots=True)
class Parts:
    """What stands between the wire and the database."""

    settings: Settings
    database: Database
    accounts: PostgresAccounts
    users: PostgresUsers
    hasher: Argon2Hasher
    keys: PostgresKeys
    managed_keys: PostgresManagedKeys
    audit_log: PostgresAuditLog
    signing: Signing
    failures: FailureLimit
    tokens: TokenReaders
    judge: JudgeCredential
    judge_batch: JudgeBatch
    onlooker: JudgeCredential
    """Judges as `judge` does, counting no use and taking nothing from a limit."""
    explain_credential: ExplainCredential
    rate_limits: RateLimits
    usage: UsageCounter
    recorded_usage: PostgresRecordedUsage
    log: FollowedLog
    feed: RevocationFeed
    follower: ChangeFollower
    issue_key: IssueKey
    bootstrap: Bootstrap


@asynccontextmanager
async def open_parts(settings: Settings) -> AsyncIterator[Parts]:
    """Build the parts on an open pool, and close the pool at the end.

    Raises:
        DatabaseUnavailable: The database cannot be reached.
        InvalidSettings: The file of other issuers is no good.
        SchemaOutdated: Its schema is older than this version needs.
    """
    url = settings.database_url.get_secret_value()
    await require_current_schema(url)
    async with (
        Database.open(
            url,
            pool_size=settings.database_pool_size,
            statement_timeout=timedelta(seconds=settings.database_timeout),
        ) as database,
        open_rate_limits(
            _rate_limit_store(settings),
            patience=timedelta(seconds=settings.rate_limit_store_timeout),
            capacity=settings.cache_records,
            monotonic=time.monotonic,
        ) as rate_limits,
    ):
        hasher = _hasher(settings)
        try:
            yield _build(settings, database, rate_limits, hasher)
        finally:
            hasher.close()


def _hasher(settings: Settings) -> Argon2Hasher:
    return Argon2Hasher(
        Argon2Cost(
            settings.password_time_cost,
            settings.password_memory_kib,
            settings.password_parallelism,
        ),
        threads=settings.password_threads,
        waiting=settings.password_queue,
        random_bytes=os.urandom,
    )


def _build(
    settings: Settings, database: Database, rate_limits: RateLimits, hasher: Argon2Hasher
) -> Parts:
    accounts, keys = PostgresAccounts(database), PostgresKeys(database)
    users, sessions = PostgresUsers(database), PostgresSessions(database)
    managed_keys = PostgresManagedKeys(database)
    signing = build_signing(
        settings,
        database,
        outage_max_age=_lookup_bounds(settings).outage_max_staleness,
        clock=utc_now,
    )
    rules = TokenRules(settings.token_issuer, settings.token_audience, settings.leeway)
    tokens = build_token_readers(
        settings,
        own_verifier=AccessTokenVerifier(
            keyring=signing.keyring,
            rules=rules,
            remembered=settings.cache_tokens,
            clock=utc_now,
        ),
        own_examiner=AccessTokenExaminer(keyring=signing.keyring, rules=rules, clock=utc_now),
        clock=utc_now,
    )
    followed_log = FollowedLog(
        max_staleness=timedelta(seconds=settings.max_staleness), monotonic=time.monotonic
    )
    records = FreshRecords(
        log=followed_log,
        keys=keys,
        accounts=accounts,
        users=users,
        sessions=sessions,
        bounds=_lookup_bounds(settings),
        clock=utc_now,
    )
    usage = UsageCounter(
        store=PostgresUsage(database), clock=utc_now, writer_id=secrets.token_hex(16)
    )
    failures = FailureLimit(
        failures_per_minute=settings.failures_per_minute, monotonic=time.monotonic
    )
    judge, explaining_judge, onlooker = (
        JudgeCredential(
            keys=records.keys,
            accounts=records.accounts,
            users=records.users,
            sessions=records.sessions,
            tokens=tokens.verifier,
            usage=counter,
            failures=failures,
            limits=limits,
            changes=PostgresChangeLog(database),
            clock=utc_now,
        )
        for counter, limits in (
            (usage, rate_limits),
            (Uncounted(), OnlyRead(rate_limits)),
            (Uncounted(), Unlimited()),
        )
    )
    feed = RevocationFeed(max_streams=settings.watch_streams, buffer=settings.watch_buffer)
    issue_key = IssueKey(store=keys, clock=utc_now, new_id=ids.new_id, random_bytes=os.urandom)
    return Parts(
        settings=settings,
        database=database,
        accounts=accounts,
        users=users,
        hasher=hasher,
        keys=keys,
        managed_keys=managed_keys,
        audit_log=PostgresAuditLog(database),
        signing=signing,
        tokens=tokens,
        failures=failures,
        judge=judge,
        judge_batch=JudgeBatch(
            judge=judge,
            keys=records.keys,
            accounts=records.accounts,
            users=records.users,
            sessions=records.sessions,
            tokens=tokens.verifier,
        ),
        onlooker=onlooker,
        explain_credential=ExplainCredential(
            judge=explaining_judge,
            keys=managed_keys,
            users=users,
            sessions=sessions,
            tokens=tokens.examiner,
            clock=utc_now,
        ),
        rate_limits=rate_limits,
        usage=usage,
        recorded_usage=PostgresRecordedUsage(database),
        log=followed_log,
        feed=feed,
        follower=ChangeFollower(
            settings.database_url.get_secret_value(),
            # Records first: the others speak of what they hold.
            [records, followed_log, feed],
            retention=timedelta(hours=settings.change_retention),
            clock=utc_now,
            monotonic=time.monotonic,
            jitter=random.random,
        ),
        issue_key=issue_key,
        bootstrap=Bootstrap(
            accounts=accounts,
            signing_keys=signing.rotation,
            issue_key=issue_key,
            clock=utc_now,
            new_id=ids.new_id,
        ),
    )


async def check_start(settings: Settings) -> None:
    """Find out whether a server could start, so that workers need not try in vain.

    Raises:
        AuthsvcError: As `serve` and `open_parts`.
        InvalidSettings: The TLS files are no certificate with its key.
    """
    _tls(settings)
    async with open_parts(settings) as parts:
        await parts.signing.keyring.check_seals(time_limit())


async def token_signer(parts: Parts) -> AccessTokenSigner:
    """Return a signer with the key that signs now. Ask for each token: the next may be another.

    Raises:
        SigningKeyMissing: There is none.
    """
    settings = parts.settings
    signer = CurrentSigner(
        keyring=parts.signing.keyring,
        issuer=settings.token_issuer,
        audience=settings.token_audience,
    )
    return await signer.get_signer(time_limit())


class Addresses(NamedTuple):
    """Where a server listens."""

    grpc: str
    http: str
    """Empty when HTTP is switched off."""


async def serve(
    parts: Parts,
    stop: asyncio.Event,
    on_ready: Callable[[Addresses], None] | None = None,
    *,
    shares_port: bool = False,
) -> None:
    """Serve until told to stop, then drain.

    Args:
        parts: What to serve.
        stop: Ends it when set.
        on_ready: Called with the addresses once calls are answered.
        shares_port: Whether other processes of this service listen on the same ports.

    Raises:
        AddressInUse: An address cannot be listened on.
        InvalidSettings: The TLS files are no certificate with its key.
        SealBroken: The keyring was sealed under an encryption key that is not configured.
        DatabaseUnavailable: The database went away during the start.
    """
    # HTTP first and last: its port is known to be free before calls are taken, and the public
    # keys are there while the last calls end.
    async with serving_http_of(
        parts.settings,
        get_jwks=parts.signing.get_jwks,
        new_deadline=time_limit,
        shares_port=shares_port,
    ) as http_address:
        await _serve_grpc(parts, stop, http_address, on_ready, shares_port=shares_port)
    log.info("stopped")


async def _serve_grpc(
    parts: Parts,
    stop: asyncio.Event,
    http_address: str,
    on_ready: Callable[[Addresses], None] | None,
    *,
    shares_port: bool,
) -> None:
    settings = parts.settings
    await parts.signing.keyring.check_seals(time_limit())
    services = _services(parts)
    health = Health(
        probe=lambda: parts.database.ping(time_limit(_PROBE_SECONDS)),
        service_names=[service.full_name for service in services],
        does_without={_AUTH_SERVICE.full_name: lambda: _can_serve_stale(parts)},
    )
    audit_denials = AuditDenials(store=parts.audit_log, monotonic=time.monotonic)
    calls = Calls(
        authenticate=AuthenticateCaller(parts.judge, onlooker=parts.onlooker),
        audit_denials=audit_denials,
        work_limit_seconds=settings.database_timeout,
        monotonic=time.monotonic,
    )
    server, address = open_server(
        settings.listen_address,
        tls=_tls(settings),
        calls=calls,
        services=services,
        health=health,
        reflection=settings.reflection,
        shares_port=shares_port,
    )
    await health.probe_once()
    background = [
        asyncio.create_task(parts.follower.run()),
        asyncio.create_task(parts.signing.keyring.keep_fresh(time_limit)),
        asyncio.create_task(parts.signing.keep_rotating.run(time_limit)),
        asyncio.create_task(parts.tokens.keep_fresh()),
        asyncio.create_task(parts.usage.keep_flushing(settings.usage_flush_interval, time_limit)),
        asyncio.create_task(keep_maintained(parts.audit_log, time_limit)),
        asyncio.create_task(_maintain_usage(parts).keep_up(time_limit)),
        tidying(parts.database, clock=utc_now, new_deadline=time_limit),
    ]
    await server.start()
    # What is there now stays for good: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    log.info(
        "serving",
        address=address,
        http_address=http_address or None,
        tls=settings.tls_key_file is not None,
        version=VERSION,
    )
    if on_ready is not None:
        on_ready(Addresses(address, http_address))
    grace = timedelta(seconds=settings.shutdown_grace)
    try:
        await serve_until(stop, server, health, grace, on_drain=parts.feed.stop)
    finally:
        for task in background:
            task.cancel()
        await asyncio.wait(background)
        await audit_denials.finish()
        await parts.usage.finish(time_limit())
    log.info("stopped")


def _maintain_usage(parts: Parts) -> MaintainUsage:
    return MaintainUsage(
        recorded=parts.recorded_usage,
        retention=timedelta(days=parts.settings.usage_retention),
        jitter=random.random,
    )


def _services(parts: Parts) -> dict[ServiceDescriptor, object]:
    """Build the servicer of each service."""
    settings, database = parts.settings, parts.database
    sealer, previous_sealer = answer_sealers(settings)
    answers = PostgresAnswers(database)
    answered = AnsweredRequests(
        store=answers,
        keys=parts.managed_keys,
        sealer=sealer,
        previous=previous_sealer,
        audit=parts.audit_log,
        window=timedelta(seconds=settings.request_id_window),
        clock=utc_now,
    )
    return {
        _AUTH_SERVICE: AuthServicer(
            validate_credential=ValidateCredential(parts.judge),
            batch_validate_credentials=BatchValidateCredentials(parts.judge_batch),
            watch_revocations=WatchRevocations(feed=parts.feed, log=PostgresChangeLog(database)),
            explain_credential=parts.explain_credential,
            get_key=GetKey(parts.managed_keys),
            list_keys=ListKeys(
                accounts=parts.accounts,
                keys=parts.managed_keys,
                page_tokens=page_tokens(settings),
                clock=utc_now,
            ),
            update_key=UpdateKey(store=parts.managed_keys, clock=utc_now),
            create_key=CreateKey(
                accounts=parts.accounts,
                issue_key=parts.issue_key,
                clock=utc_now,
                answered=answered,
                store=answers,
            ),
            rotate_key=RotateKey(
                keys=parts.managed_keys,
                store=PostgresKeyRotation(database),
                answered=answered,
                clock=utc_now,
                new_id=ids.new_id,
                random_bytes=os.urandom,
            ),
            revoke_key=RevokeKey(store=parts.keys, clock=utc_now),
            get_key_usage=GetKeyUsage(
                keys=parts.managed_keys, recorded=parts.recorded_usage, clock=utc_now
            ),
            get_account_usage=GetAccountUsage(
                accounts=parts.accounts, recorded=parts.recorded_usage, clock=utc_now
            ),
            import_keys=ImportKeys(
                accounts=parts.accounts,
                store=PostgresKeyImport(database),
                clock=utc_now,
                new_id=ids.new_id,
            ),
            revoke_keys=RevokeKeys(
                accounts=parts.accounts,
                store=PostgresKeyRevocation(database),
                audit=parts.audit_log,
                clock=utc_now,
            ),
            report_leaked_key=ReportLeakedKey(
                store=parts.keys,
                failures=parts.failures,
                reports_per_minute=settings.leak_reports_per_minute,
                clock=utc_now,
                monotonic=time.monotonic,
            ),
            clock=utc_now,
        ),
        _ACCOUNT_SERVICE: AccountServicer(
            create_account=CreateAccount(store=parts.accounts, clock=utc_now, new_id=ids.new_id),
            get_account=GetAccount(parts.accounts),
            list_accounts=ListAccounts(parts.accounts),
            update_account=UpdateAccount(parts.accounts),
            create_user=CreateUser(
                accounts=parts.accounts,
                store=parts.users,
                hasher=parts.hasher,
                is_common=is_common_password,
                clock=utc_now,
                new_id=ids.new_id,
            ),
            get_user=GetUser(parts.users),
            list_users=ListUsers(
                accounts=parts.accounts, users=parts.users, page_tokens=page_tokens(settings)
            ),
            update_user=UpdateUser(parts.users),
            set_user_password=SetUserPassword(
                accounts=parts.accounts,
                store=parts.users,
                hasher=parts.hasher,
                is_common=is_common_password,
                clock=utc_now,
            ),
        ),
        _AUDIT_SERVICE: AuditServicer(
            list_audit_events=ListAuditEvents(
                accounts=parts.accounts,
                log=parts.audit_log,
                page_tokens=page_tokens(settings),
            )
        ),
        _SESSION_SERVICE: session_servicer(
            settings, database, parts.signing, hasher=parts.hasher, clock=utc_now
        ),
    }


def _rate_limit_store(settings: Settings) -> str | None:
    url = settings.rate_limit_store
    return None if url is None else url.get_secret_value()


def _lookup_bounds(settings: Settings) -> LookupBounds:
    serve_stale = settings.outage_policy is OutagePolicy.SERVE_STALE
    return LookupBounds(
        records=settings.cache_records,
        absent=settings.cache_absent,
        reads=settings.max_lookups,
        outage_max_staleness=(
            timedelta(seconds=settings.outage_max_staleness) if serve_stale else None
        ),
    )


def _can_serve_stale(parts: Parts) -> bool:
    limit, age = _lookup_bounds(parts.settings).outage_max_staleness, parts.log.age()
    return limit is not None and age is not None and age <= limit.total_seconds()


def _tls(settings: Settings) -> Tls | None:
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        return None
    tls = Tls(
        certificate_chain=settings.tls_certificate_file.read_bytes(),
        private_key=settings.tls_key_file.read_bytes(),
    )
    try:
        # gRPC reports a bad pair as if the port were taken. The password: do not ask for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            settings.tls_certificate_file, settings.tls_key_file, password=""
        )
    except ssl.SSLError:
        problem = (
            "AUTHSVC_TLS_CERTIFICATE_FILE, AUTHSVC_TLS_KEY_FILE: must be a certificate chain in "
            "PEM and its private key, not encrypted"
        )
        raise InvalidSettings([problem]) from None
    return tls
