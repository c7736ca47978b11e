"""The HTTP application: its routes, and what is the same for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import h11
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from authsvc.domain.errors import Retriable
from authsvc.http.metrics import METRICS_PATH
from authsvc.http.responses import on_fault, on_http_exception, on_retriable

log = structlog.get_logger()


def http_application(routes: Sequence[BaseRoute]) -> ASGIApp:
    """Return an application with these routes."""
    application = Starlette(
        routes=routes,
        exception_handlers={
            HTTPException: on_http_exception,
            Retriable: on_retriable,
            Exception: on_fault,
        },
    )
    application.router.redirect_slashes = False
    return _Outermost(application)


class _Outermost:
    """Opens answers to every origin, and keeps faults of ours to the log.

    What is served is public and asks for no cookie, so any page may read it; but for the metrics,
    which are for the inside. The header is there whether a browser asks or not: shared caches give
    the same answer to both.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"x-content-type-options", b"nosniff"),
                ]
                if scope["path"] != METRICS_PATH:
                    message["headers"].append((b"access-control-allow-origin", b"*"))
            await send(message)

        try:
            await self._application(scope, receive, send_opened)
        except h11.LocalProtocolError:
            # The client broke the protocol in the middle of its request: there is nobody to answer.
            return
        except Exception:
            # It is answered already, and raised once more to be logged: in our way.
            log.exception("request failed", path=scope["path"])
