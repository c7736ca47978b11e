"""Calls within spans of a trace, which goes on from the caller's (W3C Trace Context)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractContextManager
from typing import Final, Protocol

from authsvc.rpc.behaviours import Behaviour, StreamingBehaviour
from authsvc.rpc.deadlines import Context
from authsvc.rpc.observation import CallObserver, FinishedCall
from authsvc.rpc.request_ids import metadata_of

_CONTEXT_KEYS: Final = frozenset({"traceparent", "tracestate"})


class CallSpan(Protocol):
    """The span of a call."""

    def entered(self) -> AbstractContextManager[None]:
        """Have what one task does in the block belong to the span."""
        ...

    def end(self) -> None:
        """End it."""
        ...


class CallSpans(Protocol):
    """Makes a span for each call."""

    def begin(self, method: str, carrier: Mapping[str, str]) -> CallSpan:
        """Begin a span; the carrier has the caller's context."""
        ...

    def note_end(self, status_code: int, attributes: Mapping[str, str]) -> None:
        """Note how the call of the span that is entered has ended."""
        ...


def traced(method: str, behave: Behaviour, spans: CallSpans) -> Behaviour:
    """Return a behaviour whose calls each have a span."""

    async def behave_traced(data: bytes, context: Context) -> bytes:
        span = spans.begin(method, _carrier(context))
        try:
            with span.entered():
                return await behave(data, context)
        finally:
            span.end()

    return behave_traced


def traced_stream(method: str, behave: StreamingBehaviour, spans: CallSpans) -> StreamingBehaviour:
    """Return a behaviour whose streams each have a span, as long as they live."""

    async def behave_traced(data: bytes, context: Context) -> AsyncGenerator[bytes, None]:
        span = spans.begin(method, _carrier(context))
        answers = behave(data, context)
        # Never entered across a `yield`: gRPC leaves a stream whose answer cannot be sent to the
        # garbage collector, so that another task ends it, in another context.
        try:
            while True:
                try:
                    with span.entered():
                        answer = await anext(answers)
                except StopAsyncIteration:
                    return
                yield answer
        finally:
            try:
                with span.entered():
                    await answers.aclose()
            finally:
                span.end()

    return behave_traced


def span_notes(spans: CallSpans) -> CallObserver:
    """Return an observer that notes in the span that is entered how its call has ended."""

    def note(call: FinishedCall) -> None:
        attributes = {
            "authsvc.reason": call.reason,
            "authsvc.request_id": call.request_id,
            "authsvc.caller_id": call.caller_id,
            "client.address": call.address,
        }
        known = {name: value for name, value in attributes.items() if value}
        spans.note_end(call.code.value[0], known)

    return note


def _carrier(context: Context) -> dict[str, str]:
    return {
        key: value
        for key, value in metadata_of(context)
        if key in _CONTEXT_KEYS and isinstance(value, str)
    }
