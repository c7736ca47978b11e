"""What keys are used for is counted, and a clean stop loses nothing of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import asyncpg

from authsvc import app
from authsvc.domain.usage_batches import SourceKind, UsageBatch
from authsvc.postgres.usage import PostgresUsage
from orchestrator.auth import AuthServiceError
from orchestrator.auth.v1 import auth_service_pb2 as pb
from tests.conftest import Service
from tests.integration.support import bearer, connected, stubs_of, until, until_waiting, url_of
from tests.integration.support_fresh import Served, remembered, served, until_verdict
from tests.integration.support_proxy import proxied

NEVER = 3600.0
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
USAGE_LOCKED = "LOCK TABLE authsvc.key_usage IN ACCESS EXCLUSIVE MODE"


async def usage_of(url: str) -> Counter[tuple[str, str]]:
    """Return the counts in the database by key id and outcome."""
    async with connected(url) as connection:
        rows = await connection.fetch(
            "SELECT key_id, outcome, sum(count)::bigint AS count FROM authsvc.key_usage"
            " GROUP BY key_id, outcome"
        )
    return Counter({(row["key_id"], row["outcome"]): row["count"] for row in rows})


def a_batch(
    *key_ids: str,
    sequence: int = 1,
    writer_id: str = "writer",
    hour: datetime = NOON,
    seen: datetime = NOON,
    outcome: str = "OK",
    count: int = 1,
    addresses: Sequence[str] = (),
) -> UsageBatch:
    """Make a batch with the same count for each of some keys, and for each of their addresses."""
    return UsageBatch(
        writer_id=writer_id,
        sequence=sequence,
        hour=hour,
        seen_time=seen,
        counts={(key_id, outcome): count for key_id in key_ids},
        sources={
            (key_id, SourceKind.ADDRESS, address): count
            for key_id in key_ids
            for address in addresses
        },
    )


async def id_of(server: Served) -> str:
    """Return the id of the key that the server's client calls with."""
    verdict = await server.client.check(server.service.admin_key)
    assert verdict.principal is not None
    assert verdict.principal.key_id
    return verdict.principal.key_id


async def last_use_of(connection: asyncpg.Connection, key_id: str) -> datetime | None:
    moment: datetime | None = await connection.fetchval(
        "SELECT last_use_time FROM authsvc.keys WHERE key_id = $1", key_id
    )
    return moment


async def test_after_a_clean_stop_the_counts_are_those_of_the_calls_made(
    database_url: str,
) -> None:
    async with served(database_url, usage_flush_interval=NEVER) as server:
        good, revoked, narrow = [await server.new_key(s) for s in ("*", "*", "sessions:read")]
        await server.client.revoke_key(key_id=revoked.key_id)
        for _ in range(30):
            await server.client.check(good.secret)
        for _ in range(7):
            await server.client.check(revoked.secret, authoritative=True)
        for _ in range(5):
            await server.client.check(narrow.secret, required_scopes=["sessions:write"])
        for malformed in ("", "orch_1", "orch_" + "0" * 40):
            await server.client.check(malformed)
        async with stubs_of(server.service.address) as stubs:
            questions = [pb.ValidateCredentialRequest(credential=good.secret)] * 20
            await stubs.auth.BatchValidateCredentials(
                pb.BatchValidateCredentialsRequest(requests=questions),
                metadata=bearer(server.service.admin_key),
            )
        admin = await id_of(server)

    # 3 creations, a revocation, 46 checks with the one for the id, a batch, and itself that once
    assert await usage_of(database_url) == {
        (good.key_id, "OK"): 50,
        (revoked.key_id, "KEY_REVOKED"): 7,
        (narrow.key_id, "INSUFFICIENT_SCOPE"): 5,
        (admin, "OK"): 3 + 1 + 46 + 1 + 1,
    }


async def test_the_counts_of_two_servers_add_up(database_url: str) -> None:
    async with (
        served(database_url, usage_flush_interval=0.05) as one,
        served(database_url, usage_flush_interval=0.05) as other,
    ):
        keys = [await one.new_key() for _ in range(10)]

        async def use(server: Served) -> None:
            for _ in range(20):
                await asyncio.gather(*(server.client.check(key.secret) for key in keys))

        await asyncio.gather(use(one), use(other), use(one))

    usage = await usage_of(database_url)
    assert {key.key_id: usage[key.key_id, "OK"] for key in keys} == {key.key_id: 60 for key in keys}


async def test_a_stop_in_the_middle_of_a_flush_loses_nothing_and_counts_nothing_twice(
    database_url: str,
) -> None:
    async with connected(database_url) as connection, connected(database_url) as watcher:
        transaction = connection.transaction()
        async with served(database_url, usage_flush_interval=0.05, database_timeout=10) as server:
            key = await server.new_key()
            # Given a flush that waits in the database
            await transaction.start()
            await connection.execute(USAGE_LOCKED)
            await server.client.check(key.secret)
            await until_waiting(watcher, 1)
            for _ in range(9):
                await server.client.check(key.secret)

            # When the server stops
            server.service.stop.set()
            await asyncio.sleep(0.1)
            await transaction.rollback()

    assert (await usage_of(database_url))[key.key_id, "OK"] == 10


async def test_what_could_not_be_written_is_kept_and_written_later(database_url: str) -> None:
    async with (
        proxied(database_url) as proxy,
        served(proxy.url, usage_flush_interval=NEVER, max_staleness=NEVER) as server,
    ):
        key = await server.new_key()
        await server.remember(key)
        await remembered(server.client, server.service.admin_key)
        flush = server.service.parts.usage.flush
        await flush(app.time_limit())
        before = (await usage_of(database_url))[key.key_id, "OK"]
        for _ in range(5):
            await server.client.check(key.secret)

        # When it fails, more is counted, and then it can be written
        proxy.refuse()
        await flush(app.time_limit(0.5))
        for _ in range(4):
            await server.client.check(key.secret)
        await flush(app.time_limit(0.5))
        assert (await usage_of(database_url))[key.key_id, "OK"] == before
        proxy.accept()
        await flush(app.time_limit())

        assert (await usage_of(database_url))[key.key_id, "OK"] == before + 9


async def test_flushing_goes_on_after_a_fault_in_the_database(database_url: str) -> None:
    async with served(database_url, usage_flush_interval=0.3) as server:
        key = await server.new_key()
        await server.service.execute("ALTER TABLE authsvc.key_usage RENAME TO usage_elsewhere")
        for _ in range(3):
            await server.client.check(key.secret)
            await asyncio.sleep(0.2)
        await server.service.execute("ALTER TABLE authsvc.usage_elsewhere RENAME TO key_usage")

        async def is_written() -> bool:
            return (await usage_of(database_url))[key.key_id, "OK"] == 3

        await until(is_written)


async def test_a_flush_is_one_statement_for_all_keys(database_url: str) -> None:
    async with (
        proxied(database_url) as proxy,
        served(proxy.url, usage_flush_interval=NEVER) as server,
    ):
        for _ in range(20):
            key = await server.new_key()
            await server.client.check(key.secret)

        await server.service.parts.usage.flush(app.time_limit())

        assert proxy.count_of("key_usage") == 1
        # And when there is nothing to write, there is none
        await server.service.parts.usage.flush(app.time_limit())
        assert proxy.count_of("key_usage") == 1


async def test_a_flush_is_no_change_of_a_key(service: Service) -> None:
    async with service.client() as client, connected(url_of(service)) as connection:
        await client.check(service.admin_key)
        newest = "SELECT max(revision) FROM authsvc.changes"
        before = await connection.fetchval(newest)

        await service.parts.usage.flush(app.time_limit())

        assert await connection.fetchval(newest) == before


async def test_the_time_of_last_use_is_written_at_most_once_a_minute(service: Service) -> None:
    usage = PostgresUsage(service.parts.database)
    async with service.client() as client, connected(url_of(service)) as connection:
        verdict = await client.check(service.admin_key)
        assert verdict.principal is not None
        key_id = verdict.principal.key_id
        assert key_id is not None
        written = []
        for number, seconds in enumerate((0, 30, 60, 61, 100, 122), 1):
            batch = a_batch(key_id, sequence=number, seen=NOON + timedelta(seconds=seconds))
            await usage.add_usage(batch, app.time_limit())
            written.append(await last_use_of(connection, key_id))

        at = [NOON + timedelta(seconds=seconds) for seconds in (0, 61, 122)]
        assert written == [at[0]] * 3 + [at[1]] * 2 + [at[2]]


async def test_a_key_that_somebody_is_changing_is_counted_and_holds_nobody_up(
    service: Service,
) -> None:
    secret = await service.create_key("*")
    async with connected(url_of(service)) as connection:
        key_id = await connection.fetchval(
            "SELECT key_id FROM authsvc.keys WHERE digest = sha256($1::text::bytea)", secret
        )
        usage = PostgresUsage(service.parts.database)
        async with connected(url_of(service)) as other, other.transaction():
            await other.execute("SELECT FROM authsvc.keys WHERE key_id = $1 FOR UPDATE", key_id)

            await usage.add_usage(a_batch(key_id), app.time_limit())

        assert (await usage_of(url_of(service)))[key_id, "OK"] == 1
        assert await last_use_of(connection, key_id) is None


async def test_batches_that_come_late_leave_the_first_and_last_times_right(
    service: Service,
) -> None:
    usage, later = PostgresUsage(service.parts.database), NOON + timedelta(minutes=5)
    for writer_id, seen in (("one", later), ("other", NOON), ("third", later)):
        batch = a_batch("key_1", writer_id=writer_id, seen=seen, addresses=["192.0.2.1"])
        await usage.add_usage(batch, app.time_limit())

    async with connected(url_of(service)) as connection:
        times = await connection.fetchrow(
            "SELECT first_seen_time, last_seen_time FROM authsvc.key_sources WHERE key_id = 'key_1'"
        )
    assert tuple(times or ()) == (NOON, later)


async def test_a_denied_key_was_not_used(service: Service) -> None:
    usage = PostgresUsage(service.parts.database)
    async with service.client() as client, connected(url_of(service)) as connection:
        created = await client.create_key("idle", account_id=service.account.account_id)

        await usage.add_usage(a_batch(created.key.key_id, outcome="KEY_DISABLED"), app.time_limit())

        assert await last_use_of(connection, created.key.key_id) is None


async def test_hours_are_counted_apart(service: Service) -> None:
    usage = PostgresUsage(service.parts.database)
    one = NOON + timedelta(hours=1)
    for number, (hour, count) in enumerate(((NOON, 1), (NOON, 2), (one, 4)), 1):
        batch = a_batch("key_1", sequence=number, hour=hour, count=count)
        await usage.add_usage(batch, app.time_limit())

    async with connected(url_of(service)) as connection:
        rows = await connection.fetch(
            "SELECT hour, count FROM authsvc.key_usage WHERE key_id = 'key_1' ORDER BY hour"
        )
    assert [(row["hour"], row["count"]) for row in rows] == [(NOON, 3), (one, 4)]


async def test_flushes_of_two_servers_do_not_lock_each_other_out(database_url: str) -> None:
    async with (
        served(database_url, usage_flush_interval=NEVER) as one,
        served(database_url, usage_flush_interval=NEVER) as other,
    ):
        keys = [(await one.new_key()).key_id for _ in range(200)]

        async def write(server: Served, writer_id: str, order: list[str]) -> None:
            usage = PostgresUsage(server.service.parts.database)
            for number in range(1, 11):
                batch = a_batch(
                    *order,
                    writer_id=writer_id,
                    sequence=number,
                    seen=NOON + timedelta(hours=number),
                    addresses=["192.0.2.1", "192.0.2.2"],
                )
                await usage.add_usage(batch, app.time_limit())

        await asyncio.gather(
            write(one, "a", keys), write(other, "b", keys[::-1]), write(one, "c", keys[::-1])
        )

        usage = await usage_of(database_url)
        assert {usage[key_id, "OK"] for key_id in keys} == {30}


async def test_a_batch_that_is_sent_again_changes_nothing(service: Service) -> None:
    usage = PostgresUsage(service.parts.database)
    for sequence in (1, 1, 2, 1, 2):
        batch = a_batch("key_1", sequence=sequence, addresses=["192.0.2.1"])
        await usage.add_usage(batch, app.time_limit())

    async with connected(url_of(service)) as connection:
        assert (await usage_of(url_of(service)))["key_1", "OK"] == 2
        assert await connection.fetchval("SELECT count FROM authsvc.key_sources") == 2


async def test_a_batch_that_is_sent_again_while_the_first_one_is_under_way_counts_once(
    service: Service,
) -> None:
    usage = PostgresUsage(service.parts.database)
    async with (
        connected(url_of(service)) as connection,
        connected(url_of(service)) as watcher,
    ):
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(USAGE_LOCKED)
        first = asyncio.create_task(usage.add_usage(a_batch("key_1"), app.time_limit()))
        await until_waiting(watcher, 1)
        again = asyncio.create_task(usage.add_usage(a_batch("key_1"), app.time_limit()))
        await until_waiting(watcher, 2)
        await transaction.rollback()
        await asyncio.gather(first, again)

    assert (await usage_of(url_of(service)))["key_1", "OK"] == 1


async def test_a_lost_answer_neither_loses_nor_doubles_anything(database_url: str) -> None:
    async with (
        proxied(database_url) as proxy,
        served(proxy.url, usage_flush_interval=NEVER, max_staleness=NEVER) as server,
    ):
        key = await server.new_key()
        await server.remember(key)
        flush = server.service.parts.usage.flush
        await flush(app.time_limit())
        before = (await usage_of(database_url))[key.key_id, "OK"]
        made = 0
        for lost in range(1, 6):
            for _ in range(3):
                await server.client.check(key.secret)
                made += 1
            # The statement is done, and its answer and the connection are lost.
            proxy.lose_answer_to("usage_writers")
            await flush(app.time_limit())
            assert proxy.answers_lost == lost
            await flush(app.time_limit())

            assert (await usage_of(database_url))[key.key_id, "OK"] == before + made


async def test_of_a_key_the_hundred_addresses_seen_last_are_kept(service: Service) -> None:
    usage = PostgresUsage(service.parts.database)
    for sequence in range(1, 4):
        batch = a_batch(
            "key_1",
            "key_2",
            sequence=sequence,
            seen=NOON + timedelta(minutes=sequence),
            addresses=[f"192.0.{sequence}.{number}" for number in range(60)],
        )
        await usage.add_usage(batch, app.time_limit())

    async with connected(url_of(service)) as connection:
        rows = await connection.fetch(
            "SELECT key_id, split_part(source, '.', 3) AS part, count(*)"
            " FROM authsvc.key_sources GROUP BY 1, 2 ORDER BY 1, 2"
        )
    assert [tuple(row) for row in rows] == [
        (key_id, part, count)
        for key_id in ("key_1", "key_2")
        for part, count in (("2", 40), ("3", 60))
    ]


async def test_a_call_that_is_refused_for_its_own_key_counts_for_that_key(
    database_url: str,
) -> None:
    async with served(database_url, usage_flush_interval=NEVER) as server:
        key = await server.new_key()
        await server.client.revoke_key(key_id=key.key_id)
        await until_verdict(server.client, key.secret, "KEY_REVOKED")
        await server.service.parts.usage.flush(app.time_limit())
        before = (await usage_of(database_url))[key.key_id, "KEY_REVOKED"]

        async with server.service.client(key.secret) as stranger:
            with suppress(AuthServiceError):
                await stranger.check("")

    assert (await usage_of(database_url))[key.key_id, "KEY_REVOKED"] == before + 1
