"""Envoy, as docker/envoy/envoy.yaml sets it up, in front of a server."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
import yaml

from orchestrator.auth import AsyncAuthClient
from orchestrator.auth.v1 import auth_service_pb2 as pb
from tests.conftest import Service
from tests.integration.support import bearer, stubs_of, until
from tests.integration.support_http import FREE_ADDRESS, fetch

CONFIGURATION: Final = Path(__file__).parents[2] / "docker" / "envoy" / "envoy.yaml"


def socket_address(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}


def configuration_for(upstream: str) -> str:
    """Return the configuration with this server for the replicas, and with ports that are free."""
    changed = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    (listener,) = changed["static_resources"]["listeners"]
    listener["address"] = socket_address(FREE_ADDRESS)
    (cluster,) = changed["static_resources"]["clusters"]
    (locality,) = cluster["load_assignment"]["endpoints"]
    (endpoint,) = locality["lb_endpoints"]
    endpoint["endpoint"]["address"] = socket_address(upstream)
    changed["admin"] = {"address": socket_address(FREE_ADDRESS)}
    return yaml.safe_dump(changed)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def envoy(
    shared_service: Service, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """The address of an Envoy that has found the server healthy."""
    binary = shutil.which("envoy", path=str(Path(sys.executable).parent))
    if binary is None:
        pytest.skip("there is no Envoy for this platform")
    directory = tmp_path_factory.mktemp("envoy")
    admin_file = directory / "admin"
    process = await asyncio.create_subprocess_exec(
        binary,
        *("--config-yaml", configuration_for(shared_service.address)),
        *("--admin-address-path", str(admin_file), "--disable-hot-restart"),
        *("--concurrency", "1", "--log-level", "error"),
    )
    try:

        async def is_healthy() -> bool:
            if not (admin_file.exists() and (admin := admin_file.read_text())):
                return False
            clusters = await fetch(admin, "/clusters")
            return b"::health_flags::healthy" in clusters.body

        await until(is_healthy, seconds=60)
        listeners = (await fetch(admin_file.read_text(), "/listeners")).body.decode()
        yield listeners.strip().removeprefix("grpc::")
    finally:
        process.terminate()
        await process.wait()


async def test_a_verdict_passes(envoy: str, shared_service: Service) -> None:
    key = await shared_service.create_key()

    async with AsyncAuthClient(
        envoy, api_key=shared_service.admin_key, plaintext=True, timeout=10.0
    ) as client:
        principal = await client.validate(f"Bearer {key}")

    assert principal.account_id == shared_service.account.account_id


async def test_a_stream_passes(envoy: str, shared_service: Service) -> None:
    async with stubs_of(envoy) as stubs:
        call = stubs.auth.WatchRevocations(
            pb.WatchRevocationsRequest(), metadata=bearer(shared_service.admin_key)
        )
        async with asyncio.timeout(15):
            first = await call.read()
        call.cancel()

    assert isinstance(first, pb.WatchRevocationsResponse)
