"""What one client may hold of the HTTP port: time and connections. It depends on uvicorn alone.

uvicorn limits the pause between two requests, but neither the wait for the first one nor the time
from a request's first byte to its last. Whoever sends nothing, or a byte now and then, would keep
the connection. And when there are as many as may be, uvicorn answers every request with 503, a
probe too, for which Kubernetes would restart a process that is well. Here the connection goes on
which no request has begun for the longest time.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_WHOLE: Final = (h11.DONE, h11.MUST_CLOSE, h11.CLOSED)


def bounded_protocol(seconds: float, connections: int) -> type[H11Protocol]:
    """Return uvicorn's protocol with bounds on a request's arrival and on open connections.

    Args:
        seconds: From the opening of the connection to the end of the first request, and from the
            first byte of each later one to its end. A connection that takes longer is closed.
        connections: The most that are open at once; at least 1. For a further one, that is closed
            which was opened, or had its last request, before all others.
    """
    bounds = {"request_seconds": seconds, "most_connections": connections, "by_age": {}}
    return type("BoundedProtocol", (_BoundedProtocol,), bounds)


class _BoundedProtocol(H11Protocol):
    request_seconds: ClassVar[float]
    most_connections: ClassVar[int]
    by_age: ClassVar[dict[_BoundedProtocol, None]]
    """Those that are open; last, the one with the newest request."""
    _timer: asyncio.TimerHandle | None = None

    def connection_made(  # type: ignore[override]  # as uvicorn's own
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        if len(self.by_age) >= self.most_connections:
            self._close_oldest()
        self.by_age[self] = None
        self._arm()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state in _WHOLE:
            self._disarm()
            self._renew()
        else:
            self._arm()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # The start of the next request may have come along with this one.
        if self.conn.their_state not in _WHOLE and self.conn.trailing_data[0]:
            self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self.by_age.pop(self, None)
        super().connection_lost(exc)

    def _renew(self) -> None:
        # One that was closed may still have been read from.
        if self in self.by_age:
            del self.by_age[self]
            self.by_age[self] = None

    def _close_oldest(self) -> None:
        oldest = next(iter(self.by_age))
        del self.by_age[oldest]
        oldest.transport.abort()

    def _arm(self) -> None:
        # A timer that runs is left alone: bytes that trickle in must not put the end off.
        if self._timer is None and not self.transport.is_closing():
            # Aborted and not closed, as a close waits for a client that does not read.
            self._timer = self.loop.call_later(self.request_seconds, self.transport.abort)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
