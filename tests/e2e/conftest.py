"""What end-to-end tests share: one `authsvc dev`, and that no secret is told in all of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from tests.conftest import ENCRYPTION_KEY, a_database, execute
from tests.e2e.databases import Prepared, settings_on
from tests.e2e.support import Dev, dev, run
from tests.e2e.wiretap import STATEMENTS, WIRETAP
from tests.integration.support_traces import collecting

# What pg_stat_statements would have, and more: as they came, without their parameters.
LOG_STATEMENTS = (
    "ALTER SYSTEM SET log_statement = 'all'",
    "ALTER SYSTEM SET log_parameter_max_length = 0",
    "ALTER SYSTEM SET log_parameter_max_length_on_error = 0",
    "SELECT pg_reload_conf()",
)


async def log_statements(url: str) -> None:
    """Have a database log the text of every statement, and listen to it."""
    connection = await asyncpg.connect(url)
    try:
        directory = Path(await connection.fetchval("SHOW data_directory"))
    finally:
        await connection.close()
    await execute(url, *LOG_STATEMENTS)
    WIRETAP.tell_file(STATEMENTS, directory.parent / "postgres.log")


@pytest.fixture(scope="session", autouse=True)
def no_secret_is_told(postgres_url: str) -> Iterator[None]:
    """Look, after all tests of this process, for every secret in all that was told."""
    WIRETAP.issue(ENCRYPTION_KEY)
    asyncio.run(log_statements(postgres_url))
    with collecting() as collector, WIRETAP.overhearing():
        WIRETAP.settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.endpoint
        yield
        WIRETAP.settings.clear()
        WIRETAP.tell("traces", b"".join(collector.bodies).decode("latin-1"))
    assert WIRETAP.findings() == []


@pytest.fixture(scope="session")
def shared_dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """A running `authsvc dev`. Tokens end when they say, and usage is written soon."""
    settings = {
        "AUTHSVC_TOKEN_LEEWAY": "0",
        "AUTHSVC_USAGE_FLUSH_INTERVAL": "0.5",
        # The machine may be busy.
        "AUTHSVC_DATABASE_TIMEOUT": "10",
    }
    with dev(tmp_path_factory.mktemp("dev"), settings) as started:
        asyncio.run(log_statements((started.data_dir / "database.url").read_text().strip()))
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def prepared(postgres_url: str, template_database: str) -> AsyncIterator[Prepared]:
    """A bootstrapped database for tests that leave each other alone."""
    async with a_database(postgres_url, template_database) as url:
        settings = settings_on(url)
        done = run("bootstrap", "--json", settings=settings)
        assert done.code == 0, done.err
        yield Prepared(settings, json.loads(done.out)["secret"])


@pytest.fixture
def caller(shared_dev: Dev) -> dict[str, str]:
    """The settings with which the command line reaches the shared server."""
    return shared_dev.caller
