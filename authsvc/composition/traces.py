"""Traces, if OpenTelemetry's standard variables say where they are exported to."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from authsvc.config import InvalidSettings
from authsvc.domain.last_steps import TRACES_SECONDS
from authsvc.postgres.statement_spans import StatementSpans
from authsvc.rpc.traced_calls import CallSpans
from authsvc.version import VERSION

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL: Final = "http/protobuf"


@dataclass(frozen=True, slots=True)
class Traces:
    """What makes the spans."""

    calls: CallSpans
    statements: StatementSpans


@asynccontextmanager
async def opened_traces(
    environment: Mapping[str, str] = os.environ,
) -> AsyncIterator[Traces | None]:
    """Export traces until the end of the block; None where they are not configured.

    Raises:
        InvalidSettings: They are, and cannot be exported so, or by what is installed.
    """
    endpoint = _endpoint(environment)
    if endpoint is None:
        yield None
        return
    try:
        # Without traces, nothing of OpenTelemetry is in memory; nor need it be installed.
        from authsvc.traces import export, spans  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        problem = (
            f"{endpoint}: traces need OpenTelemetry, which is not installed: install "
            "authsvc[otlp], or unset the variable"
        )
        raise InvalidSettings([problem]) from None
    async with export.exporting(VERSION, TRACES_SECONDS) as tracer:
        yield Traces(
            spans.OpenTelemetryCallSpans(tracer), spans.OpenTelemetryStatementSpans(tracer)
        )


def _endpoint(environment: Mapping[str, str]) -> str | None:
    """Return the variable that says where to, or None where traces are switched off.

    Raises:
        InvalidSettings: What it says cannot be done.
    """
    name = next((each for each in _ENDPOINTS if environment.get(each)), None)
    exporters = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    is_disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if name is None or is_disabled or exporters == "none":
        return None
    problems = []
    parts = urlsplit(environment[name])
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        problems.append(f"{name}: must be a URL, like http://collector:4318")
    protocol = next((each for each in _PROTOCOLS if environment.get(each)), None)
    if protocol is not None and environment[protocol] != _PROTOCOL:
        problems.append(
            f"{protocol}: must be {_PROTOCOL}, or not set; a collector takes that on port 4318"
        )
    if exporters not in {"", "otlp"}:
        problems.append("OTEL_TRACES_EXPORTER: must be otlp or none, or not set")
    if problems:
        raise InvalidSettings(problems)
    return name
