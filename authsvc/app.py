"""The composition root: joins the parts that `authsvc.composition` builds, and serves them."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import structlog

from authsvc.composition.calls import build_call_log, build_calls
from authsvc.composition.health import build_health
from authsvc.composition.http import serving_http_of
from authsvc.composition.metrics import Meter
from authsvc.composition.parts import Parts as Parts  # noqa: PLC0414 - who opens them names them
from authsvc.composition.parts import build_parts
from authsvc.composition.passwords import password_hasher
from authsvc.composition.rate_limits import opened_rate_limits
from authsvc.composition.services import AUTH_SERVICE, Services, build_services
from authsvc.composition.sessions import tidying
from authsvc.composition.signing import current_signer
from authsvc.composition.tls import grpc_ports, server_tls
from authsvc.composition.traces import opened_traces
from authsvc.composition.traffic import channel_limits, shedding
from authsvc.composition.upkeep import keep_maintained, whole_upkeep
from authsvc.config import Settings
from authsvc.domain.clock import TimeLimit
from authsvc.domain.last_steps import WRITING_SECONDS
from authsvc.domain.tallies import Tally
from authsvc.listening import Addresses
from authsvc.metrics.place import ALONE, Place
from authsvc.postgres.database import Database
from authsvc.postgres.schema import require_current_schema
from authsvc.rpc.health import Health
from authsvc.rpc.observation import CallObserver
from authsvc.rpc.server import open_server, serve_until
from authsvc.rpc.shedding import Shedding
from authsvc.rpc.tls import ServerTls
from authsvc.tokens.signer import AccessTokenSigner
from authsvc.usecases.audit_denials import AuditDenials
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


@asynccontextmanager
async def open_parts(settings: Settings) -> AsyncIterator[Parts]:
    """Build the parts on an open pool, and close the pool at the end.

    Raises:
        DatabaseUnavailable: The database cannot be reached.
        InvalidSettings: Traces are to be exported and cannot be.
        SchemaOutdated: Its schema is older than this version needs.
    """
    url = settings.database_url.get_secret_value()
    await require_current_schema(url)
    async with (
        opened_traces() as traces,
        Database.open(
            url,
            pool_size=settings.database_pool_size,
            statement_timeout=timedelta(seconds=settings.database_timeout),
            spans=traces.statements if traces else None,
        ) as database,
        opened_rate_limits(settings) as rate_limits,
    ):
        hasher = password_hasher(settings)
        try:
            yield build_parts(settings, database, rate_limits, hasher, traces, clock=utc_now)
        finally:
            hasher.close()


async def check_start(settings: Settings) -> None:
    """Find out whether a server could start, so that workers need not try in vain.

    Raises:
        AuthsvcError: As `serve` and `open_parts`.
        InvalidSettings: The TLS files are no certificate with its key.
    """
    server_tls(settings, clock=utc_now)
    async with open_parts(settings) as parts:
        await parts.signing.keyring.check_seals(time_limit())


async def token_signer(parts: Parts) -> AccessTokenSigner:
    """Return a signer with the key that signs now. Ask for each token: the next may be another.

    Raises:
        SigningKeyMissing: There is none.
    """
    return await current_signer(parts.settings, parts.signing.keyring).get_signer(time_limit())


async def serve(
    parts: Parts,
    stop: asyncio.Event,
    on_ready: Callable[[Addresses], None] | None = None,
    *,
    place: Place = ALONE,
) -> None:
    """Serve until told to stop, then drain.

    Args:
        parts: What to serve.
        stop: Ends it when set.
        on_ready: Called with the addresses once calls are answered.
        place: Which of several workers this is, who then listen on the same ports.

    Raises:
        AddressInUse: An address cannot be listened on.
        InvalidSettings: The TLS files are no certificate with its key.
        SealBroken: The keyring was sealed under an encryption key that is not configured.
        DatabaseUnavailable: The database went away during the start.
    """
    settings, refresh_repeats = parts.settings, Tally()
    services = build_services(
        settings,
        parts.database,
        judging=parts.judging,
        signing=parts.signing,
        issue_key=parts.issue_key,
        hasher=parts.hasher,
        refresh_repeats=refresh_repeats,
        clock=utc_now,
    )
    health = build_health(parts.database, parts.judging, services, time_limit)
    audit_denials = AuditDenials(store=parts.audit_log, monotonic=time.monotonic)
    bound, tls = shedding(settings), server_tls(settings, clock=utc_now)
    meter = Meter(
        parts,
        health=health,
        audit_denials=audit_denials,
        refresh_repeats=refresh_repeats,
        shedding=bound,
        expiry_times=dict if tls is None else tls.expiry_times,
        place=place,
    )
    # HTTP first and last: its port is free before calls are taken, and the keys outlast them.
    async with serving_http_of(
        settings,
        get_jwks=parts.signing.get_jwks,
        readiness=partial(health.readiness, AUTH_SERVICE.full_name),
        meter=meter,
        new_deadline=time_limit,
        shares_port=place.is_shared,
    ) as http_address:
        await _serve_grpc(
            parts,
            stop,
            http_address,
            on_ready,
            services=services,
            health=health,
            audit_denials=audit_denials,
            bound=bound,
            tls=tls,
            observe=meter.calls,
            shares_port=place.is_shared,
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
    audit_denials: AuditDenials,
    bound: Shedding,
    tls: ServerTls | None,
    observe: CallObserver,
    shares_port: bool,
) -> None:
    settings = parts.settings
    await parts.signing.keyring.check_seals(time_limit())
    call_log = build_call_log(settings)
    calls = build_calls(parts, audit_denials, bound, observers=[call_log, observe], clock=utc_now)
    server, (address, *mtls_address) = open_server(
        grpc_ports(settings, tls),
        calls=calls,
        services=services,
        health=health,
        reflection=settings.reflection,
        limits=channel_limits(settings),
        shares_port=shares_port,
    )
    await health.probe_once()
    background = _background(parts)
    if tls is not None:
        background.append(asyncio.create_task(tls.keep_fresh()))
    await server.start()
    # What is there now stays for good: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    addresses = Addresses(address, http_address, *mtls_address)
    log.info("serving", **addresses.logged(), tls=tls is not None, version=VERSION)
    if on_ready is not None:
        on_ready(addresses)
    notice = timedelta(seconds=settings.shutdown_notice)
    grace = timedelta(seconds=settings.shutdown_grace)
    try:
        await serve_until(
            stop, server, health, grace, notice=notice, on_drain=parts.judging.feed.stop
        )
    finally:
        # One limit for all of it: whoever stops the process waits only so long (operations.md).
        last_deadline = time_limit(WRITING_SECONDS)
        for task in background:
            task.cancel()
        await asyncio.wait(background, timeout=last_deadline.remaining())
        await audit_denials.finish(last_deadline)
        await parts.usage.finish(last_deadline)
        call_log.finish()


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
