"""`/metrics`: the numbers of this service, in Prometheus' formats.

They hold no secrets, and yet are for the inside: they tell how much is going on, and how many fail.
No other origin's page may read them, and on an address that is not a loopback address they are
served only where that was asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

METRICS_PATH: Final = "/metrics"

_HEADERS: Final = {"Cache-Control": "no-store"}
_NOT_HERE: Final = (
    "Metrics are not served on this address, for it may be public. Where only the inside can "
    "reach it, set AUTHSVC_EXPOSE_METRICS=true.\n"
)


class Page(Protocol):
    """What is answered to a scrape."""

    @property
    def body(self) -> bytes:
        """The page itself."""
        ...

    @property
    def content_type(self) -> str:
        """Its format."""
        ...


def metrics_route(page: Callable[[str], Awaitable[Page]] | None) -> Route:
    """Return the route.

    Args:
        page: Makes a page in a format that an Accept header names; None: it is not for this
            address.
    """

    async def metrics(request: Request) -> Response:
        if page is None:
            return PlainTextResponse(_NOT_HERE, HTTPStatus.FORBIDDEN, headers=_HEADERS)
        made = await page(request.headers.get("accept", ""))
        return Response(made.body, headers={**_HEADERS, "Content-Type": made.content_type})

    return Route(METRICS_PATH, metrics, methods=["GET"])
