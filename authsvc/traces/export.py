"""Export of spans by OTLP over HTTP, from a thread of its own.

OpenTelemetry's standard variables say where to and how much; docs/traces.md has those that count.
"""

from __future__ import annotations

import asyncio
import os
import threading
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer

log = structlog.get_logger()


@asynccontextmanager
async def exporting(version: str, last_seconds: float) -> AsyncIterator[Tracer]:
    """Export what the tracer makes until the end of the block.

    Args:
        version: The version of this service.
        last_seconds: How long the last spans may take to be exported.
    """
    provider = TracerProvider(resource=_resource(version), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield provider.get_tracer("authsvc", version)
    finally:
        await _shut_down(provider, last_seconds)


def _resource(version: str) -> Resource:
    ours = Resource(
        {
            "service.name": "authsvc",
            "service.version": version,
            # Each worker and each replica is an instance.
            "service.instance.id": str(uuid.uuid4()),
            "process.pid": os.getpid(),
        }
    )
    return ours.merge(OTELResourceDetector().detect())


async def _shut_down(provider: TracerProvider, seconds: float) -> None:
    """Export what is left, but wait for it only so long: the collector may be away."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def shut_down() -> None:
        provider.shutdown()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any longer
            loop.call_soon_threadsafe(done.set)

    # A daemon, which does not keep the process from its end; threads of a pool would.
    threading.Thread(target=shut_down, name="last traces", daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            await done.wait()
    except TimeoutError:
        log.warning("last traces not exported", waited_seconds=seconds)
