"""A limit on the time that a client takes to send a request. It depends on uvicorn alone.

uvicorn limits the pause between two requests, but neither the wait for the first one nor the time
from a request's first byte to its last. Whoever sends nothing, or a byte now and then, would keep
the connection, and as many of them as the server holds would shut it to everybody else.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_WHOLE: Final = (h11.DONE, h11.MUST_CLOSE, h11.CLOSED)


def timed_protocol(seconds: float) -> type[H11Protocol]:
    """Return uvicorn's protocol with a limit on how long a request may take to arrive.

    Args:
        seconds: From the opening of the connection to the end of the first request, and from the
            first byte of each later one to its end. A connection that takes longer is closed.
    """
    return type("TimedProtocol", (_TimedProtocol,), {"request_seconds": seconds})


class _TimedProtocol(H11Protocol):
    request_seconds: ClassVar[float]
    _timer: asyncio.TimerHandle | None = None

    def connection_made(  # type: ignore[override]  # as uvicorn's own
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self._arm()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state in _WHOLE:
            self._disarm()
        else:
            self._arm()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # The start of the next request may have come along with this one.
        if self.conn.their_state not in _WHOLE and self.conn.trailing_data[0]:
            self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def _arm(self) -> None:
        # A timer that runs is left alone: bytes that trickle in must not put the end off.
        if self._timer is None and not self.transport.is_closing():
            # Aborted and not closed, as a close waits for a client that does not read.
            self._timer = self.loop.call_later(self.request_seconds, self.transport.abort)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
