"""Watching: streams of events that outlive their connections. Depends on grpc.

`Progress` decides, without input or output; `Watch` and `AsyncWatch` carry it out.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, Self, cast

import grpc
import grpc.aio

from orchestrator.auth import _responses
from orchestrator.auth._errors import (
    AuthServiceError,
    MalformedResponse,
    ResourceExhausted,
    Unavailable,
    from_rpc_error,
)
from orchestrator.auth._events import Event, Reset
from orchestrator.auth.v1.auth_service_pb2 import WatchRevocationsRequest, WatchRevocationsResponse

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0

_log: Final = logging.getLogger("orchestrator.auth")


class Progress:
    """How far a watch has come, and what becomes of it when its stream ends."""

    def __init__(self, after_revision: int) -> None:
        """Begin after a revision; 0: from now on."""
        self._request = WatchRevocationsRequest(after_revision=after_revision)
        self._events: deque[Event] = deque()
        self._covered = False
        self._heard = False
        self._ceiling = _FIRST_PAUSE

    def request(self) -> WatchRevocationsRequest:
        """Return the request of the next stream."""
        # Without a revision the server begins at the moment that the request reaches it, and
        # nobody tells of what happened before, as after an earlier stream broke off.
        self._covered = self._request.after_revision != 0
        return self._request

    def hear(self, response: WatchRevocationsResponse) -> None:
        """Note a response.

        Raises:
            MalformedResponse: It lacks what it must have.
        """
        event = _responses.event(response)
        if not self._covered and not isinstance(event, Reset):
            self._events.append(Reset(event.revision))
        self._events.append(event)
        self._covered = self._heard = True
        # Not the greatest so far: a database that was restored counts from further back.
        self._request = WatchRevocationsRequest(after_revision=event.revision)
        self._ceiling = _FIRST_PAUSE

    def take(self) -> Event | None:
        """Return the oldest event that has not been taken yet, or None."""
        return self._events.popleft() if self._events else None

    def survives(self, error: AuthServiceError) -> bool:
        """Return whether another stream may fare better than the one that ended so."""
        if isinstance(error, ResourceExhausted):
            # The server that was next in line is full, as when another one has just stopped.
            return self._heard and error.retry_delay is not None
        return isinstance(error, Unavailable)

    def pause(self, error: AuthServiceError | None) -> float:
        """Return the seconds until the next stream, spread at random.

        Args:
            error: How the last one ended; None: without an error.
        """
        if self._ceiling == _FIRST_PAUSE:  # once an outage
            _log.warning("the watch broke off and will be resumed: %s", error or "end of stream")
        seconds = random.uniform(0, self._ceiling)  # noqa: S311 - no secret
        self._ceiling = min(2 * self._ceiling, _LONGEST_PAUSE)
        if error is not None and error.retry_delay is not None:
            seconds += min(error.retry_delay.total_seconds(), _LONGEST_PAUSE)
        return seconds


class Stream(Protocol):
    """A call of the sync library."""

    def __next__(self) -> WatchRevocationsResponse: ...
    def cancel(self) -> bool: ...


class Watch:
    """The iterator that `AuthClient.watch` returns.

    It is for one reader. It ends when it or the client is closed; any thread may do that. Leaving
    a `with` block closes it, and so does dropping it.
    """

    def __init__(
        self, connect: Callable[[WatchRevocationsRequest], Stream], after_revision: int
    ) -> None:
        self._connect = connect
        self._progress = Progress(after_revision)
        self._call: Stream | None = None
        self._closed = threading.Event()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        try:
            while not self._closed.is_set():
                event = self._progress.take()
                if event is not None:
                    return event
                self._advance()
        except Exception:
            # What close() brings about from another thread is no error.
            if not self._closed.is_set():
                self.close()
                raise
        raise StopIteration

    def close(self) -> None:
        """End the stream and the iteration. Repeating it does nothing."""
        self._closed.set()
        # The reader sets the call before it looks whether it is closed; so one of both cancels.
        call = self._call
        if call is not None:
            call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _advance(self) -> None:
        failure = None
        try:
            if self._call is None:
                self._call = self._connect(self._progress.request())
            if self._closed.is_set():
                self._call.cancel()
            self._progress.hear(next(self._call))
        except StopIteration:
            pass
        except grpc.RpcError as error:
            failure = from_rpc_error(error)
            if not self._progress.survives(failure):
                raise failure from error
        else:
            return
        self._call = None
        self._closed.wait(self._progress.pause(failure))


class AsyncWatch:
    """The async iterator that `AsyncAuthClient.watch` returns.

    It is for one reader. It ends when it or the client is closed. Leaving an `async with` block
    closes it, and so does dropping it. A reader that is cancelled, as by a time limit, may read on.
    """

    def __init__(
        self,
        connect: Callable[
            [WatchRevocationsRequest],
            grpc.aio.UnaryStreamCall[WatchRevocationsRequest, WatchRevocationsResponse],
        ],
        after_revision: int,
    ) -> None:
        # First, as __del__ comes even when what follows raises.
        self._call: (
            grpc.aio.UnaryStreamCall[WatchRevocationsRequest, WatchRevocationsResponse] | None
        ) = None
        self._connect = connect
        self._progress = Progress(after_revision)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        try:
            while not self._closed.is_set():
                event = self._progress.take()
                if event is not None:
                    return event
                await self._advance()
        except asyncio.CancelledError:
            # Whoever reads a call that close() cancels is cancelled by grpc.aio; who is cancelled
            # for another reason has lost the call, but not the progress.
            self._call = None
            task = asyncio.current_task()
            if not self._closed.is_set() or (task is not None and task.cancelling()):
                raise
        except Exception:
            if not self._closed.is_set():
                await self.close()
                raise
        raise StopAsyncIteration

    async def close(self) -> None:
        """End the stream and the iteration. Repeating it does nothing."""
        self._closed.set()
        if self._call is not None:
            self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        # grpc.aio keeps a call alive by itself. The collector may run in any thread.
        if self._call is not None and self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._call.cancel)

    async def _advance(self) -> None:
        failure = None
        try:
            if self._call is None:
                self._loop = asyncio.get_running_loop()
                self._call = self._connect(self._progress.request())
            response = await self._call.read()
            if response is not grpc.aio.EOF:
                # Unlike the sync library, grpc.aio returns None for what cannot be parsed.
                if response is None:
                    raise MalformedResponse("the response cannot be parsed")
                self._progress.hear(cast("WatchRevocationsResponse", response))
                return
        except grpc.RpcError as error:
            failure = from_rpc_error(error)
            if not self._progress.survives(failure):
                raise failure from error
        self._call = None
        with suppress(TimeoutError):
            async with asyncio.timeout(self._progress.pause(failure)):
                await self._closed.wait()
