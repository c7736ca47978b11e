"""Rate limits counted in this process: what passes, when the next does, and what is kept."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.rate_limits import RateLimit
from authsvc.domain.takings import Taken, Wanted
from authsvc.rate_limits.in_process import InProcessLimits
from authsvc.rate_limits.windows import WindowsInMemory
from tests.unit.examples import KEY_ID, SECOND

MILLISECOND = timedelta(milliseconds=1)
MINUTE = timedelta(minutes=1)
THREE = RateLimit(3, MINUTE)
OTHER_KEY_ID = "key_00000000000000000000000002"

LIMITS = st.builds(
    RateLimit,
    st.one_of(st.integers(1, 5), st.integers(1, 1_000_000)),
    st.integers(1, 86_400).map(lambda seconds: timedelta(seconds=seconds)),
)
# As parts of a period, so that windows begin, end and are skipped.
PAUSES = st.lists(st.floats(0, 2.5), max_size=20)


class Time:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_by(self, span: timedelta) -> None:
        self.seconds += span.total_seconds()


def limits_at(time: Time, capacity: int = 100) -> InProcessLimits:
    return InProcessLimits(capacity=capacity, monotonic=time)


def passed(limits: InProcessLimits, limit: RateLimit, times: int, key_id: str = KEY_ID) -> int:
    """Return how many of some requests pass."""
    return sum(limits.take_now(key_id, limit).requests for _ in range(times))


def test_as_many_requests_as_the_limit_has_pass() -> None:
    assert passed(limits_at(Time()), THREE, 10) == 3


def test_two_keys_have_a_count_each() -> None:
    limits = limits_at(Time())
    passed(limits, THREE, 3)

    assert passed(limits, THREE, 3, OTHER_KEY_ID) == 3


def test_a_limit_that_is_raised_has_room_for_the_difference() -> None:
    limits = limits_at(Time())
    passed(limits, THREE, 3)

    assert passed(limits, RateLimit(5, MINUTE), 10) == 2


def test_a_limit_that_is_lowered_again_and_again_lets_nothing_more_pass() -> None:
    limits = limits_at(Time())
    lower = (RateLimit(n, MINUTE + number * SECOND) for number, n in enumerate((5, 4, 3, 2, 1)))

    assert [passed(limits, limit, 10) for limit in lower] == [5, 0, 0, 0, 0]


def test_a_longer_period_goes_on_from_the_same_beginning() -> None:
    time, longer = Time(), RateLimit(3, 2 * MINUTE)
    limits = limits_at(time)
    passed(limits, THREE, 3)

    time.pass_by(timedelta(seconds=119))
    assert passed(limits, longer, 1) == 0
    time.pass_by(timedelta(seconds=121))
    assert passed(limits, longer, 4) == 3


def test_a_shorter_period_begins_a_new_count() -> None:
    limits = limits_at(Time())
    passed(limits, RateLimit(3, timedelta(days=1)), 3)

    assert passed(limits, RateLimit(1, MINUTE), 2) == 1


def test_the_first_period_begins_with_the_first_request() -> None:
    time = Time()
    limits = limits_at(time)
    time.seconds += 59.9
    passed(limits, THREE, 3)

    time.pass_by(timedelta(seconds=59))

    assert passed(limits, THREE, 1) == 0


def test_what_was_used_a_period_ago_comes_back_bit_by_bit() -> None:
    # Given four requests at once
    time, limit = Time(), RateLimit(4, MINUTE)
    limits = limits_at(time)
    passed(limits, limit, 4)

    # When a period and a half is over, half of them count no longer
    time.pass_by(1.5 * MINUTE + MILLISECOND)

    assert passed(limits, limit, 10) == 3


def test_after_two_periods_without_a_request_all_is_as_at_first() -> None:
    time = Time()
    limits = limits_at(time)
    passed(limits, THREE, 3)

    time.pass_by(2 * MINUTE)

    assert passed(limits, THREE, 10) == 3


def test_a_denied_request_takes_nothing() -> None:
    # Given two keys with a used-up limit, one of which goes on trying
    time = Time()
    limits = limits_at(time)
    passed(limits, THREE, 100)
    passed(limits, THREE, 3, OTHER_KEY_ID)

    time.pass_by(1.4 * MINUTE)

    assert passed(limits, THREE, 10) == passed(limits, THREE, 10, OTHER_KEY_ID)


def test_in_the_very_moment_of_the_first_request_the_wait_is_the_whole_period() -> None:
    limits = limits_at(Time())
    passed(limits, RateLimit(1, MINUTE), 1)

    denied = limits.take_now(KEY_ID, RateLimit(1, MINUTE))

    assert denied == Taken(0, MINUTE + MILLISECOND)


@given(LIMITS, PAUSES)
def test_a_denial_says_to_the_millisecond_when_the_next_request_passes(
    limit: RateLimit, pauses: list[float]
) -> None:
    # Given a key with a history, and nothing left
    time = Time()
    limits = limits_at(time)
    for pause in pauses:
        limits.add(KEY_ID, limit, 1 + limit.requests // 3)
        time.pass_by(pause * limit.period)
    limits.add(KEY_ID, limit, limit.requests)
    wait = limits.take_now(KEY_ID, limit).retry_after

    # Then one passes when it says so, and not much sooner
    assert wait is not None
    assert wait >= MILLISECOND
    if wait > 2 * MILLISECOND:
        time.pass_by(wait - 2 * MILLISECOND)
        assert not limits.take_now(KEY_ID, limit).requests
        time.pass_by(2 * MILLISECOND)
    else:
        time.pass_by(wait)
    assert limits.take_now(KEY_ID, limit).requests


@given(LIMITS, PAUSES)
def test_a_look_tells_what_taking_would_give(limit: RateLimit, pauses: list[float]) -> None:
    time = Time()
    limits = limits_at(time)
    for pause in pauses:
        looked = limits.look_now(KEY_ID, limit)
        assert looked == limits.look_now(KEY_ID, limit)
        assert looked == limits.take_now(KEY_ID, limit)
        limits.add(KEY_ID, limit, limit.requests // 2)
        time.pass_by(pause * limit.period)


@given(st.integers(1, 20), st.lists(st.floats(0, 1.2), min_size=1, max_size=60))
def test_no_period_has_more_than_twice_the_limit(requests: int, pauses: list[float]) -> None:
    # Given a key that always takes what it can get
    time, limit = Time(), RateLimit(requests, MINUTE)
    limits = limits_at(time)
    taken: list[tuple[float, int]] = []
    for pause in pauses:
        taken.append((time.seconds, passed(limits, limit, 2 * requests)))
        time.pass_by(pause * MINUTE)

    for begin, _ in taken:
        end = begin + MINUTE.total_seconds()
        assert sum(number for at, number in taken if begin <= at < end) <= 2 * requests


async def test_of_many_requests_as_many_pass_as_there_is_room_for() -> None:
    limits = limits_at(Time())
    other = Wanted(OTHER_KEY_ID, THREE, 2)

    taken = await limits.take([Wanted(KEY_ID, THREE, 5), other])

    assert taken == [Taken(3, MINUTE + MILLISECOND), Taken(2)]


def test_every_decision_is_counted() -> None:
    limits = limits_at(Time())

    passed(limits, THREE, 5)
    limits.look_now(KEY_ID, THREE)

    assert limits.state.decided_in_process == 5


def test_of_too_many_keys_the_one_unused_for_longest_is_forgotten() -> None:
    limits = limits_at(Time(), capacity=2)
    passed(limits, THREE, 3)
    passed(limits, THREE, 3, OTHER_KEY_ID)
    passed(limits, THREE, 1)

    passed(limits, THREE, 1, "key_00000000000000000000000003")

    assert passed(limits, THREE, 3) == 0
    assert passed(limits, THREE, 3, OTHER_KEY_ID) == 3


def test_memory_is_bounded() -> None:
    windows = WindowsInMemory(capacity=10, monotonic=Time())

    for number in range(1000):
        windows.acquire_sliding_window_entry(f"key {number}", 3, 60)

    assert len(windows) == 10


def test_counting_starts_no_thread() -> None:
    threads = threading.active_count()

    passed(InProcessLimits(capacity=10, monotonic=Time()), THREE, 100)

    assert threading.active_count() == threads


class TestAsAStorageOfTheLibrary:
    """What the library asks of every storage, whatever its strategies."""

    @pytest.fixture
    def time(self) -> Time:
        return Time()

    @pytest.fixture
    def windows(self, time: Time) -> WindowsInMemory:
        return WindowsInMemory(capacity=10, monotonic=time)

    def test_it_is_always_there(self, windows: WindowsInMemory) -> None:
        assert windows.check()
        assert windows.base_exceptions == ()

    def test_counts_add_up_until_their_window_ends(
        self, windows: WindowsInMemory, time: Time
    ) -> None:
        windows.incr("key", 60, 2)

        assert windows.incr("key", 60) == windows.get("key") == 3
        assert windows.get_expiry("key") == time.seconds + 60

        time.pass_by(MINUTE + SECOND)
        assert windows.incr("key", 60) == 1

    def test_an_unknown_key_has_no_count(self, windows: WindowsInMemory, time: Time) -> None:
        assert windows.get("key") == 0
        assert windows.get_expiry("key") == time.seconds

    def test_more_than_the_whole_limit_never_passes(self, windows: WindowsInMemory) -> None:
        assert not windows.acquire_sliding_window_entry("key", 3, 60, 4)
        assert windows.acquire_sliding_window_entry("key", 3, 60, 3)

    def test_a_key_is_forgotten_when_cleared(self, windows: WindowsInMemory) -> None:
        windows.incr("key", 60)
        windows.clear_sliding_window("key", 60)

        assert windows.get("key") == 0

    def test_a_reset_forgets_all_keys(self, windows: WindowsInMemory) -> None:
        windows.incr("one", 60)
        windows.incr("other", 60)

        assert windows.reset() == 2
        assert len(windows) == 0
