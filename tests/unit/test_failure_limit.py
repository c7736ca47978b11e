"""The limit on guesses: who is told to wait, for how long, and who is not."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address

import pytest

from authsvc.domain.changes import Watermark
from authsvc.domain.denials import Denial, DenialReason
from authsvc.usecases.failure_limit import MAX_ADDRESSES, WINDOW_SECONDS, FailureLimit
from authsvc.usecases.followed_log import FollowedLog
from authsvc.usecases.question import Question, Verdict
from tests.unit.examples import FAKE_KEY, KEY_ID, NOW, NoHurry
from tests.unit.judges import a_judge, some_records

ADDRESS = "192.0.2.1"


class Monotonic:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def a_limit(monotonic: Monotonic, failures: int = 3) -> FailureLimit:
    return FailureLimit(failures_per_minute=failures, monotonic=monotonic)


def fail(limit: FailureLimit, address: str, times: int) -> None:
    for _ in range(times):
        limit.count(address)


def test_an_address_below_the_limit_does_not_wait() -> None:
    limit = a_limit(Monotonic())

    fail(limit, ADDRESS, 2)

    assert limit.wait_for(ADDRESS) is None


def test_an_address_at_the_limit_waits_for_the_rest_of_the_minute() -> None:
    monotonic = Monotonic()
    limit = a_limit(monotonic)
    fail(limit, ADDRESS, 3)

    monotonic.seconds += 20

    assert limit.wait_for(ADDRESS) == timedelta(seconds=WINDOW_SECONDS - 20)


def test_the_wait_ends_with_the_minute() -> None:
    monotonic = Monotonic()
    limit = a_limit(monotonic)
    fail(limit, ADDRESS, 3)

    monotonic.seconds += WINDOW_SECONDS

    assert limit.wait_for(ADDRESS) is None
    fail(limit, ADDRESS, 1)
    assert limit.wait_for(ADDRESS) is None


@pytest.mark.parametrize(
    ("failed", "asking"),
    [
        ("2001:db8::1", "2001:db8::ffff:1"),
        ("2001:DB8:0:0::1", "2001:db8::2"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::2"),
    ],
)
def test_what_shares_a_site_shares_a_count(failed: str, asking: str) -> None:
    limit = a_limit(Monotonic())

    fail(limit, failed, 3)

    assert limit.wait_for(asking) is not None


@pytest.mark.parametrize(
    ("failed", "asking"),
    [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8:0:1::1"), ("192.0.2.1", "::1")],
)
def test_what_shares_no_site_shares_no_count(failed: str, asking: str) -> None:
    limit = a_limit(Monotonic())

    fail(limit, failed, 3)

    assert limit.wait_for(asking) is None


def test_an_unknown_address_is_never_limited() -> None:
    limit = a_limit(Monotonic())

    fail(limit, "", 100)

    assert limit.wait_for("") is None


def test_the_address_that_failed_longest_ago_is_forgotten_first() -> None:
    limit = a_limit(Monotonic(), failures=1)

    for number in range(MAX_ADDRESSES + 1):
        limit.count(str(IPv4Address(number)))

    assert limit.wait_for(str(IPv4Address(0))) is None
    assert limit.wait_for(str(IPv4Address(1))) is not None


async def test_a_guesser_is_told_to_wait_before_anything_is_looked_up() -> None:
    limit = a_limit(Monotonic(), failures=2)
    judge = a_judge(failures=limit)
    guesses = [f"orch_{number:040x}" for number in range(2)]

    for guess in guesses:
        await judge(Question(guess, client_address=ADDRESS), NoHurry())
    verdict = await judge(Question(FAKE_KEY, client_address=ADDRESS), NoHurry())

    assert isinstance(verdict.outcome, Denial)
    assert verdict.outcome.reason is DenialReason.RATE_LIMITED
    assert verdict.outcome.retry_after == timedelta(seconds=WINDOW_SECONDS)


async def test_others_are_judged_while_a_guesser_waits() -> None:
    limit = a_limit(Monotonic(), failures=1)
    judge = a_judge(failures=limit)

    await judge(Question("a.b.c", client_address=ADDRESS), NoHurry())
    verdict = await judge(Question(FAKE_KEY, client_address="192.0.2.9"), NoHurry())

    assert isinstance(verdict.outcome, Denial)
    assert verdict.outcome.reason is DenialReason.KEY_NOT_FOUND


async def test_a_caller_that_repeats_a_bad_key_does_not_lock_out_others_from_its_address() -> None:
    limit = a_limit(Monotonic(), failures=2)
    log = FollowedLog(max_staleness=timedelta(seconds=5), monotonic=lambda: 0.0)
    log.on_caught_up(Watermark(revision=0, as_of=NOW, as_of_monotonic=0.0))
    judge = a_judge(some_records(log=log), failures=limit)
    own, told = (Question(FAKE_KEY, client_address=ADDRESS, caller_id=id_) for id_ in ("", KEY_ID))

    await judge(own, NoHurry())
    answers = [judge.now(own) for _ in range(10)]

    assert all(isinstance(answer, Verdict) for answer in answers)
    assert limit.wait_for(ADDRESS) is None

    # While the client of a caller is held to its limit, whatever it repeats.
    judge.now(told)
    assert limit.wait_for(ADDRESS) is not None
