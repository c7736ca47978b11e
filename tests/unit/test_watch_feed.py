"""The feed of changes to streams: bounded buffers, and what a stream makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import cast

import pytest

from authsvc.domain.changes import Change, ChangeKind, ChangeLogPage, Watermark
from authsvc.domain.clock import Deadline
from authsvc.domain.errors import (
    CallerNotPermitted,
    DatabaseUnavailable,
    InvalidRequest,
    ServerStopping,
    TooManyStreams,
)
from authsvc.usecases.call import Call
from authsvc.usecases.watch_revocations import (
    Event,
    Heartbeat,
    Reset,
    RevocationFeed,
    WatchRevocations,
)
from tests.unit.examples import NOW, ORIGIN, NoHurry, a_caller, a_system_caller

Stream = AsyncGenerator[Event, None]


class Log:
    """Past changes in memory."""

    def __init__(self, *changes: Change, pruned_through: int = 0) -> None:
        self.changes = list(changes)
        self.pruned_through = pruned_through
        self.is_away = False

    async def read_changes(self, after: int, limit: int, deadline: Deadline) -> ChangeLogPage:
        assert deadline
        if self.is_away:
            raise DatabaseUnavailable
        later = [change for change in self.changes if change.revision > after]
        newest = max([self.pruned_through, *(change.revision for change in self.changes)])
        return ChangeLogPage(later[:limit], newest, self.pruned_through)


class Bench:
    def __init__(self, *, max_streams: int = 10, buffer: int = 5, log: Log | None = None) -> None:
        self.feed = RevocationFeed(max_streams=max_streams, buffer=buffer)
        self.log = log or Log()
        self.watch_revocations = WatchRevocations(feed=self.feed, log=self.log)
        self.call = Call(a_system_caller("authsvc:validate"), NoHurry(), ORIGIN)

    def watch(self, after_revision: int = 0) -> Stream:
        return cast("Stream", self.watch_revocations(after_revision, self.call))

    def happens(self, *changes: Change) -> None:
        """Let the follower tell of changes that it reads at once."""
        self.feed.on_changes(changes)
        self.catches_up(changes[-1].revision)

    def catches_up(self, revision: int) -> None:
        moment = NOW + timedelta(seconds=revision)
        self.feed.on_caught_up(Watermark(revision, moment, float(revision)))


def revoked(revision: int) -> Change:
    return Change(revision, ChangeKind.KEY_REVOKED, "acct_1", f"key_{revision}")


def created(revision: int) -> Change:
    return Change(revision, ChangeKind.KEY_CREATED, "acct_1", f"key_{revision}")


def heartbeat(revision: int, of: int | None = None) -> Heartbeat:
    return Heartbeat(revision, NOW + timedelta(seconds=revision if of is None else of))


async def some(stream: Stream, number: int) -> list[Event]:
    async with asyncio.timeout(5):
        return [await anext(stream) for _ in range(number)]


async def has_nothing(stream: Stream) -> bool:
    waiting = asyncio.ensure_future(anext(stream))
    done, _ = await asyncio.wait([waiting], timeout=0.01)
    waiting.cancel()
    return not done


async def test_a_stream_tells_changes_and_then_that_there_are_no_more() -> None:
    bench = Bench()
    bench.catches_up(1)
    stream = bench.watch()
    assert await some(stream, 1) == [heartbeat(1)]

    bench.happens(revoked(2), created(3), revoked(4))

    assert await some(stream, 3) == [revoked(2), revoked(4), heartbeat(4)]


async def test_a_stream_that_begins_before_anything_was_followed_tells_nothing_yet() -> None:
    assert await has_nothing(Bench().watch())


async def test_each_moment_is_told_once() -> None:
    bench = Bench()
    bench.catches_up(1)
    stream = bench.watch()

    assert await some(stream, 1) == [heartbeat(1)]
    assert await has_nothing(stream)


@pytest.mark.parametrize("after", range(1, 8))
async def test_what_is_read_and_what_is_passed_on_meet_without_gap_or_repetition(
    after: int,
) -> None:
    # Given a log that has changes which the follower has yet to tell of
    bench = Bench(buffer=100, log=Log(*map(revoked, range(1, 8))))
    bench.catches_up(3)
    stream = bench.watch(after)
    told = await some(stream, 7 - after + 1)
    assert told == [*map(revoked, range(after + 1, 8)), heartbeat(7, of=3)]

    # When it tells of them, and of one more
    bench.happens(*map(revoked, range(4, 9)))

    assert await some(stream, 2) == [revoked(8), heartbeat(8)]


async def test_what_happens_while_old_changes_are_read_is_told_after_them() -> None:
    bench = Bench(buffer=100, log=Log(*map(revoked, range(1, 4))))
    bench.catches_up(3)
    stream = bench.watch(1)
    assert await some(stream, 1) == [revoked(2)]

    bench.happens(revoked(4), revoked(5))

    assert await some(stream, 4) == [revoked(3), revoked(4), revoked(5), heartbeat(5)]


@pytest.mark.parametrize(
    ("after", "log"),
    [(2, Log(*map(revoked, range(4, 6)), pruned_through=3)), (9, Log(*map(revoked, range(1, 6))))],
    ids=["pruned", "never was"],
)
async def test_one_who_cannot_be_told_all_is_reset_and_goes_on(after: int, log: Log) -> None:
    bench = Bench(log=log)
    bench.catches_up(5)
    stream = bench.watch(after)
    assert await some(stream, 2) == [Reset(5), heartbeat(5)]

    bench.happens(revoked(6))

    assert await some(stream, 2) == [revoked(6), heartbeat(6)]


async def test_one_who_does_not_read_holds_no_more_than_its_buffer() -> None:
    bench = Bench(buffer=5)
    bench.catches_up(1)
    subscription = bench.feed.subscribe()

    for revision in range(2, 1000):
        bench.happens(revoked(revision))
        assert len(subscription.events) <= 5


async def test_one_who_does_not_read_is_reset_in_place_of_what_was_waiting() -> None:
    bench = Bench(buffer=5)
    bench.catches_up(1)
    stream = bench.watch()
    await some(stream, 1)

    for revision in range(2, 100):
        bench.happens(revoked(revision))
    assert await some(stream, 2) == [Reset(99), heartbeat(99)]

    bench.happens(revoked(100))
    assert await some(stream, 2) == [revoked(100), heartbeat(100)]
    assert (bench.feed.resets.count, bench.feed.streams) == (1, 1)


async def test_one_who_is_slow_while_it_is_reset_is_reset_again() -> None:
    bench = Bench(buffer=2)
    bench.catches_up(1)
    stream = bench.watch()
    await some(stream, 1)
    bench.happens(*map(revoked, range(2, 6)))
    assert await some(stream, 1) == [Reset(5)]

    bench.happens(*map(revoked, range(6, 10)))

    assert await some(stream, 2) == [Reset(9), heartbeat(9)]


async def test_no_heartbeat_covers_what_an_overflow_took() -> None:
    bench = Bench(buffer=2)
    bench.catches_up(1)
    stream = bench.watch()
    await some(stream, 1)
    bench.happens(revoked(2))
    assert await some(stream, 1) == [revoked(2)]

    # When more comes than fits, while the stream waits for its reader
    bench.happens(*map(revoked, range(3, 9)))

    assert await some(stream, 2) == [Reset(8), heartbeat(8)]


async def test_a_gap_resets_every_stream_even_to_an_earlier_revision() -> None:
    bench = Bench()
    bench.catches_up(9)
    streams = [bench.watch() for _ in range(2)]
    for stream in streams:
        await some(stream, 1)

    bench.feed.on_gap()
    bench.catches_up(4)

    for stream in streams:
        assert await some(stream, 2) == [Reset(4), heartbeat(4)]
    bench.happens(revoked(5))
    for stream in streams:
        assert await some(stream, 1) == [revoked(5)]


async def test_streams_are_bounded_and_give_their_place_back() -> None:
    bench = Bench(max_streams=2)
    bench.catches_up(1)
    first, second = bench.watch(), bench.watch()
    await some(first, 1)
    await some(second, 1)
    with pytest.raises(TooManyStreams):
        await some(bench.watch(), 1)

    await first.aclose()

    await some(bench.watch(), 1)


async def test_a_stream_that_fails_gives_its_place_back() -> None:
    bench = Bench(max_streams=1, log=Log(revoked(1)))
    bench.log.is_away = True
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            await some(bench.watch(1), 1)


async def test_when_the_server_stops_streams_end_and_none_begins() -> None:
    bench = Bench()
    bench.catches_up(1)
    stream = bench.watch()
    await some(stream, 1)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)

    bench.feed.stop()

    with pytest.raises(ServerStopping):
        await waiting
    with pytest.raises(ServerStopping):
        await some(bench.watch(), 1)


async def test_a_negative_revision_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        await some(Bench().watch(-1), 1)


async def test_a_caller_needs_the_scope_from_beginning_to_end() -> None:
    bench = Bench(max_streams=1)
    bench.catches_up(1)
    stream = bench.watch()
    await some(stream, 1)
    bench.happens(revoked(2))
    bench.call.caller = a_caller("*")

    with pytest.raises(CallerNotPermitted):
        await some(stream, 1)
    with pytest.raises(CallerNotPermitted):
        await some(bench.watch(), 1)
