"""`/.well-known/jwks.json`: the public keys of access tokens (RFC 7517 section 5)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from authsvc.domain.clock import Deadline
from authsvc.domain.json_web_keys import JWKS_MAX_AGE
from authsvc.http.responses import json_body
from authsvc.usecases.get_jwks import GetJwks

PATH: Final = "/.well-known/jwks.json"

_HEADERS: Final = MappingProxyType(
    {
        "Cache-Control": f"public, max-age={JWKS_MAX_AGE.total_seconds():.0f}",
        "Access-Control-Expose-Headers": "ETag",
    }
)
_PREFLIGHT_HEADERS: Final = MappingProxyType(
    {
        "Access-Control-Allow-Methods": "GET, HEAD",
        "Access-Control-Allow-Headers": "If-None-Match, Cache-Control",
        "Access-Control-Max-Age": "86400",
    }
)


def public_keys_route(get_jwks: GetJwks, new_deadline: Callable[[], Deadline]) -> Route:
    """Return the route that serves the public keys.

    Args:
        get_jwks: The use case.
        new_deadline: Limits the work of one request.
    """

    async def public_keys(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=dict(_PREFLIGHT_HEADERS))
        keys = await get_jwks(new_deadline())
        body = json_body({"keys": [key.members() for key in keys]})
        # Of the content alone, so that all replicas give the same one.
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {**_HEADERS, "ETag": etag}
        if _matches(request.headers, etag):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/jwk-set+json")

    return Route(PATH, public_keys, methods=["GET", "HEAD", "OPTIONS"])


def _matches(headers: Headers, etag: str) -> bool:
    """Tell whether the client has this content already (RFC 9110 section 13.1.2)."""
    tags = [tag.strip() for line in headers.getlist("if-none-match") for tag in line.split(",")]
    return "*" in tags or etag in {tag.removeprefix("W/") for tag in tags}
