"""How calls end: with an answer, with a status, or given up; and who is told of it.

This module alone ends calls with a status.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NoReturn

import grpc
import structlog
from google.protobuf.message import DecodeError

from authsvc.domain.callers import Caller
from authsvc.domain.errors import InvalidRequest
from authsvc.domain.origin import Origin
from authsvc.rpc.deadlines import Context
from authsvc.rpc.error_table import row_of
from authsvc.rpc.observation import CallObserver, FinishedCall
from authsvc.rpc.origin import call_origin
from authsvc.rpc.status import trailing_metadata

# With less time left than this, one more attempt would end as DEADLINE_EXCEEDED and hide the cause.
_ATTEMPT_SECONDS: Final = 0.2
# A negative value tells the client's gRPC library not to retry by itself (gRFC A6).
_NO_RETRY: Final = ("grpc-retry-pushback-ms", "-1")

log = structlog.get_logger()


class RunningCall:
    """What is known so far of a call. Until it ends by itself, it counts as given up."""

    __slots__ = ("address", "caller", "code", "error", "method", "reason", "request_id", "started")

    def __init__(
        self,
        method: str,
        started: float,
        request_id: str,
        address: str,
        caller: Caller | None = None,
    ) -> None:
        """Take what is known of the call."""
        self.method = method
        self.started = started
        self.request_id = request_id
        self.address = address
        self.caller = caller
        self.code = grpc.StatusCode.CANCELLED
        self.reason = ""
        self.error: Exception | None = None

    def origin(self) -> Origin:
        """Return what the audit log is told of the call, by what is known of its caller now."""
        return call_origin(self.caller, self.method, self.request_id, self.address)

    def answered(self) -> None:
        """Note that the call ended well."""
        self.code = grpc.StatusCode.OK


class Endings:
    """Ends calls, and tells the observers."""

    def __init__(self, observers: Sequence[CallObserver], monotonic: Callable[[], float]) -> None:
        """Take who is told of every call that has ended, and the clock of the calls."""
        self._observers = tuple(observers)
        self._monotonic = monotonic

    def tell(self, finished: FinishedCall) -> None:
        """Tell the observers of a call. Their faults do not touch it."""
        for observe in self._observers:
            try:
                observe(finished)
            except Exception:
                log.exception("call not observed", request_id=finished.request_id)

    def tell_end(self, call: RunningCall, context: Context) -> None:
        """Tell the observers how a call has ended."""
        code = call.code
        if code is grpc.StatusCode.CANCELLED:
            left: float | None = context.time_remaining()
            if left is not None and left <= 0:
                code = grpc.StatusCode.DEADLINE_EXCEEDED
        self.tell(
            FinishedCall(
                call.method,
                code,
                call.reason,
                self._monotonic() - call.started,
                call.request_id,
                call.caller.principal.actor if call.caller else "",
                call.address,
                call.error,
            )
        )

    async def refuse(self, call: RunningCall, context: Context, error: Exception) -> NoReturn:
        """End a call with the status of an error, which is noted in the call."""
        if isinstance(error, DecodeError):
            error = InvalidRequest(())
        row = row_of(error)
        call.code, call.reason, call.error = row.code, row.short_reason, error
        trailing = trailing_metadata(error, row, call.request_id)
        left: float | None = context.time_remaining()
        if left is not None and left < _ATTEMPT_SECONDS:
            trailing = (*trailing, _NO_RETRY)
        await context.abort(row.code, row.text, trailing)
