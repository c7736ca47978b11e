"""The composition root: joins the parts that `authsvc.composition` builds, and serves them."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

import structlog

from authsvc.composition.health import build_health
from authsvc.composition.http import serving_http_of
from authsvc.composition.judging import Judging, build_judging, outage_max_staleness
from authsvc.composition.keys import key_issuer
from authsvc.composition.passwords import password_hasher
from authsvc.composition.rate_limits import opened_rate_limits
from authsvc.composition.services import AUTH_SERVICE, Services, build_services
from authsvc.composition.sessions import tidying
from authsvc.composition.signing import Signing, build_signing, current_signer
from authsvc.composition.tls import server_tls
from authsvc.composition.upkeep import keep_maintained, whole_upkeep
from authsvc.composition.usage import usage_counter
from authsvc.config import Settings
from authsvc.domain import ids
from authsvc.domain.clock import TimeLimit
from authsvc.passwords.argon2_hasher import Argon2Hasher
from authsvc.postgres.accounts import PostgresAccounts
from authsvc.postgres.audit import PostgresAuditLog
from authsvc.postgres.database import Database
from authsvc.postgres.keys import PostgresKeys
from authsvc.postgres.schema import require_current_schema
from authsvc.postgres.users import PostgresUsers
from authsvc.rate_limits.opening import RateLimits
from authsvc.rpc.calls import Calls
from authsvc.rpc.health import Health
from authsvc.rpc.server import open_server, serve_until
from authsvc.tokens.signer import AccessTokenSigner
from authsvc.usecases.audit_denials import AuditDenials
from authsvc.usecases.authenticate_caller import AuthenticateCaller
from authsvc.usecases.bootstrap import Bootstrap
from authsvc.usecases.issue_key import IssueKey
from authsvc.usecases.usage import UsageCounter
from authsvc.version import VERSION

_BACKGROUND_SECONDS: Final = 10.0
_UPKEEP_SECONDS: Final = 60.0

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
    audit_log: PostgresAuditLog
    signing: Signing
    rate_limits: RateLimits
    usage: UsageCounter
    judging: Judging
    issue_key: IssueKey
    bootstrap: Bootstrap


@asynccontextmanager
async def open_parts(settings: Settings) -> AsyncIterator[Parts]:
    """Build the parts on an open pool, and close the pool at the end.

    Raises:
        DatabaseUnavailable: The database cannot be reached.
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
        opened_rate_limits(settings) as rate_limits,
    ):
        hasher = password_hasher(settings)
        try:
            yield _build(settings, database, rate_limits, hasher)
        finally:
            hasher.close()


def _build(
    settings: Settings, database: Database, rate_limits: RateLimits, hasher: Argon2Hasher
) -> Parts:
    accounts = PostgresAccounts(database)
    signing = build_signing(
        settings, database, outage_max_age=outage_max_staleness(settings), clock=utc_now
    )
    usage = usage_counter(database, clock=utc_now)
    issue_key = key_issuer(database, clock=utc_now)
    return Parts(
        settings=settings,
        database=database,
        accounts=accounts,
        users=PostgresUsers(database),
        hasher=hasher,
        keys=PostgresKeys(database),
        audit_log=PostgresAuditLog(database),
        signing=signing,
        rate_limits=rate_limits,
        usage=usage,
        judging=build_judging(
            settings,
            database,
            keyring=signing.keyring,
            usage=usage,
            rate_limits=rate_limits,
            clock=utc_now,
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
    server_tls(settings)
    async with open_parts(settings) as parts:
        await parts.signing.keyring.check_seals(time_limit())


async def token_signer(parts: Parts) -> AccessTokenSigner:
    """Return a signer with the key that signs now. Ask for each token: the next may be another.

    Raises:
        SigningKeyMissing: There is none.
    """
    return await current_signer(parts.settings, parts.signing.keyring).get_signer(time_limit())


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
    services = build_services(
        parts.settings,
        parts.database,
        judging=parts.judging,
        signing=parts.signing,
        issue_key=parts.issue_key,
        hasher=parts.hasher,
        clock=utc_now,
    )
    health = build_health(parts.database, parts.judging, services, time_limit)
    # HTTP first and last: its port is free before calls are taken, and the keys outlast them.
    async with serving_http_of(
        parts.settings,
        get_jwks=parts.signing.get_jwks,
        readiness=partial(health.readiness, AUTH_SERVICE.full_name),
        new_deadline=time_limit,
        shares_port=shares_port,
    ) as http_address:
        await _serve_grpc(
            parts,
            stop,
            http_address,
            on_ready,
            services=services,
            health=health,
            shares_port=shares_port,
        )
    log.info("stopped")


async def _serve_grpc(
    parts: Parts,
    stop: asyncio.Event,
    http_address: str,
    on_ready: Callable[[Addresses], None] | None,
    *,
    services: Services,
    health: Health,
    shares_port: bool,
) -> None:
    settings = parts.settings
    await parts.signing.keyring.check_seals(time_limit())
    audit_denials = AuditDenials(store=parts.audit_log, monotonic=time.monotonic)
    calls = Calls(
        authenticate=AuthenticateCaller(parts.judging.judge, onlooker=parts.judging.onlooker),
        audit_denials=audit_denials,
        work_limit_seconds=settings.database_timeout,
        monotonic=time.monotonic,
    )
    server, address = open_server(
        settings.listen_address,
        tls=server_tls(settings),
        calls=calls,
        services=services,
        health=health,
        reflection=settings.reflection,
        shares_port=shares_port,
    )
    await health.probe_once()
    background = _background(parts)
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
    notice = timedelta(seconds=settings.shutdown_notice)
    grace = timedelta(seconds=settings.shutdown_grace)
    try:
        await serve_until(
            stop, server, health, grace, notice=notice, on_drain=parts.judging.feed.stop
        )
    finally:
        # One limit for all of it: whoever stops the process waits only so long (operations.md).
        last_deadline = time_limit()
        for task in background:
            task.cancel()
        await asyncio.wait(background, timeout=last_deadline.remaining())
        await audit_denials.finish(last_deadline)
        await parts.usage.finish(last_deadline)


async def maintain_once(parts: Parts) -> dict[str, bool]:
    """Do all upkeep of the database, and tell of each part whether it was done."""
    upkeep = whole_upkeep(parts.settings, parts.database, parts.audit_log, clock=utc_now)
    return await upkeep.run_once(partial(time_limit, _UPKEEP_SECONDS))


def _background(parts: Parts) -> list[asyncio.Task[None]]:
    """Begin what goes on beside the calls, until cancelled."""
    upkeep = keep_maintained(parts.settings, parts.database, parts.audit_log)
    return [
        asyncio.create_task(parts.judging.follower.run()),
        asyncio.create_task(parts.signing.keyring.keep_fresh(time_limit)),
        asyncio.create_task(parts.signing.keep_rotating.run(time_limit)),
        asyncio.create_task(parts.judging.tokens.keep_fresh()),
        asyncio.create_task(
            parts.usage.keep_flushing(parts.settings.usage_flush_interval, time_limit)
        ),
        asyncio.create_task(upkeep.run(partial(time_limit, _UPKEEP_SECONDS))),
        tidying(parts.database, clock=utc_now, new_deadline=time_limit),
    ]
