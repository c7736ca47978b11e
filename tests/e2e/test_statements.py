"""What listens to the end-to-end tests hears a secret in the text of a statement."""

from __future__ import annotations

import secrets

import pytest

from tests.conftest import TEST_DATABASE_URL, a_database, execute
from tests.e2e.statements import log_statements, tell_statistics
from tests.e2e.wiretap import STATEMENTS, Wiretap
from tests.support_postgres import STATISTICS, needs_installed_postgres


@pytest.mark.skipif(bool(TEST_DATABASE_URL), reason="the log of another server is out of reach")
async def test_it_hears_a_secret_in_the_log_of_statements(postgres_url: str) -> None:
    wiretap, secret = Wiretap(), secrets.token_hex()
    wiretap.issue(secret)
    await log_statements(postgres_url, wiretap)

    assert wiretap.findings() == []
    await execute(postgres_url, f"SELECT '{secret}'")

    assert [finding.partition(" tells")[0] for finding in wiretap.findings()] == [STATEMENTS]


@needs_installed_postgres
async def test_it_hears_a_secret_in_the_statistics_of_a_database_that_is_gone(
    postgres_url: str,
) -> None:
    wiretap, secret = Wiretap(), secrets.token_hex()
    wiretap.issue(secret)
    role = f"told_{secrets.token_hex(4)}"

    # Statements like this one are kept as they came; in others $1 stands for a constant.
    async with a_database(postgres_url) as url:
        await execute(url, f"CREATE ROLE {role} PASSWORD '{secret}'", f"DROP ROLE {role}")
    await tell_statistics(postgres_url, wiretap)

    assert [finding.split()[0] for finding in wiretap.findings()] == [STATISTICS]
