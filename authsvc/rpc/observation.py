"""What is told of every call when it ends, to logs, metrics and traces alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import grpc
import structlog

from authsvc.domain.callers import Caller
from authsvc.rpc.deadlines import Context

log = structlog.get_logger()


class FinishedCall(NamedTuple):
    """A call that has ended, in whatever way.

    `method` is as `action_of` names it. `reason` is the short name of the ErrorReason of a
    refused call, the name of the DenialReason of a denied ValidateCredential, else empty.
    `request_id`, `caller_id` and `address` are empty where the call ended before they were known.
    """

    method: str
    code: grpc.StatusCode
    reason: str
    seconds: float
    request_id: str
    caller_id: str
    address: str


CallObserver = Callable[[FinishedCall], None]


class Answer(NamedTuple):
    """A serialised answer, and the name of the DenialReason if it denies a credential."""

    data: bytes
    denial: str = ""


class RunningCall:
    """What is known so far of a call. Until it ends by itself, it counts as cancelled."""

    __slots__ = ("address", "caller", "code", "method", "reason", "request_id", "started")

    def __init__(self, method: str, started: float, request_id: str = "") -> None:
        """Take the method, when the call came, and its request id if that is known."""
        self.method = method
        self.started = started
        self.request_id = request_id
        self.caller: Caller | None = None
        self.address = ""
        self.code = grpc.StatusCode.CANCELLED
        self.reason = ""

    def end(self, code: grpc.StatusCode, reason: str = "") -> None:
        """Note how the call ended by itself."""
        self.code = code
        self.reason = reason

    def tell(self, observers: Sequence[CallObserver], context: Context, now: float) -> None:
        """Tell the observers that the call has ended. Their faults do not touch the call."""
        code = self.code
        if code is grpc.StatusCode.CANCELLED:
            left: float | None = context.time_remaining()
            if left is not None and left <= 0:
                code = grpc.StatusCode.DEADLINE_EXCEEDED
        finished = FinishedCall(
            self.method,
            code,
            self.reason,
            now - self.started,
            self.request_id,
            self.caller.principal.actor if self.caller else "",
            self.address,
        )
        for observe in observers:
            try:
                observe(finished)
            except Exception:
                log.exception("call not observed", request_id=self.request_id)
