"""The gRPC server: its options, its port, and its orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor

from authsvc.domain.errors import AuthsvcError
from authsvc.listening import AddressInUse
from authsvc.rpc import health as health_module
from authsvc.rpc.calls import Calls
from authsvc.rpc.channel_limits import ChannelLimits
from authsvc.rpc.health import Health
from authsvc.rpc.reflection import add_reflection
from authsvc.rpc.stray_calls import stray_safe_server

log = structlog.get_logger()


class Port(NamedTuple):
    """A port to serve on."""

    address: str
    """`host:port`; port 0 takes a free one."""
    tls: grpc.ServerCredentials | None
    """What the server proves itself by there; None for plaintext."""
    setting: str
    """What names the address, for errors."""


def open_server(
    ports: Sequence[Port],
    *,
    calls: Calls,
    services: Mapping[ServiceDescriptor, object],
    health: Health,
    reflection: bool,
    limits: ChannelLimits,
    shares_port: bool = False,
) -> tuple[grpc.aio.Server, list[str]]:
    """Make a server and take its ports; it does not answer yet.

    Args:
        ports: Where it serves the same, to whom each lets in.
        calls: The path of every call.
        services: Each service with its servicer.
        health: The health to serve.
        reflection: Whether to serve reflection.
        limits: What a connection may ask, and how long calls may wait to be taken up.
        shares_port: Whether other processes of this service listen on the same ports. Where they
            do not, a second server on a port must not start: it would take half the calls.

    Returns:
        The server, and the addresses with their actual ports.

    Raises:
        AddressInUse: An address cannot be listened on.
    """
    options = (*limits.as_options(), ("grpc.so_reuseport", int(shares_port)))
    server = stray_safe_server(options)
    for service, servicer in services.items():
        calls.add_service(server, service, servicer)
    health.add_to(server)
    if reflection:
        names = [service.full_name for service in services]
        add_reflection(server, [*names, health_module.SERVICE_NAME])
    return server, [_take(port, server) for port in ports]


def _take(port: Port, server: grpc.aio.Server) -> str:
    """Take a port, and return the address with its actual number."""
    address = port.address
    try:
        if port.tls is None:
            number = server.add_insecure_port(address)
        else:
            number = server.add_secure_port(address, port.tls)
    except RuntimeError as error:
        raise AddressInUse(address, port.setting) from error
    return f"{address.rpartition(':')[0]}:{number}"


class GrpcServerEnded(AuthsvcError):
    """The gRPC server ended without having been told to."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("the gRPC server ended by itself; this process serves nobody any more")


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

    Raises:
        GrpcServerEnded: It ended by itself. Whoever runs this process is to start it anew.

    Health turns NOT_SERVING. After the notice no new call is taken, streams without an end of
    their own are ended, and running calls have until the end of the grace period.
    """
    probing = asyncio.create_task(health.keep_probing())
    stopped = asyncio.create_task(stop.wait())
    # Never cancelled: that would cancel the end of the server itself.
    ended = asyncio.create_task(server.wait_for_termination())
    try:
        await asyncio.wait((stopped, ended), return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            raise GrpcServerEnded from ended.exception()
        log.info("draining", grace_seconds=grace.total_seconds())
    finally:
        probing.cancel()
        stopped.cancel()
        # gRPC cancels what arrives while it stops: whoever watches health should be gone by then.
        await health.say_goodbye(notice)
        on_drain()
        await server.stop(grace.total_seconds())
