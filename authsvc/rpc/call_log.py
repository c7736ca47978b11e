"""The log's line of each call that has ended (docs/logs.md)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

import grpc
import structlog

from authsvc.rpc.error_table import INTERNAL, row_of
from authsvc.rpc.observation import FinishedCall

SAMPLED_METHODS: Final = frozenset(
    {
        "orchestrator.auth.v1.AuthService/ValidateCredential",
        "orchestrator.auth.v1.AuthService/BatchValidateCredentials",
    }
)
"""Almost all calls are of these, and almost all of them end well."""

LINES_PER_SECOND: Final = 10
"""The most lines a second of calls that end alike, where anybody could make any number of them."""

_OK: Final = grpc.StatusCode.OK
_WINDOW_SECONDS: Final = 1.0

log = structlog.get_logger()


class Ending(NamedTuple):
    """Which calls end alike."""

    method: str
    code: grpc.StatusCode
    reason: str
    level: int


class CallLog:
    """Writes a line for each call that has ended, but for those that would drown the others.

    Of validations that end well a share is written. Of all other calls, but for those of known
    callers that end well, so many in a second that end alike; how many were left out is written
    when the second is over.
    """

    def __init__(
        self,
        *,
        sample: float,
        random: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        """Take how much is written.

        Args:
            sample: The share of the validations that end well; from 0 to 1.
            random: Gives numbers from 0 to below 1.
            call_later: Calls a function after so many seconds.
        """
        self._sample = sample
        self._random = random
        self._call_later = call_later
        self._counts: dict[Ending, int] = {}

    def __call__(self, call: FinishedCall) -> None:
        """Write the line of a call, or leave it out."""
        if call.code is _OK and not call.reason:
            if call.method in SAMPLED_METHODS:
                if self._random() < self._sample:
                    _write(call)
                return
            if call.caller_id:
                _write(call)
                return
        ending = Ending(call.method, call.code, call.reason, _level(call))
        count = self._counts.get(ending, 0)
        self._counts[ending] = count + 1
        if count == 0:
            self._call_later(_WINDOW_SECONDS, lambda: self._tell_left_out(ending))
        if count < LINES_PER_SECOND:
            _write(call)

    def finish(self) -> None:
        """Write how many were left out in the seconds that are not over yet."""
        for ending in list(self._counts):
            self._tell_left_out(ending)

    def _tell_left_out(self, ending: Ending) -> None:
        count = self._counts.pop(ending, 0) - LINES_PER_SECOND
        if count > 0:
            log.log(
                ending.level,
                "calls left out of the log",
                count=count,
                method=ending.method,
                code=ending.code.name,
                reason=ending.reason or None,
            )


def _write(call: FinishedCall) -> None:
    error = call.error
    is_fault = error is not None and row_of(error) is INTERNAL
    cause = None if error is None or is_fault else error.__cause__
    log.log(
        _level(call),
        _event(call),
        method=call.method,
        code=call.code.name,
        reason=call.reason or None,
        duration_ms=round(call.seconds * 1000, 3),
        request_id=call.request_id,
        caller_id=call.caller_id or None,
        address=call.address or None,
        error=type(error).__name__ if error else None,
        detail=(str(error) or None) if error and not is_fault else None,
        cause=repr(cause) if cause else None,
        exc_info=error if is_fault else None,
    )


def _event(call: FinishedCall) -> str:
    if call.error is not None:
        return "call failed"
    if call.code is not _OK:
        return "call given up"
    return "credential denied" if call.reason else "call answered"


def _level(call: FinishedCall) -> int:
    if call.error is not None:
        return row_of(call.error).log_level
    # That a client has gone is its own affair; that it waited in vain may be ours.
    late = call.code is grpc.StatusCode.DEADLINE_EXCEEDED
    return logging.WARNING if late else logging.INFO
