"""Fixtures for tests of the whole service; those named `shared_…` serve a module's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from orchestrator.auth import AsyncAuthClient
from tests.conftest import Service, a_database, as_server, serving, settings_for
from tests.integration.support import Stubs, stubs_of


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, object]:
    """What the shared service has set; a module whose service is to have more says so."""
    return {}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_service(
    postgres_url: str, template_database: str, shared_settings: dict[str, object]
) -> AsyncIterator[Service]:
    """A served service for tests that leave each other alone."""
    async with (
        a_database(postgres_url, template_database) as url,
        serving(as_server(settings_for(url, **shared_settings))) as served,
    ):
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_client(shared_service: Service) -> AsyncIterator[AsyncAuthClient]:
    """The real client of the shared service, with the admin key."""
    async with shared_service.client() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_stubs(shared_service: Service) -> AsyncIterator[Stubs]:
    """The generated stubs of the shared service."""
    async with stubs_of(shared_service.address) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def client(service: Service) -> AsyncIterator[AsyncAuthClient]:
    """The real client, with the admin key."""
    async with service.client() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def stubs(service: Service) -> AsyncIterator[Stubs]:
    """The generated stubs."""
    async with stubs_of(service.address) as opened:
        yield opened
