"""How answers look over HTTP: JSON, and errors in the form of the API's documented ones.

Errors say what the client can do about it. Causes are logged and never sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from math import ceil

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from authsvc.domain.errors import Retriable

log = structlog.get_logger()


def json_body(value: Mapping[str, object]) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


async def on_http_exception(_request: Request, error: Exception) -> Response:
    """Answer what has no route, or not for this method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for nothing else
    status = HTTPStatus(error.status_code)
    message = {
        HTTPStatus.NOT_FOUND: "There is nothing at this path",
        HTTPStatus.METHOD_NOT_ALLOWED: "This path does not take the method",
    }.get(status, status.phrase)
    return _answer(status, message, error.headers)


async def on_retriable(request: Request, error: Exception) -> Response:
    """Answer what may go well a little later."""
    log.warning("request failed", path=request.url.path, error=type(error).__name__)
    delay = ceil(Retriable.retry_delay.total_seconds())
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return _answer(status, "The service cannot tell right now", {"Retry-After": f"{delay}"})


async def on_fault(_request: Request, _error: Exception) -> Response:
    """Answer what failed by a fault of ours, which is logged elsewhere."""
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, "The service failed", None)


def _answer(status: HTTPStatus, message: str, headers: Mapping[str, str] | None) -> Response:
    body = json_body({"error": status.name, "message": message, "code": status.value})
    return Response(
        body,
        status_code=status,
        headers={**(headers or {}), "Cache-Control": "no-store"},
        media_type="application/json",
    )
