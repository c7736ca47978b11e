"""What `authsvc serve` writes and exports of its calls, and what it does not load for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from orchestrator.auth import AuthClient, AuthServiceError
from tests.conftest import ENCRYPTION_KEY
from tests.e2e.databases import Prepared
from tests.e2e.support import environment, serve, until
from tests.integration.support_traces import collecting


def _calls(address: str, admin_key: str) -> None:
    """Make calls of each kind: answered, denied, failed, and of the health service."""
    with AuthClient(address, api_key=admin_key, plaintext=True, timeout=20) as client:
        client.check(admin_key)
        client.check("nokey")
        with pytest.raises(AuthServiceError):
            client.get_key("key_none")
    with grpc.insecure_channel(address) as channel:
        HealthStub(channel).Check(HealthCheckRequest(), timeout=20)


def test_workers_log_and_export_their_calls_and_no_secret(
    prepared: Prepared, tmp_path: Path
) -> None:
    with collecting() as collector:
        observed = {
            **prepared.settings,
            "AUTHSVC_WORKERS": "2",
            "AUTHSVC_LOG_SAMPLE": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            # Only the end of the server can export within this test.
            "OTEL_BSP_SCHEDULE_DELAY": "3600000",
        }
        with serve(tmp_path, observed) as (server, address):
            until(lambda: server.errors().count('"serving"') == 2, "two workers")
            _calls(address, prepared.admin_key)
        text = server.errors()
    lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]

    assert all(line.keys() >= {"timestamp", "level", "event"} for line in lines)
    assert {line["worker"] for line in lines if line["event"] == "serving"} == {0, 1}
    logged = [
        (line["event"], line["method"].rpartition("/")[2], line["code"], line.get("reason"))
        for line in lines
        if "method" in line
    ]
    assert sorted(logged) == [
        ("call answered", "ValidateCredential", "OK", None),
        ("call failed", "GetKey", "INVALID_ARGUMENT", "INVALID_REQUEST"),
        ("credential denied", "ValidateCredential", "OK", "INVALID_KEY_FORMAT"),
    ]
    assert {line["trace_id"] for line in lines if "method" in line} == {
        received.trace_id for received in collector.spans
    }
    assert (prepared.admin_key in text, ENCRYPTION_KEY in text) == (False, False)
    assert prepared.admin_key.encode() not in b"".join(collector.bodies)


SERVED = """
import asyncio, sys
from authsvc import app
from authsvc.config import load_settings
import authsvc.cli.commands
async def main():
    settings, stop = load_settings(), asyncio.Event()
    async with app.open_parts(settings) as parts:
        await app.serve(parts, stop, lambda _: stop.set())
    print(sorted(m for m in sys.modules if m.partition(".")[0] in {"opentelemetry", "requests"}))
asyncio.run(main())
"""


def test_without_traces_nothing_of_opentelemetry_is_loaded(prepared: Prepared) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SERVED],
        capture_output=True,
        text=True,
        env=environment(prepared.settings),
        check=False,
    )

    assert ran.stdout.splitlines()[-1:] == ["[]"], ran.stderr


NOT_INSTALLED = """
import asyncio, sys
sys.modules["opentelemetry"] = None
from authsvc.cli.commands import run
run()
"""


def test_traces_that_are_configured_and_not_installed_are_told_at_the_start(
    prepared: Prepared,
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", NOT_INSTALLED, "serve"],
        capture_output=True,
        text=True,
        env=environment(
            {**prepared.settings, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
        ),
        check=False,
    )

    assert ran.returncode == 1
    assert ran.stderr == (
        "authsvc: some settings are missing or wrong:\n"
        "  OTEL_EXPORTER_OTLP_ENDPOINT: traces need OpenTelemetry, which is not installed: "
        "install authsvc[otlp], or unset the variable\n"
    )
