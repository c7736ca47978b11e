"""What end-to-end tests share: one `authsvc dev`, for those that leave each other alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.support import Dev, dev


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
        yield started


@pytest.fixture
def caller(shared_dev: Dev) -> dict[str, str]:
    """The settings with which the command line reaches the shared server."""
    return shared_dev.caller
