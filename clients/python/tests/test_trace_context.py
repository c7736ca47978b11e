"""The trace of a program goes on in the calls of its client."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import subprocess
import sys
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

TRACE_ID, SPAN_ID = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331


async def test_the_context_of_the_running_trace_is_passed_on(client: Any, server: Any) -> None:
    context = SpanContext(TRACE_ID, SPAN_ID, is_remote=False, trace_flags=TraceFlags(1))
    with trace.use_span(NonRecordingSpan(context)):
        await client.validate("anything")

    sent = server.calls[0].metadata
    assert sent["traceparent"] == f"00-{TRACE_ID:032x}-{SPAN_ID:016x}-01"
    assert "authorization" in sent


async def test_outside_of_a_trace_nothing_is_passed_on(client: Any, server: Any) -> None:
    await client.validate("anything")

    assert "traceparent" not in server.calls[0].metadata


def test_the_client_does_not_load_opentelemetry() -> None:
    program = (
        "import sys; from orchestrator.auth import AuthClient;"
        "client = AuthClient('127.0.0.1:1', api_key='orch_' + '0' * 40, plaintext=True);"
        "client._connection.metadata();"
        "print(sorted(m for m in sys.modules if m.startswith('opentelemetry')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.stdout == "[]\n", done.stderr
