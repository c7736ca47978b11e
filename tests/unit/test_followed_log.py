"""The watermark: how fresh what is kept in memory is, and when that is not fresh enough."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from authsvc.domain.changes import Change, ChangeKind, ChangeLogPage, Watermark
from authsvc.domain.freshness import NO_DEMAND, Freshness, FreshnessDemand, FreshnessSource
from authsvc.usecases.followed_log import FollowedLog
from tests.unit.examples import ACCOUNT_ID, NOW, SECOND
from tests.unit.forging import Watch

AUTHORITATIVE = FreshnessDemand(authoritative=True)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def log(watch: Watch) -> FollowedLog:
    return FollowedLog(max_staleness=timedelta(seconds=5), monotonic=watch)


def _catch_up(log: FollowedLog, watch: Watch, revision: int = 7) -> None:
    log.on_caught_up(Watermark(revision, watch.now(), watch()))


def test_before_the_first_read_memory_answers_nothing(log: FollowedLog) -> None:
    assert log.freshness_for(NO_DEMAND) is None
    assert (log.watermark, log.age()) == (None, None)


@pytest.mark.parametrize(("age", "fresh"), [(0.0, True), (5.0, True), (5.5, False), (1e9, False)])
def test_memory_answers_until_the_greatest_staleness(
    log: FollowedLog, watch: Watch, age: float, *, fresh: bool
) -> None:
    _catch_up(log, watch)
    watch.seconds += age

    assert (log.freshness_for(NO_DEMAND) is not None) is fresh
    assert log.age() == age


def test_an_answer_says_when_the_read_of_the_log_began(log: FollowedLog, watch: Watch) -> None:
    _catch_up(log, watch)
    watch.seconds += 3

    assert log.freshness_for(NO_DEMAND) == Freshness(FreshnessSource.CACHE, NOW)


def test_each_read_of_the_log_makes_it_fresh_again(log: FollowedLog, watch: Watch) -> None:
    _catch_up(log, watch)
    watch.seconds += 6
    assert log.freshness_for(NO_DEMAND) is None

    _catch_up(log, watch)

    assert log.freshness_for(NO_DEMAND) == Freshness(FreshnessSource.CACHE, NOW + 6 * SECOND)


def test_changes_that_were_seen_do_not_make_it_fresher(log: FollowedLog, watch: Watch) -> None:
    _catch_up(log, watch)
    watch.seconds += 6

    log.on_changes([Change(8, ChangeKind.ACCOUNT_CHANGED, ACCOUNT_ID, "")])

    assert log.freshness_for(NO_DEMAND) is None


def test_after_a_gap_memory_answers_nothing(log: FollowedLog, watch: Watch) -> None:
    _catch_up(log, watch)

    log.on_gap()

    assert log.freshness_for(NO_DEMAND) is None
    assert log.age() is None


def test_memory_never_is_authoritative(log: FollowedLog, watch: Watch) -> None:
    _catch_up(log, watch)

    assert log.freshness_for(AUTHORITATIVE) is None


@pytest.mark.parametrize(
    ("demanded", "good"), [(None, True), (1, True), (7, True), (8, False), (2**63 - 1, False)]
)
def test_memory_answers_for_the_revisions_that_it_has_seen(
    log: FollowedLog, watch: Watch, demanded: int | None, *, good: bool
) -> None:
    _catch_up(log, watch, revision=7)

    demand = FreshnessDemand(at_least_revision=demanded)

    assert (log.freshness_for(demand) is not None) is good


async def test_a_change_of_this_process_is_waited_for(log: FollowedLog, watch: Watch) -> None:
    waiting = [asyncio.create_task(log.reach(revision)) for revision in (7, 8)]
    await asyncio.sleep(0)
    assert not any(each.done() for each in waiting)

    _catch_up(log, watch, revision=7)
    await waiting[0]
    assert not waiting[1].done()

    _catch_up(log, watch, revision=9)
    await waiting[1]
    await log.reach(9)


async def test_a_change_that_does_not_come_is_not_waited_for_long(log: FollowedLog) -> None:
    await log.reach(7)

    assert log.watermark is None


@pytest.mark.parametrize("demand", [NO_DEMAND, FreshnessDemand(at_least_revision=7)])
def test_a_revision_does_not_make_up_for_age(
    log: FollowedLog, watch: Watch, demand: FreshnessDemand
) -> None:
    _catch_up(log, watch, revision=7)
    watch.seconds += 6

    assert log.freshness_for(demand) is None


@pytest.mark.parametrize(
    ("revision", "follows"), [(0, False), (9, False), (10, True), (15, True), (20, True)]
)
def test_a_page_of_a_pruned_log_follows_what_was_not_pruned(
    revision: int, *, follows: bool
) -> None:
    assert ChangeLogPage([], newest=20, pruned_through=10).follows(revision) is follows


def test_a_log_that_lost_its_latest_changes_does_not_follow() -> None:
    assert not ChangeLogPage([], newest=20, pruned_through=0).follows(21)
