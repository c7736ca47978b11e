"""The revisions of changes: distinct, increasing, and visible in their order."""

from __future__ import annotations

import asyncio

import pytest

from authsvc.config import Settings
from orchestrator.auth import AsyncAuthClient
from tests.conftest import Service, serving
from tests.integration.support import (
    WRITERS_LOCKED,
    connected,
    fresh_name,
    locked,
    until,
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
                "SELECT authsvc.append_change('KEY_CREATED', 'acct_slow', 'key_slow')"
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
            "SELECT count(*) FROM authsvc.changes WHERE kind LIKE 'KEY\\_%'"
            " AND key_id NOT IN (SELECT key_id FROM authsvc.keys)"
        )
    assert orphans == 0


REVOKE = "UPDATE authsvc.keys SET revoke_time = now()"
CHANGES_OF = """
SELECT kind, key_id FROM authsvc.changes WHERE account_id = $1 ORDER BY revision
"""


@pytest.mark.parametrize(
    ("statement", "kinds"),
    [
        ("UPDATE authsvc.keys SET disabled = true", ["KEY_CHANGED"]),
        ("UPDATE authsvc.keys SET disabled = disabled", ["KEY_CHANGED"]),
        ("UPDATE authsvc.keys SET expire_time = now()", ["KEY_CHANGED"]),
        ("UPDATE authsvc.keys SET scopes = '{a}'", ["KEY_CHANGED"]),
        ("UPDATE authsvc.keys SET name = 'other'", ["KEY_CHANGED"]),
        ("UPDATE authsvc.keys SET metadata = '{}'", ["KEY_CHANGED"]),
        (REVOKE, ["KEY_REVOKED"]),
        (
            f"{REVOKE}; UPDATE authsvc.keys SET revoke_time = NULL",
            ["KEY_REVOKED", "KEY_CHANGED"],
        ),
        ("DELETE FROM authsvc.keys", ["KEY_CHANGED"]),
        ("UPDATE authsvc.keys SET last_use_time = now()", []),
        ("UPDATE authsvc.keys SET revoke_note = 'why'", []),
        ("UPDATE authsvc.accounts SET state = 'DISABLED'", ["ACCOUNT_CHANGED"]),
        ("UPDATE authsvc.accounts SET display_name = 'other'", ["ACCOUNT_CHANGED"]),
        (
            "DELETE FROM authsvc.keys; DELETE FROM authsvc.accounts",
            ["KEY_CHANGED", "ACCOUNT_CHANGED"],
        ),
    ],
)
async def test_a_change_that_is_made_by_hand_is_logged_like_any_other(
    shared_service: Service,
    shared_client: AsyncAuthClient,
    statement: str,
    kinds: list[str],
) -> None:
    account_id = (await shared_service.create_account()).account_id
    created = await shared_client.create_key("by hand", account_id=account_id)

    for one in statement.split(";"):
        await shared_service.execute(f"{one} WHERE account_id = '{account_id}'")

    async with connected(url_of(shared_service)) as connection:
        logged = [tuple(row) for row in await connection.fetch(CHANGES_OF, account_id)]
    expected = ["ACCOUNT_CREATED", "KEY_CREATED", *kinds]
    assert logged == [
        (kind, created.key.key_id if kind.startswith("KEY") else "") for kind in expected
    ]


@pytest.mark.parametrize("table", ["keys", "accounts"])
async def test_a_row_has_the_revision_of_its_last_change(
    shared_service: Service, shared_client: AsyncAuthClient, table: str
) -> None:
    account_id = (await shared_service.create_account()).account_id
    created = await shared_client.create_key("by hand", account_id=account_id)
    column = "disabled = true" if table == "keys" else "state = 'DISABLED'"

    # When it is changed by hand, with a revision made up
    await shared_service.execute(
        f"UPDATE authsvc.{table} SET {column}, revision = 1 WHERE account_id = '{account_id}'"
    )

    async with connected(url_of(shared_service)) as connection:
        revision = await connection.fetchval(
            f"SELECT revision FROM authsvc.{table} WHERE account_id = $1", account_id
        )
        logged = await connection.fetchval(
            "SELECT max(revision) FROM authsvc.changes WHERE account_id = $1", account_id
        )
    assert revision == logged > created.revision


async def test_a_change_by_hand_waits_its_turn_among_the_writers(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    account_id = (await shared_service.create_account()).account_id
    await shared_client.create_key("by hand", account_id=account_id)
    statement = f"UPDATE authsvc.keys SET disabled = true WHERE account_id = '{account_id}'"

    async with connected(url_of(shared_service)) as reader:
        async with locked(shared_service, WRITERS_LOCKED) as slow:
            by_hand = asyncio.create_task(shared_service.execute(statement))

            async def waits() -> bool:
                return bool(
                    await reader.fetchval(
                        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                        " AND database = (SELECT oid FROM pg_database"
                        " WHERE datname = current_database())"
                    )
                )

            await until(waits)
            slow_revision = await slow.fetchval(
                "SELECT authsvc.append_change('KEY_CREATED', 'acct_slow', 'key_slow')"
            )
        await by_hand

        later = await reader.fetchval(
            "SELECT max(revision) FROM authsvc.changes WHERE account_id = $1", account_id
        )
    assert later > slow_revision


async def test_a_change_of_many_rows_and_changes_of_single_ones_do_not_deadlock(
    service: Service, client: AsyncAuthClient
) -> None:
    # Given many keys
    account_id = service.account.account_id
    created = [await client.create_key(fresh_name(), account_id=account_id) for _ in range(60)]

    # When all are changed by hand, over and over, while each is revoked
    async def change_all() -> None:
        for _ in range(10):
            await service.execute(
                f"UPDATE authsvc.keys SET disabled = false WHERE account_id = '{account_id}'"
            )

    by_hand = asyncio.create_task(change_all())
    revoked = await asyncio.gather(
        *(client.revoke_key(key_id=one.key.key_id) for one in reversed(created))
    )
    await by_hand

    # Then nothing had to be given up
    assert len({one.revision for one in revoked}) == 60
