"""What holds when the follower of the change log loses its connection, its notifications or time.

Servers here have a `max_staleness` that is either short, to see that memory stops answering, or an
hour, to see that a change got through by the log and by nothing else.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from authsvc import app
from authsvc.postgres import follower
from authsvc.postgres.changes import CHANNEL, prune_changes
from authsvc.postgres.connection import connect
from authsvc.postgres.history import History
from authsvc.postgres.session_limits import SessionLimits
from orchestrator.auth import AsyncAuthClient, FreshnessSource
from tests.conftest import Service
from tests.integration.support import connected, until, until_waiting, url_of
from tests.integration.support_fresh import (
    SLACK,
    NewKey,
    Served,
    reason_of,
    remembered,
    served,
    until_verdict,
)
from tests.integration.support_proxy import PostgresProxy, proxied

HOUR = 3600.0
TERMINATE_FOLLOWERS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'authsvc'
   AND (query LIKE 'LISTEN%' OR query LIKE '%pruned_through%')
"""
IDLE_FOLLOWERS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND state = 'idle' AND query LIKE '%pruned_through%'
"""
WITHOUT_TRIGGERS = "SET session_replication_role = replica"


async def disable(connection: asyncpg.Connection, key: NewKey) -> None:
    await connection.execute(
        "UPDATE authsvc.keys SET disabled = true WHERE key_id = $1", key.key_id
    )


async def until_followed(proxy: PostgresProxy) -> None:
    async def is_followed() -> bool:
        return bool(proxy.followers)

    await until(is_followed)


async def cut_follower(proxy: PostgresProxy) -> None:
    """End the follower's connection, and wait for its next one."""
    await until_followed(proxy)
    lost = proxy.followers
    for link in lost:
        link.cut()

    async def is_back() -> bool:
        return any(link not in lost for link in proxy.followers)

    await until(is_back)


async def until_source(client: AsyncAuthClient, secret: str, source: FreshnessSource) -> None:
    async def is_reached() -> bool:
        return (await client.check(secret)).freshness.source is source

    await until(is_reached)


class Auditor:
    """Validates a key all the time, and holds every answer against the promise."""

    def __init__(self, server: Served, key: NewKey, max_staleness: timedelta) -> None:
        self.server, self.key, self.max_staleness = server, key, max_staleness
        self.revoked_by: datetime | None = None
        """When it surely was revoked."""
        self.answers = 0

    async def ask(self) -> None:
        revoked_by, begun = self.revoked_by, datetime.now(UTC)
        verdict = await self.server.client.check(self.key.secret)
        self.answers += 1
        as_of = verdict.freshness.as_of
        assert as_of >= begun - self.max_staleness - SLACK
        if verdict and self.revoked_by:
            assert as_of <= self.revoked_by
        if verdict and revoked_by:
            assert begun <= revoked_by + self.max_staleness + SLACK
        if not verdict:
            assert reason_of(verdict) == "KEY_REVOKED"

    async def run(self) -> None:
        while True:
            await self.ask()
            await asyncio.sleep(0.005)

    async def revoke(self) -> None:
        await self.server.client.revoke_key(key_id=self.key.key_id)
        self.revoked_by = datetime.now(UTC)


async def test_no_answer_breaks_the_promise_while_the_follower_is_killed_over_and_over(
    database_url: str,
) -> None:
    async with served(database_url, max_staleness=1) as server:
        # Given keys that are validated all the time
        keys = [await server.new_key() for _ in range(20)]
        auditors = [Auditor(server, key, timedelta(seconds=1)) for key in keys]
        for key in keys:
            await server.remember(key)
        kills = 0
        killing = True

        async def kill() -> None:
            nonlocal kills
            async with connected(database_url) as connection:
                while killing:
                    kills += await connection.fetchval(TERMINATE_FOLLOWERS)
                    await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as group:
            audits = [group.create_task(auditor.run()) for auditor in auditors]
            killer = group.create_task(kill())

            # When they are revoked while the follower's connection dies again and again
            for auditor in auditors:
                await auditor.revoke()
                await asyncio.sleep(0.05)
            for key in keys:
                await until_verdict(server.client, key.secret, "KEY_REVOKED")
            killing = False
            await killer
            for audit in audits:
                audit.cancel()

        # Then no answer was older than it may be, and the follower is back
        assert kills > 10
        assert all(auditor.answers > 10 for auditor in auditors)
        await remembered(server.client, server.service.admin_key)


async def test_changes_get_through_without_notifications(database_url: str) -> None:
    async with (
        proxied(database_url) as proxy,
        served(proxy.url, max_staleness=HOUR) as server,
        connected(database_url) as connection,
    ):
        keys = [await server.new_key() for _ in range(2)]
        for key in keys:
            await server.remember(key)

        proxy.drops_notifications = True
        for key in keys:
            await disable(connection, key)
            await until_verdict(server.client, key.secret, "KEY_DISABLED")

        assert proxy.notifications_dropped >= 2


async def test_memory_does_not_answer_while_the_follower_hears_nothing(
    database_url: str,
) -> None:
    async with (
        proxied(database_url) as proxy,
        served(proxy.url, max_staleness=0.5) as server,
        connected(database_url) as connection,
    ):
        revoked, good = await server.new_key(), await server.new_key()
        await server.remember(revoked)
        auditor = Auditor(server, good, timedelta(seconds=0.5))

        # When every byte of the follower is lost, on this connection and on any new one
        proxy.swallows_listen = True
        for link in proxy.followers:
            link.is_black_hole = True
        await disable(connection, revoked)

        # Then what is in memory stops to answer, and what is read instead is true
        await until_verdict(server.client, revoked.secret, "KEY_DISABLED")
        await until_source(server.client, good.secret, FreshnessSource.DATABASE)
        for _ in range(10):
            await auditor.ask()

        # And when the network is well again, memory answers again
        proxy.swallows_listen = False
        await server.remember(good)


async def test_a_follower_whose_connection_died_silently_takes_another_one(
    database_url: str,
) -> None:
    async with (
        proxied(database_url) as proxy,
        served(proxy.url, max_staleness=HOUR) as server,
        connected(database_url) as connection,
    ):
        key = await server.new_key()
        await server.remember(key)
        await until_followed(proxy)

        for link in proxy.followers:
            link.is_black_hole = True
        await disable(connection, key)

        await until_verdict(server.client, key.secret, "KEY_DISABLED")


async def test_a_follower_that_is_lost_while_it_begins_to_listen_takes_another_connection(
    database_url: str,
) -> None:
    async with (
        proxied(database_url) as proxy,
        served(proxy.url, max_staleness=HOUR) as server,
        connected(database_url) as connection,
    ):
        key = await server.new_key()
        await server.remember(key)
        await until_followed(proxy)

        # Given a follower whose new connection goes silent with its very first statement
        proxy.swallows_listen = True
        await cut_follower(proxy)
        proxy.swallows_listen = False
        await disable(connection, key)

        await until_verdict(server.client, key.secret, "KEY_DISABLED")


async def test_a_writer_that_is_slow_to_commit_is_not_skipped(database_url: str) -> None:
    async with (
        served(database_url, max_staleness=HOUR) as server,
        connected(database_url) as slow,
        connected(database_url) as watcher,
    ):
        first, second = await server.new_key(), await server.new_key()
        for key in (first, second):
            await server.remember(key)

        # Given a change that has its number, and is not committed yet
        transaction = slow.transaction()
        await transaction.start()
        await disable(slow, first)

        # When another one is made meanwhile
        revocation = asyncio.create_task(server.client.revoke_key(key_id=second.key_id))
        await until_waiting(watcher, 1)
        assert await server.client.check(first.secret)
        await transaction.commit()
        await revocation

        # Then both are seen
        await until_verdict(server.client, second.secret, "KEY_REVOKED")
        await until_verdict(server.client, first.secret, "KEY_DISABLED")


async def test_writers_of_the_same_keys_wait_for_each_other_and_do_not_deadlock(
    database_url: str,
) -> None:
    async with served(database_url, database_timeout=10) as server:
        keys = [await server.new_key() for _ in range(30)]
        for key in keys:
            await server.remember(key)

        async def disable_all() -> None:
            async with connected(database_url) as connection:
                await connection.execute(
                    "UPDATE authsvc.keys SET disabled = true WHERE key_id = ANY($1::text[])",
                    [key.key_id for key in keys],
                )

        await asyncio.gather(
            *(disable_all() for _ in range(4)),
            *(server.client.revoke_key(key_id=key.key_id) for key in reversed(keys)),
        )

        for key in keys:
            await until_verdict(server.client, key.secret, "KEY_REVOKED")


async def test_a_change_that_is_rolled_back_does_not_hold_up_others(database_url: str) -> None:
    async with (
        served(database_url, max_staleness=HOUR) as server,
        connected(database_url) as connection,
    ):
        first, second = await server.new_key(), await server.new_key()
        for key in (first, second):
            await server.remember(key)

        with suppress(ZeroDivisionError):
            async with connection.transaction():
                await disable(connection, first)
                raise ZeroDivisionError
        await disable(connection, second)

        await until_verdict(server.client, second.secret, "KEY_DISABLED")
        assert await server.client.check(first.secret)


async def test_a_follower_that_comes_back_after_pruning_forgets_everything(
    database_url: str,
) -> None:
    async with (
        proxied(database_url) as proxy,
        served(proxy.url, max_staleness=HOUR) as server,
        connected(database_url) as connection,
    ):
        key = await server.new_key()
        await server.remember(key)
        await until_followed(proxy)

        # Given a change that is pruned while the follower is away
        proxy.swallows_listen = True
        for link in proxy.followers:
            link.is_black_hole = True
        await disable(connection, key)
        await connection.execute(
            "UPDATE authsvc.changes SET change_time = change_time - interval '2 hours'"
        )
        await prune_changes(connection, timedelta(hours=1), 1000)
        assert await connection.fetchval("SELECT count(*) FROM authsvc.changes") == 0
        assert await server.client.check(key.secret)

        # When the follower is back, then it knows that it has missed something
        proxy.swallows_listen = False
        await until_verdict(server.client, key.secret, "KEY_DISABLED")


async def test_pruning_takes_nothing_that_is_young_and_keeps_the_newest_revision(
    service: Service,
) -> None:
    async with connected(url_of(service)) as connection:
        newest = await connection.fetchval("SELECT max(revision) FROM authsvc.changes")
        await connection.execute(
            "UPDATE authsvc.changes SET change_time = change_time - interval '2 hours'"
            " WHERE revision < $1",
            newest,
        )

        await prune_changes(connection, timedelta(hours=1), 1000)

        left = await connection.fetch("SELECT revision FROM authsvc.changes")
        pruned = await connection.fetchval("SELECT pruned_through FROM authsvc.change_log")
        assert [row["revision"] for row in left] == [newest]
        assert pruned == newest - 1
        await prune_changes(connection, timedelta(0), 1000)
        assert await connection.fetchval("SELECT pruned_through FROM authsvc.change_log") == newest


async def test_a_database_that_was_set_back_is_noticed(database_url: str) -> None:
    async with (
        served(database_url, max_staleness=HOUR) as server,
        connected(database_url) as connection,
    ):
        await connection.execute(WITHOUT_TRIGGERS)
        kept = await server.new_key()
        lost = [await server.new_key() for _ in range(3)]
        for key in (kept, *lost):
            await server.remember(key)

        # When the database is as it was before the latest keys were made
        async with connection.transaction():
            for key in lost:
                await connection.execute("DELETE FROM authsvc.keys WHERE key_id = $1", key.key_id)
            await connection.execute(
                "DELETE FROM authsvc.changes WHERE revision > $1", kept.revision
            )
            await connection.execute(
                f"ALTER TABLE authsvc.changes ALTER revision RESTART WITH {kept.revision + 1}"
            )

        # Then those keys are not known any more, and the log is followed from there
        for key in lost:
            await until_verdict(server.client, key.secret, "KEY_NOT_FOUND")
        await server.remember(kept)
        revoked = await server.client.revoke_key(key_id=kept.key_id)
        assert revoked.revision <= lost[0].revision
        await until_verdict(server.client, kept.secret, "KEY_REVOKED")


async def test_more_changes_than_fit_on_a_page_are_all_followed(database_url: str) -> None:
    async with (
        served(database_url, max_staleness=HOUR) as server,
        connected(database_url) as connection,
    ):
        keys = [await server.new_key() for _ in range(3)]
        for key in keys:
            await server.remember(key)

        # When over two pages of changes become visible at once, with ours at all ends of them
        async with connection.transaction():
            for key, following in zip(keys, (1200, 1200, 0), strict=True):
                await disable(connection, key)
                await connection.execute(
                    "SELECT authsvc.append_change('KEY_CHANGED', 'acct_x', 'key_x')"
                    " FROM generate_series(1, $1)",
                    following,
                )

        for key in keys:
            await until_verdict(server.client, key.secret, "KEY_DISABLED")


async def test_keys_used_all_the_time_do_not_lose_their_place_to_ones_used_once(
    database_url: str,
) -> None:
    async with served(database_url, cache_records=20, cache_absent=5) as server:
        favourite = await server.new_key()
        others = [await server.new_key() for _ in range(40)]
        await server.remember(favourite)

        for number, key in enumerate(others):
            await server.client.check(key.secret)
            await server.client.check(f"orch_{number:040x}")
            verdict = await server.client.check(favourite.secret)
            assert verdict.freshness.source is FreshnessSource.CACHE


async def test_it_ends_when_a_change_comes_with_the_end(
    parts: app.Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[asyncpg.Connection] = []

    async def connect_in_sight(
        url: str, limits: SessionLimits, *, history: History
    ) -> asyncpg.Connection:
        opened.append(await connect(url, limits, history=history))
        return opened[-1]

    monkeypatch.setattr(follower, "connect", connect_in_sight)
    async with connected(parts.settings.database_url.get_secret_value()) as writer:
        # Given a follower that waits, and is told to end by what wakes it
        following = asyncio.create_task(parts.judging.follower.run())

        async def waits() -> bool:
            return bool(await writer.fetchval(IDLE_FOLLOWERS))

        await until(waits)

        def end(*_: object) -> None:
            following.cancel()

        await opened[0].add_listener(CHANNEL, end)

        await writer.execute(f"NOTIFY {CHANNEL}")

        # Then it does
        async with asyncio.timeout(10):
            await asyncio.wait([following])
    assert following.cancelled()
