"""Spans of calls and of what they do in the database.

They hold what the log's lines hold: no credential, no parameter of a statement, no text of an
error.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import structlog
from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.trace import (
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

# The status codes that are faults of a server by OpenTelemetry's conventions for RPC: UNKNOWN,
# DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
_FAULTS: Final = frozenset({2, 4, 12, 13, 14, 15})
_POSTGRES: Final = {"db.system.name": "postgresql"}


class OpenTelemetryCallSpan:
    """The span of a call."""

    def __init__(self, span: Span, parent: Context) -> None:
        """Take the span, and the context it goes on from."""
        self._span = span
        self._context = set_span_in_context(span, parent)
        self._trace_id = format_trace_id(span.get_span_context().trace_id)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Have the spans and the log's lines of one task belong to it until the block's end."""
        token = contexts.attach(self._context)
        bound = structlog.contextvars.bind_contextvars(trace_id=self._trace_id)
        try:
            yield
        finally:
            structlog.contextvars.reset_contextvars(**bound)
            contexts.detach(token)

    def end(self) -> None:
        """End it."""
        self._span.end()


class OpenTelemetryCallSpans:
    """A span for each call."""

    def __init__(self, tracer: Tracer) -> None:
        """Take what makes spans."""
        self._tracer = tracer
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, method: str, carrier: Mapping[str, str]) -> OpenTelemetryCallSpan:
        """Begin a span.

        Args:
            method: The method, `service/name`.
            carrier: Has the trace context of the caller, if any (W3C Trace Context).
        """
        service, _, name = method.rpartition("/")
        parent = self._propagator.extract(carrier)
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
        span = self._tracer.start_span(method, parent, SpanKind.SERVER, attributes)
        return OpenTelemetryCallSpan(span, parent)

    def note_end(self, status_code: int, attributes: Mapping[str, str]) -> None:
        """Note how the call of the span that is entered has ended."""
        span = get_current_span()
        span.set_attribute("rpc.grpc.status_code", status_code)
        for name, value in attributes.items():
            span.set_attribute(name, value)
        if status_code in _FAULTS:
            span.set_status(Status(StatusCode.ERROR))


class OpenTelemetryStatementSpans:
    """A span for each statement and for each wait for a connection, within a call that has one."""

    def __init__(self, tracer: Tracer) -> None:
        """Take what makes spans."""
        self._tracer = tracer

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Keep a span open while a connection is waited for."""
        if not get_current_span().is_recording():
            yield
            return
        span = self._tracer.start_span(
            "wait for a connection", kind=SpanKind.INTERNAL, attributes=_POSTGRES
        )
        try:
            yield
        finally:
            span.end()

    def ran(self, statement: str, seconds: float, error: BaseException | None) -> None:
        """Note a statement that has just ended."""
        if not get_current_span().get_span_context().trace_flags.sampled:
            return
        ended = time.time_ns()
        text = " ".join(statement.split())
        operation = text.partition(" ")[0].upper()
        span = self._tracer.start_span(
            operation,
            kind=SpanKind.CLIENT,
            attributes={**_POSTGRES, "db.operation.name": operation, "db.query.text": text},
            start_time=ended - round(seconds * 1e9),
        )
        if error is not None:
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)
