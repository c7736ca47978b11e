"""What end-to-end tests share: one `authsvc dev`, and that no secret is told in all of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.conftest import ENCRYPTION_KEY, a_database, a_postgres, a_template
from tests.e2e.databases import Prepared, settings_on
from tests.e2e.statements import SETTINGS, listening_to_statements, overheard_dev
from tests.e2e.support import Dev, run
from tests.e2e.wiretap import WIRETAP
from tests.integration.support_traces import collecting
from tests.support_postgres import INSTALLED


@pytest.fixture(scope="session")
def postgres_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a server that keeps statistics of statements, where one is installed."""
    if INSTALLED is None:
        yield request.getfixturevalue("postgres_url")
        return
    with a_postgres(tmp_path_factory.mktemp("statements"), SETTINGS, INSTALLED) as url:
        yield url


@pytest.fixture(scope="session")
def template_database(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[str]:
    """The name of a database with the newest schema and nothing in it, on that server."""
    if INSTALLED is None:
        yield request.getfixturevalue("template_database")
        return
    with a_template(postgres_url) as name:
        yield name


@pytest.fixture(scope="session", autouse=True)
def no_secret_is_told(postgres_url: str) -> Iterator[None]:
    """Look, after all tests of this process, for every secret in all that was told."""
    WIRETAP.issue(ENCRYPTION_KEY)
    with (
        collecting() as collector,
        WIRETAP.overhearing(),
        listening_to_statements(postgres_url),
    ):
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
    with overheard_dev(tmp_path_factory.mktemp("dev"), settings) as started:
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
