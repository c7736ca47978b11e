"""The gRPC server: its options, its port, and its orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor

from authsvc.listening import AddressInUse
from authsvc.rpc import health as health_module
from authsvc.rpc.calls import Calls
from authsvc.rpc.health import Health
from authsvc.rpc.reflection import add_reflection

ADDRESS_SETTING: Final = "AUTHSVC_LISTEN_ADDRESS"
"""What names the address, for errors."""

CHANNEL_OPTIONS: Final = (
    # Connections end after a while, so that replicas that came later get their share; streams
    # have a minute to resume elsewhere.
    ("grpc.max_connection_age_ms", 30 * 60_000),
    ("grpc.max_connection_age_grace_ms", 60_000),
    # A peer that is gone without a word is noticed within a minute or so.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tls:
    """The server's certificate."""

    certificate_chain: bytes
    private_key: bytes = field(repr=False)


def open_server(
    address: str,
    *,
    tls: Tls | None,
    calls: Calls,
    services: Mapping[ServiceDescriptor, object],
    health: Health,
    reflection: bool,
    shares_port: bool = False,
) -> tuple[grpc.aio.Server, str]:
    """Make a server and take its port; it does not answer yet.

    Args:
        address: `host:port`; port 0 takes a free one.
        tls: None for plaintext.
        calls: The path of every call.
        services: Each service with its servicer.
        health: The health to serve.
        reflection: Whether to serve reflection.
        shares_port: Whether other processes of this service listen on the same port. Where they
            do not, a second server on the port must not start: it would take half the calls.

    Returns:
        The server, and the address with its actual port.

    Raises:
        AddressInUse: The address cannot be listened on.
    """
    options = (*CHANNEL_OPTIONS, ("grpc.so_reuseport", int(shares_port)))
    server = grpc.aio.server(options=options)
    for service, servicer in services.items():
        calls.add_service(server, service, servicer)
    health.add_to(server)
    if reflection:
        names = [service.full_name for service in services]
        add_reflection(server, [*names, health_module.SERVICE_NAME])
    try:
        if tls is None:
            port = server.add_insecure_port(address)
        else:
            credentials = grpc.ssl_server_credentials([(tls.private_key, tls.certificate_chain)])
            port = server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise AddressInUse(address, ADDRESS_SETTING) from error
    return server, f"{address.rpartition(':')[0]}:{port}"


async def serve_until(
    stop: asyncio.Event,
    server: grpc.aio.Server,
    health: Health,
    grace: timedelta,
    *,
    notice: timedelta,
    on_drain: Callable[[], None],
) -> None:
    """Keep a started server up until told to stop, then drain it.

    Args:
        stop: Ends it when set.
        server: The server.
        health: Its health.
        grace: How long running calls may take to finish.
        notice: How long calls are still taken when health has turned NOT_SERVING.
        on_drain: Called when none are taken any more, to end what has no end of its own.

    Health turns NOT_SERVING. After the notice no new call is taken, streams without an end of
    their own are ended, and running calls have until the end of the grace period.
    """
    probing = asyncio.create_task(health.keep_probing())
    try:
        await stop.wait()
        log.info("draining", grace_seconds=grace.total_seconds())
    finally:
        probing.cancel()
        # gRPC cancels what arrives while it stops: whoever watches health should be gone by then.
        await health.say_goodbye(notice)
        on_drain()
        await server.stop(grace.total_seconds())
