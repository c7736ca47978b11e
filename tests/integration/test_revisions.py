"""The revisions of changes: distinct, increasing, and visible in their order."""

from __future__ import annotations

import asyncio

from authsvc.config import Settings
from orchestrator.auth import AsyncAuthClient
from tests.conftest import Service, serving
from tests.integration.support import (
    WRITERS_LOCKED,
    connected,
    fresh_name,
    locked,
    until_waiting,
    url_of,
)

REVISIONS_AFTER = "SELECT revision FROM authsvc.changes WHERE revision > $1 ORDER BY revision"


async def create(client: AsyncAuthClient, service: Service) -> int:
    created = await client.create_key(fresh_name(), account_id=service.account.account_id)
    return created.revision


async def test_each_change_has_a_greater_revision_than_the_one_before(
    service: Service, client: AsyncAuthClient
) -> None:
    first = await client.create_key("first", account_id=service.account.account_id)
    revoked = await client.revoke_key(key_id=first.key.key_id)
    second = await client.create_key("first", account_id=service.account.account_id)

    assert 0 < first.revision < revoked.revision < second.revision


async def test_a_follower_of_fifty_concurrent_creations_misses_none(
    service: Service, client: AsyncAuthClient
) -> None:
    # Given a reader that always asks for what is newer than the newest it has seen
    seen: list[int] = []
    done = asyncio.Event()

    async def follow() -> None:
        async with connected(url_of(service)) as connection:
            while True:
                last_round = done.is_set()
                found = await connection.fetch(REVISIONS_AFTER, seen[-1] if seen else 0)
                seen.extend(row["revision"] for row in found)
                if last_round:
                    return

    follower = asyncio.create_task(follow())

    # When fifty keys are made at once
    revisions = await asyncio.gather(*(create(client, service) for _ in range(50)))
    done.set()
    await follower

    # Then it has seen every one, once, in order
    assert len(set(revisions)) == 50
    assert set(revisions) <= set(seen)
    assert seen == sorted(set(seen))


async def test_no_later_change_is_visible_before_an_earlier_one(settings: Settings) -> None:
    # Given a writer that holds its transaction open after drawing a revision
    async with (
        serving(settings.model_copy(update={"database_timeout": 30.0})) as service,
        service.client() as client,
        connected(url_of(service)) as reader,
    ):
        async with locked(service, WRITERS_LOCKED) as slow:
            slow_revision = await slow.fetchval(
                "INSERT INTO authsvc.changes (kind, account_id) VALUES ('KEY_CREATED', 'acct_slow')"
                " RETURNING revision"
            )
            waiting = [asyncio.create_task(create(client, service)) for _ in range(8)]
            await until_waiting(reader, 8)

            # When others want to change something meanwhile, then nobody sees any of it
            assert await reader.fetch(REVISIONS_AFTER, slow_revision - 1) == []
            assert not any(task.done() for task in waiting)

        # And once it ends, all of them come after it
        revisions = await asyncio.gather(*waiting)
        assert len(set(revisions)) == 8
        assert min(revisions) > slow_revision


async def test_a_creation_that_fails_leaves_no_change(
    service: Service, client: AsyncAuthClient
) -> None:
    await client.create_key("taken", account_id=service.account.account_id)

    await asyncio.gather(
        *(client.create_key("taken", account_id=service.account.account_id) for _ in range(3)),
        return_exceptions=True,
    )

    async with connected(url_of(service)) as connection:
        orphans = await connection.fetchval(
            "SELECT count(*) FROM authsvc.changes c"
            " WHERE NOT EXISTS (SELECT FROM authsvc.keys k WHERE k.key_id = c.key_id)"
        )
    assert orphans == 0
