"""ReportLeakedKey: what is ended, what is refused, and who has to wait."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from authsvc.domain.errors import InvalidRequest, KeyNotFound, TooManyReports
from authsvc.domain.keys import Key, KeyOwner, RevocationReason
from authsvc.domain.origin import ActorKind, Origin
from authsvc.usecases.call import OpenCall
from authsvc.usecases.failure_limit import FailureLimit
from authsvc.usecases.report_leaked_key import (
    LeakReport,
    LeakReportOutcome,
    ReportedKey,
    ReportLeakedKey,
)
from tests.unit.examples import ACCOUNT_ID, FAKE_KEY, KEY_ID, NOW, NoHurry
from tests.unit.stores import Keys

UNKNOWN = "orch_" + "f" * 40
PLACE = "https://example.com/notes.txt"
ADDRESS, OTHER_ADDRESS = "192.0.2.1", "192.0.2.2"


class Store(Keys):
    """A key that may have been revoked before."""

    def __init__(self, revoked_before: datetime | None = None) -> None:
        super().__init__(KeyOwner(KEY_ID, ACCOUNT_ID, is_system=False))
        self.before = revoked_before

    async def revoke_key(self, key_id: str, **values: Any) -> Key:  # noqa: ANN401 - as the port
        key = await super().revoke_key(key_id, **values)
        return replace(key, revoke_time=self.before or key.revoke_time)


class Reports:
    """The use case, and the time it goes by."""

    def __init__(
        self, store: Store | None = None, *, reports: int = 100, failures: int = 100
    ) -> None:
        self.store = store or Store()
        self.seconds = 1000.0
        self.failures = FailureLimit(failures_per_minute=failures, monotonic=lambda: self.seconds)
        self.report_leaked_key = ReportLeakedKey(
            store=self.store,
            failures=self.failures,
            reports_per_minute=reports,
            clock=lambda: NOW,
            monotonic=lambda: self.seconds,
        )

    async def __call__(
        self, secret: str = FAKE_KEY, found_at: str = PLACE, address: str = ADDRESS
    ) -> ReportedKey:
        origin = Origin(ActorKind.ANONYMOUS, "example.v1.Service/Method", address=address)
        call = OpenCall(NoHurry(), address, origin)
        return await self.report_leaked_key(LeakReport(secret, found_at), call)


async def test_the_key_is_ended_as_compromised_with_the_place_as_its_note() -> None:
    reported = await Reports()()

    assert reported.outcome is LeakReportOutcome.REVOKED
    assert reported.key.revoke_time == NOW
    assert reported.key.revoke_reason is RevocationReason.COMPROMISED
    assert reported.key.revoke_note == PLACE


async def test_a_key_that_was_revoked_before_had_ended_already() -> None:
    reported = await Reports(Store(revoked_before=NOW - timedelta(days=1)))()

    assert reported.outcome is LeakReportOutcome.ALREADY_ENDED


async def test_an_unknown_secret_is_not_found_and_counts_as_a_guess() -> None:
    reports = Reports(failures=1)

    with pytest.raises(KeyNotFound):
        await reports(UNKNOWN)

    assert reports.failures.wait_for(ADDRESS) == timedelta(minutes=1)


async def test_a_known_secret_counts_as_no_guess() -> None:
    reports = Reports(failures=1)

    await reports()

    assert reports.failures.wait_for(ADDRESS) is None


async def test_who_has_guessed_too_much_has_to_wait() -> None:
    reports = Reports(failures=1)
    reports.failures.count(ADDRESS)
    reports.seconds += 10

    with pytest.raises(TooManyReports) as caught:
        await reports()

    assert caught.value.retry_delay == timedelta(seconds=50)
    assert reports.store.revoked == []


async def test_who_has_reported_too_much_has_to_wait_until_the_minute_is_over() -> None:
    reports = Reports(reports=2)
    await reports()
    await reports()

    with pytest.raises(TooManyReports) as caught:
        await reports()

    assert caught.value.retry_delay == timedelta(minutes=1)
    assert len(reports.store.revoked) == 2
    reports.seconds += 60
    await reports()


async def test_others_need_not_wait() -> None:
    reports = Reports(reports=1)
    await reports()

    await reports(address=OTHER_ADDRESS)
    await reports(address="")
    await reports(address="")


@pytest.mark.parametrize("secret", ["", "x", FAKE_KEY[:-1], f"{FAKE_KEY}\n", f"Bearer {FAKE_KEY}"])
async def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await Reports()(secret)

    assert [violation.field for violation in caught.value.violations] == ["secret"]


@pytest.mark.parametrize(
    "found_at",
    [
        pytest.param("", id="nothing"),
        pytest.param("  ", id="blanks"),
        pytest.param("x" * 501, id="too long"),
        pytest.param("a\nb", id="a line break"),
        pytest.param("a\x00b", id="a control character"),
        pytest.param(f"https://example.com/?key={FAKE_KEY}", id="the secret"),
        pytest.param(f"https://example.com/?key={UNKNOWN}", id="another secret"),
        pytest.param(f"https://example.com/?key={UNKNOWN.upper()}", id="a secret in capitals"),
        pytest.param(f"https://example.com/?key=orch%5F{FAKE_KEY[5:]}", id="percent-encoded"),
        pytest.param(f"in {FAKE_KEY[5:].upper()}", id="its characters alone"),
    ],
)
async def test_a_place_that_is_none_is_refused_and_not_repeated(found_at: str) -> None:
    reports = Reports()

    with pytest.raises(InvalidRequest) as caught:
        await reports(found_at=found_at)

    assert {violation.field for violation in caught.value.violations} == {"found_at"}
    told = " ".join(violation.description for violation in caught.value.violations)
    assert FAKE_KEY[5:] not in told
    assert UNKNOWN[5:] not in told
    assert reports.store.revoked == []


@pytest.mark.parametrize(
    "found_at",
    [
        "x" * 500,
        "a commit: https://example.com/commit/0123456789abcdef0123456789abcdef01234567",
        "orch_1a2b…c3d4 in a chat",
    ],
)
async def test_a_place_may_look_like_many_things(found_at: str) -> None:
    assert (await Reports()(found_at=found_at)).key.revoke_note == found_at


async def test_a_report_that_is_refused_does_not_count() -> None:
    reports = Reports(reports=1)
    with pytest.raises(InvalidRequest):
        await reports(found_at="")

    await reports()


def test_a_report_does_not_show_its_secret() -> None:
    assert FAKE_KEY not in repr(LeakReport(FAKE_KEY, PLACE))
