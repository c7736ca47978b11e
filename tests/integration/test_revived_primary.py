"""A former primary that comes back, and still takes changes, is not gone back to."""

from __future__ import annotations

import pytest

from authsvc.postgres import schema
from benchmarks.standby_pair import StandbyPair, standby_pair
from orchestrator.auth import AuthServiceError, CreatedKey
from tests.conftest import execute
from tests.integration.support import connected, fresh_name, until
from tests.integration.support_faults import hung
from tests.integration.support_fresh import Served, served

END_CONNECTIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'authsvc'
"""


async def make_key(server: Served) -> CreatedKey:
    """Make a key as soon as there is a primary."""
    made: list[CreatedKey] = []

    async def is_made() -> bool:
        try:
            account_id = server.service.account.account_id
            made.append(await server.client.create_key(fresh_name(), account_id=account_id))
        except AuthServiceError:
            return False
        return True

    await until(is_made)
    return made[0]


async def knows(url: str, key: CreatedKey) -> bool:
    async with connected(url) as connection:
        found = await connection.fetchval(
            "SELECT count(*) FROM authsvc.keys WHERE key_id = $1", key.key.key_id
        )
        return bool(found)


async def promote_behind(pair: StandbyPair, server: Served) -> None:
    """Make the standby the primary while the primary hangs, and wait for the service to go over."""
    with hung(pair.primary):
        await pair.promote()
        assert await knows(pair.standby.url(), await make_key(server))


async def test_a_former_primary_that_is_back_is_not_gone_back_to(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with standby_pair(tmp_path_factory.mktemp("revived")) as pair:
        await schema.migrate(pair.url)
        async with served(pair.url, database_timeout=2, shutdown_grace=0.5) as server:
            # Given a service that follows a promotion, and a former primary that is well again
            await promote_behind(pair, server)
            await execute(
                pair.primary.url(),
                "ALTER SYSTEM SET synchronous_standby_names = ''",
                "SELECT pg_reload_conf()",
            )

            # When every connection has to be opened anew, by a URL that names that one first
            await execute(pair.standby.url(), END_CONNECTIONS)
            keys = [await make_key(server) for _ in range(3)]
            await server.client.check(keys[-1].secret.reveal(), at_least_revision=keys[-1].revision)

            # Then the new primary has the changes, and the old one has nobody
            assert [await knows(pair.standby.url(), key) for key in keys] == [True] * 3
            assert [await knows(pair.primary.url(), key) for key in keys] == [False] * 3
