"""`/livez` and `/readyz`: what Kubernetes and load balancers ask, in the form of Kubernetes' own.

They say no more than whoever can call the service finds out anyway, for the port may be public.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from authsvc.domain.readiness import Check, Readiness

LIVE_PATH: Final = "/livez"
READY_PATH: Final = "/readyz"


def live_route() -> Route:
    """Return the route that tells that the process and its event loop answer."""

    async def live(_request: Request) -> Response:
        return _answer(HTTPStatus.OK, "ok\n")

    return Route(LIVE_PATH, live, methods=["GET"])


def ready_route(readiness: Callable[[], Readiness]) -> Route:
    """Return the route that tells whether calls may be sent here, and if not, why.

    Args:
        readiness: Tells it without waiting: a probe must not hang on what it asks after.
    """

    async def ready(request: Request) -> Response:
        found = readiness()
        if found.ready and "verbose" not in request.query_params:
            return _answer(HTTPStatus.OK, "ok\n")
        lines = [*map(_line, found.checks), "ready" if found.ready else "not ready"]
        status = HTTPStatus.OK if found.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return _answer(status, "".join(f"{line}\n" for line in lines))

    return Route(READY_PATH, ready, methods=["GET"])


def _line(check: Check) -> str:
    return f"[{'+' if check.passed else '-'}] {check.name}: {check.detail}"


def _answer(status: HTTPStatus, text: str) -> Response:
    return PlainTextResponse(text, status_code=status, headers={"Cache-Control": "no-store"})
