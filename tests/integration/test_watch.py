"""WatchRevocations: every change is told, once and in order, to those who may hear it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import pytest

from authsvc.postgres.changes import prune_changes
from orchestrator.auth.v1 import auth_service_pb2 as pb
from tests.integration.support import (
    Stubs,
    connected,
    until,
)
from tests.integration.support_fresh import NewKey, Served, served
from tests.integration.support_proxy import proxied

if TYPE_CHECKING:
    WatchCall = grpc.aio.UnaryStreamCall[pb.WatchRevocationsRequest, pb.WatchRevocationsResponse]

from tests.integration.watching import APPEND, Told, kind_of, read, read_until, watch, watched


async def read_through(call: WatchCall, revision: int) -> list[Told]:
    """Read what is told up to a revision, without heartbeats."""
    heard = await read_until(call, lambda told: told.revision >= revision)
    return [told for told in heard if kind_of(told) != "heartbeat"]


async def revoke(server: Served, key: NewKey) -> int:
    return (await server.client.revoke_key(key_id=key.key_id)).revision


async def test_a_revocation_is_told_with_its_revision(database_url: str) -> None:
    async with watched(database_url) as it:
        key = await it.server.new_key()
        revision = await revoke(it.server, key)

        (told,) = await read_through(it.call, revision)

        assert told == Told(
            key_revoked=pb.KeyRevoked(key_id=key.key_id, account_id=it.service.account.account_id),
            revision=revision,
        )


async def test_a_key_disabled_enabled_narrowed_or_deleted_by_hand_is_told_as_changed(
    database_url: str,
) -> None:
    async with watched(database_url) as it:
        key = await it.server.new_key()
        where = f"WHERE key_id = '{key.key_id}'"
        await it.service.execute(
            f"UPDATE authsvc.keys SET disabled = true {where}",
            f"UPDATE authsvc.keys SET disabled = false {where}",
            f"UPDATE authsvc.keys SET scopes = '{{a}}' {where}",
            f"DELETE FROM authsvc.keys {where}",
        )

        heard = await read_through(it.call, key.revision + 4)

        changed = pb.KeyChanged(key_id=key.key_id, account_id=it.service.account.account_id)
        assert heard == [
            Told(key_changed=changed, revision=key.revision + number) for number in range(1, 5)
        ]


async def test_a_change_of_an_account_is_told(database_url: str) -> None:
    async with watched(database_url) as it:
        await it.service.execute(
            "UPDATE authsvc.accounts SET state = 'DISABLED' WHERE NOT is_system"
        )

        (told,) = await read_through(it.call, it.first.revision + 1)

        assert told.account_changed.account_id == it.service.account.account_id


async def test_what_comes_to_exist_is_not_told_but_moves_the_revision_on(
    database_url: str,
) -> None:
    async with watched(database_url) as it:
        await it.service.create_account()
        key = await it.server.new_key()

        assert await read_through(it.call, key.revision) == []


async def test_use_of_a_key_is_no_change(database_url: str) -> None:
    async with watched(database_url, usage_flush_interval=0.1) as it:
        key = await it.server.new_key()
        await it.server.client.validate(key.secret)

        async def is_written() -> bool:
            async with connected(database_url) as connection:
                return bool(
                    await connection.fetchval(
                        "SELECT last_use_time FROM authsvc.keys WHERE key_id = $1", key.key_id
                    )
                )

        await until(is_written)
        revision = await revoke(it.server, key)

        assert [kind_of(told) for told in await read_through(it.call, revision)] == ["key_revoked"]
        assert revision == key.revision + 1


async def test_a_heartbeat_comes_each_second_and_says_up_to_when_all_was_told(
    database_url: str,
) -> None:
    async with watched(database_url) as it:
        begun = datetime.now(UTC)
        beats = [await read(it.call) for _ in range(3)]
        ended = datetime.now(UTC)

        assert [kind_of(beat) for beat in beats] == ["heartbeat"] * 3
        moments = [beat.heartbeat.as_of.ToDatetime(UTC) for beat in beats]
        assert moments == sorted(set(moments))
        assert begun - timedelta(seconds=1) <= moments[0]
        assert moments[-1] <= ended
        assert {beat.revision for beat in beats} == {it.first.revision}


async def test_a_heartbeat_follows_a_group_of_events(database_url: str) -> None:
    async with watched(database_url) as it:
        revision = await revoke(it.server, await it.server.new_key())
        await read_through(it.call, revision)

        beat = await read(it.call)

        assert (kind_of(beat), beat.revision) == ("heartbeat", revision)


async def test_who_resumes_is_told_what_it_missed_once_and_in_order(database_url: str) -> None:
    async with watched(database_url) as it:
        keys = [await it.server.new_key() for _ in range(5)]
        revisions = [await revoke(it.server, key) for key in keys]

        resumed = watch(it.stubs, it.service.admin_key, revisions[1])
        later = await revoke(it.server, await it.server.new_key())
        heard = await read_through(resumed, later)

        assert [told.revision for told in heard] == [*revisions[2:], later]
        assert {kind_of(told) for told in heard} == {"key_revoked"}


async def test_who_resumes_over_many_pages_is_told_everything(database_url: str) -> None:
    async with watched(database_url) as it:
        await it.service.execute(APPEND.format(2500))

        resumed = watch(it.stubs, it.service.admin_key, it.first.revision)
        heard = await read_through(resumed, it.first.revision + 2500)

        assert [told.revision - it.first.revision for told in heard] == list(range(1, 2501))


async def test_who_subscribes_amid_revocations_is_told_each_once_and_in_order(
    database_url: str,
) -> None:
    async with watched(database_url) as it:
        keys = [await it.server.new_key() for _ in range(200)]
        start = keys[-1].revision
        revisions: list[int] = []
        streams: list[tuple[int, asyncio.Task[list[Told]]]] = []
        all_done = asyncio.Event()

        async def listen(after: int) -> list[Told]:
            call = watch(it.stubs, it.service.admin_key, after)
            # The last revision is not known before all are made.
            heard = await read_until(
                call, lambda told: all_done.is_set() and told.revision >= max(revisions)
            )
            call.cancel()
            return [told for told in heard if kind_of(told) != "heartbeat"]

        async def revoke_some(some: list[NewKey]) -> None:
            for key in some:
                revisions.append(await revoke(it.server, key))
                if len(revisions) % 8 == 0:
                    # From the very start, and from points that are being passed right now
                    points = (start, max(revisions), max(revisions) - 3)
                    streams.extend((after, asyncio.create_task(listen(after))) for after in points)

        await asyncio.gather(*(revoke_some(keys[number::4]) for number in range(4)))
        all_done.set()

        assert len(revisions) == 200
        for after, stream in streams:
            heard = await stream
            assert [told.revision for told in heard] == [
                revision for revision in sorted(revisions) if revision > after
            ]
            assert {kind_of(told) for told in heard} <= {"key_revoked"}


async def test_who_resumes_from_before_what_is_kept_is_reset(database_url: str) -> None:
    async with watched(database_url) as it:
        key = await it.server.new_key()
        revision = await revoke(it.server, key)
        async with connected(database_url) as connection:
            await prune_changes(connection, timedelta(0), 1000)

        resumed = watch(it.stubs, it.service.admin_key, key.revision)
        told = await read(resumed)

        assert (kind_of(told), told.revision) == ("reset", revision)
        # And goes on from there
        later = await revoke(it.server, await it.server.new_key())
        assert [one.revision for one in await read_through(resumed, later)] == [later]


async def test_who_has_seen_everything_that_was_pruned_is_not_reset(database_url: str) -> None:
    async with watched(database_url) as it:
        revision = await revoke(it.server, await it.server.new_key())
        async with connected(database_url) as connection:
            await prune_changes(connection, timedelta(0), 1000)

        told = await read(watch(it.stubs, it.service.admin_key, revision))

        assert (kind_of(told), told.revision) == ("heartbeat", revision)


async def test_who_resumes_from_a_revision_that_never_was_is_reset(database_url: str) -> None:
    async with watched(database_url) as it:
        resumed = watch(it.stubs, it.service.admin_key, it.first.revision + 1000)

        told = await read(resumed)

        assert (kind_of(told), told.revision) == ("reset", it.first.revision)
        # And what comes is told, though its revision is less than the one that was asked for
        later = await revoke(it.server, await it.server.new_key())
        assert [one.revision for one in await read_through(resumed, later)] == [later]


async def test_a_follower_that_missed_something_resets_every_stream(database_url: str) -> None:
    async with watched(database_url) as it:
        await it.service.execute(APPEND.format(10))
        await read_through(it.call, it.first.revision + 10)

        # When the database is set back
        await it.service.execute(
            f"DELETE FROM authsvc.changes WHERE revision > {it.first.revision}",
            f"ALTER TABLE authsvc.changes ALTER revision RESTART WITH {it.first.revision + 1}",
        )
        reset = (await read_until(it.call, lambda told: kind_of(told) == "reset"))[-1]

        # Then the stream goes on from there
        assert reset.revision == it.first.revision
        revision = await revoke(it.server, await it.server.new_key())
        assert [told.revision for told in await read_through(it.call, revision)] == [revision]


async def test_who_reads_too_slowly_is_reset_and_goes_on(database_url: str) -> None:
    async with (
        served(database_url, watch_buffer=50) as server,
        # A small window, so that not much is on its way
        grpc.aio.insecure_channel(
            server.service.address,
            options=(("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)),
        ) as channel,
    ):
        stubs = Stubs.on(channel)
        slow = watch(stubs, server.service.admin_key)
        first = await read(slow)

        # When far more happens than the buffer and the window hold, and nobody reads
        rounds, each = 400, 40
        last = first.revision + rounds * each
        async with connected(database_url) as connection:
            for _ in range(rounds):
                await connection.execute(APPEND.format(each))
        heard = await read_until(slow, lambda told: kind_of(told) == "reset")

        # Then what it is told before the reset is whole, and it goes on after it
        told = [one.revision for one in heard if kind_of(one) == "key_revoked"]
        assert told == list(range(first.revision + 1, first.revision + 1 + len(told)))
        assert len(told) < rounds * each
        rest = await read_until(slow, lambda told: told.revision >= last)
        assert [one.revision for one in rest] == sorted(one.revision for one in rest)
        slow.cancel()


async def test_no_event_carries_a_secret_or_a_digest(database_url: str) -> None:
    async with watched(database_url) as it:
        key = await it.server.new_key()
        await it.service.execute(
            f"UPDATE authsvc.keys SET disabled = true WHERE key_id = '{key.key_id}'"
        )
        revision = await revoke(it.server, key)
        heard = await read_through(it.call, revision)

        on_the_wire = b"".join(told.SerializeToString() for told in heard)

        async with connected(database_url) as connection:
            (row,) = await connection.fetch(
                "SELECT digest, name, hint FROM authsvc.keys WHERE key_id = $1", key.key_id
            )
        assert key.key_id.encode() in on_the_wire
        for secret in (
            key.secret.encode(),
            row["digest"],
            row["digest"].hex().encode(),
            row["name"].encode(),
            row["hint"].encode(),
        ):
            assert secret not in on_the_wire


async def test_no_heartbeat_claims_what_the_follower_has_not_seen(database_url: str) -> None:
    async with proxied(database_url) as proxy, watched(proxy.url) as it:
        # Given a follower that hears nothing
        proxy.swallows_listen = True
        for link in proxy.followers:
            link.is_black_hole = True
        async with connected(database_url) as connection:
            await connection.execute(APPEND.format(1))
            since = datetime.now(UTC)
        silence: list[Told] = []

        async def listen() -> None:
            while True:
                silence.append(await read(it.call))

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await listen()

        assert all(kind_of(told) == "heartbeat" for told in silence)
        assert all(told.heartbeat.as_of.ToDatetime(UTC) <= since for told in silence)
        proxy.swallows_listen = False
