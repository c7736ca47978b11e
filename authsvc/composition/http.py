"""HTTP beside gRPC: built here, served by `authsvc.app`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from authsvc.config import Settings
from authsvc.domain.clock import Deadline
from authsvc.domain.readiness import Readiness
from authsvc.http.application import http_application
from authsvc.http.probes import live_route, ready_route
from authsvc.http.public_keys import public_keys_route
from authsvc.http.server import serving_http
from authsvc.usecases.get_jwks import GetJwks


@asynccontextmanager
async def serving_http_of(
    settings: Settings,
    *,
    get_jwks: GetJwks,
    readiness: Callable[[], Readiness],
    new_deadline: Callable[[float], Deadline],
    shares_port: bool,
) -> AsyncIterator[str]:
    """Serve HTTP until the end of the block, if the settings say so.

    Returns:
        The address with its actual port; empty when HTTP is switched off.

    Raises:
        AddressInUse: The address cannot be listened on.
    """
    if not settings.serves_http:
        yield ""
        return
    limit = settings.database_timeout
    application = http_application(
        [
            public_keys_route(get_jwks, lambda: new_deadline(limit)),
            live_route(),
            ready_route(readiness),
        ]
    )
    async with serving_http(application, settings.http_address, shares_port=shares_port) as address:
        yield address
