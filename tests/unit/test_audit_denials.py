"""Refused attempts: which are written, and what becomes of those that cannot be."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from authsvc.domain.audit import AuditRecord, Target, TargetKind
from authsvc.domain.clock import Deadline, TimeLimit
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.origin import ActorKind, Origin
from authsvc.usecases.audit_denials import (
    ALL_ANONYMOUS_PER_MINUTE,
    ANONYMOUS_PER_MINUTE,
    KNOWN_PER_MINUTE,
    AuditDenials,
)
from tests.unit.examples import ACCOUNT_ID, KEY_ID, ORIGIN, NoHurry
from tests.unit.forging import Watch

NOBODY = Origin(ActorKind.ANONYMOUS, "X/Y", request_id="request-2", address="192.0.2.1")
STRANGER = AuditRecord(NOBODY, None, "", "ERROR_REASON_CALLER_CREDENTIAL_MISSING")
REFUSED = AuditRecord(
    ORIGIN, Target(TargetKind.KEY, KEY_ID), ACCOUNT_ID, "ERROR_REASON_KEY_NOT_FOUND"
)


class Store:
    """Keeps records, unless it is away; may take its time."""

    def __init__(self, error: Exception | None = None) -> None:
        self.records: list[AuditRecord] = []
        self.error = error
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def append(self, record: AuditRecord, deadline: Deadline) -> None:
        assert deadline
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        self.records.append(record)


def _denials(store: Store, watch: Watch | None = None) -> AuditDenials:
    return AuditDenials(store=store, monotonic=watch or Watch())


async def test_an_attempt_is_written() -> None:
    store = Store()

    await _denials(store)(REFUSED, NoHurry())

    assert store.records == [REFUSED]


@pytest.mark.parametrize("error", [DatabaseUnavailable(), RuntimeError("any fault")])
async def test_what_cannot_be_written_is_told_to_the_log_whole(error: Exception) -> None:
    with capture_logs() as logs:
        denials = _denials(Store(error))
        await denials(REFUSED, NoHurry())

    assert denials.unwritten.count == 1
    (line,) = logs
    assert line["log_level"] == "error"
    assert line["event"] == "refused attempt not in the audit log"
    assert {
        "actor_kind": "KEY",
        "actor_id": KEY_ID,
        "actor_account_id": ACCOUNT_ID,
        "action": ORIGIN.action,
        "request_id": ORIGIN.request_id,
        "address": "",
        "target": {"kind": "KEY", "target_id": KEY_ID},
        "account_id": ACCOUNT_ID,
        "outcome": "ERROR_REASON_KEY_NOT_FOUND",
    }.items() <= line.items()


async def test_attempts_of_nobody_are_written_up_to_a_limit_for_each_address() -> None:
    store = Store()
    denials = _denials(store)

    for _ in range(ANONYMOUS_PER_MINUTE + 5):
        await denials(STRANGER, NoHurry())
    elsewhere = replace(STRANGER, origin=replace(NOBODY, address="192.0.2.2"))
    await denials(elsewhere, NoHurry())

    assert store.records == [STRANGER] * ANONYMOUS_PER_MINUTE + [elsewhere]
    assert (denials.left_out.count, denials.unwritten.count) == (5, 0)


@pytest.mark.parametrize("address", ["2001:db8:0:{:x}::1", ""])
async def test_attempts_of_nobody_have_a_limit_for_all_addresses_together(address: str) -> None:
    store = Store()
    denials = _denials(store)

    for number in range(ALL_ANONYMOUS_PER_MINUTE + 5):
        origin = replace(NOBODY, address=address.format(number))
        await denials(replace(STRANGER, origin=origin), NoHurry())

    assert len(store.records) == ALL_ANONYMOUS_PER_MINUTE


async def test_attempts_of_known_callers_are_written_up_to_a_limit_for_each_account() -> None:
    store = Store()
    denials = _denials(store)

    for number in range(KNOWN_PER_MINUTE + 5):
        await denials(replace(REFUSED, origin=replace(ORIGIN, actor_id=f"key_{number}")), NoHurry())
    other = replace(REFUSED, origin=replace(ORIGIN, actor_account_id="acct_other"))
    await denials(other, NoHurry())

    assert len(store.records) == KNOWN_PER_MINUTE + 1
    assert store.records[-1] == other


async def test_what_is_left_out_is_counted_in_the_log_once_a_minute() -> None:
    watch = Watch()
    denials = _denials(Store(), watch)

    with capture_logs() as logs:
        for _ in range(ANONYMOUS_PER_MINUTE + 5):
            await denials(STRANGER, NoHurry())
        watch.seconds += 60
        await denials(STRANGER, NoHurry())

    assert [(line["log_level"], line["attempts"]) for line in logs] == [
        ("warning", 1),
        ("warning", 4),
    ]


async def test_who_hangs_up_meanwhile_is_written_all_the_same() -> None:
    store = Store()
    store.may_answer.clear()
    denials = _denials(store)

    call = asyncio.create_task(denials(REFUSED, NoHurry()))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call])
    store.may_answer.set()
    await denials.finish(NoHurry())

    assert call.cancelled()
    assert store.records == [REFUSED]


async def test_without_anything_to_finish_nothing_is_waited_for() -> None:
    await _denials(Store()).finish(NoHurry())


async def test_at_the_end_what_takes_too_long_is_cut_short_and_told() -> None:
    store = Store()
    store.may_answer.clear()
    denials = _denials(store)
    attempt = asyncio.create_task(denials(REFUSED, NoHurry()))
    await asyncio.sleep(0)

    with capture_logs() as logs:
        await denials.finish(TimeLimit(0, Watch()))

    assert [line["event"] for line in logs] == ["refused attempt not in the audit log"]
    assert logs[0]["actor_id"] == REFUSED.origin.actor_id
    with pytest.raises(asyncio.CancelledError):
        await attempt
