"""GetKeyUsage and GetAccountUsage: what they tell, to whom, and what they refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp

from authsvc import app
from authsvc.postgres.recorded_usage import READ_COUNTS
from orchestrator.auth import (
    AsyncAuthClient,
    CreatedKey,
    DenialReason,
    InvalidArgument,
    KeyUsage,
    NotFound,
    RequestContext,
    UsageGranularity,
)
from orchestrator.auth.v1 import usage_pb2 as pb
from tests.conftest import Service
from tests.integration.support import (
    Stubs,
    bearer,
    connected,
    fresh_name,
    refused,
    url_of,
)

START = datetime(2026, 1, 30, 22, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Used:
    """A key with counts on record."""

    service: Service
    client: AsyncAuthClient
    key: CreatedKey

    @property
    def key_id(self) -> str:
        return self.key.key.key_id

    async def usage(self, client: AsyncAuthClient | None = None) -> KeyUsage:
        """Flush, and return the usage."""
        await self.service.parts.usage.flush(app.time_limit())
        return await (client or self.client).get_key_usage(self.key_id)

    async def record(self, hour: datetime, outcome: str, count: int) -> None:
        for table, subject in (
            ("key_usage", self.key_id),
            ("account_usage", self.key.key.account_id),
        ):
            await self.service.execute(
                f"INSERT INTO authsvc.{table} VALUES ('{subject}', '{hour}', '{outcome}', {count})"
            )

    async def saw(
        self, kind: str, source: str, first_days_ago: float, last_days_ago: float = 0
    ) -> None:
        now = datetime.now(UTC)
        first, last = (now - timedelta(days=days) for days in (first_days_ago, last_days_ago))
        await self.service.execute(
            "INSERT INTO authsvc.key_sources VALUES"
            f" ('{self.key_id}', '{kind}', '{source}', '{first}', '{last}', 3)"
        )


@pytest_asyncio.fixture(loop_scope="session")
async def used(service: Service, client: AsyncAuthClient) -> AsyncIterator[Used]:
    key = await client.create_key(fresh_name(), account_id=service.account.account_id)
    yield Used(service, client, key)


async def test_calls_that_were_made_are_told(used: Used) -> None:
    secret = used.key.secret
    for _ in range(5):
        await used.client.check(secret, context=RequestContext(client_ip="::ffff:192.0.2.1"))
    for _ in range(3):
        await used.client.check(secret, required_scopes=["authsvc:admin"])
    async with used.service.client(secret.reveal()) as own:
        await own.get_key(used.key_id)

    usage = await used.usage()

    assert len(usage.intervals) in {24, 25}
    # Unless the hour ended in between.
    assert sum(interval.granted for interval in usage.intervals[-2:]) == 6
    assert [dict(i.denials) for i in usage.intervals if i.denied] == [
        {DenialReason.INSUFFICIENT_SCOPE: 3}
    ]
    assert (usage.granted_count, usage.denied_count) == (6, 3)
    assert usage.last_use_time is not None
    assert sorted((a.address, a.call_count, a.is_new) for a in usage.client_addresses) == [
        ("127.0.0.1", 1, False),
        ("192.0.2.1", 5, False),
    ]
    admin = (await used.client.check(used.service.admin_key)).principal
    assert admin is not None
    assert {(c.key_id, c.name, c.call_count) for c in usage.callers} == {
        (admin.key_id, admin.key_name, 8),
        (None, None, 1),
    }


async def test_a_batch_counts_each_of_its_questions(used: Used) -> None:
    await used.client.check_many([used.key.secret] * 7)

    usage = await used.usage()

    assert usage.granted_count == 7
    assert [caller.call_count for caller in usage.callers] == [7]


async def test_names_of_callers_are_for_those_who_may_see_their_keys(used: Used) -> None:
    await used.client.check(used.key.secret)

    async with used.service.client(used.key.secret.reveal()) as own:
        (admin,) = (await used.usage(own)).callers

    assert admin.key_id
    assert admin.name is None


async def test_intervals_have_no_gaps_and_hours_add_up_to_days(used: Used) -> None:
    for hours, outcome, count in (
        (0, "OK", 1),
        (1, "OK", 2),
        (1, "KEY_REVOKED", 4),
        (2, "OK", 8),
        (30, "OK", 16),
    ):
        await used.record(START + hours * HOUR, outcome, count)
    period: dict[str, Any] = {
        "start_time": START + timedelta(minutes=59),
        "end_time": START + 26 * HOUR,
    }

    by_hour = await used.client.get_key_usage(used.key_id, **period)
    by_day = await used.client.get_key_usage(
        used.key_id, **period, granularity=UsageGranularity.DAY
    )

    assert [i.start_time for i in by_hour.intervals] == [START + n * HOUR for n in range(26)]
    assert [i.granted for i in by_hour.intervals] == [1, 2, 8, *[0] * 23]
    assert (by_hour.granted_count, by_hour.denied_count) == (11, 4)
    # The second day is whole, though the period ends within its first hour.
    assert [(i.start_time.day, i.granted, i.denied) for i in by_day.intervals] == [
        (30, 3, 4),
        (31, 8, 0),
    ]


async def test_all_keys_of_an_account_are_told_together(used: Used) -> None:
    account_id = used.service.account.account_id
    other = await used.client.create_key(fresh_name(), account_id=account_id)
    for secret in (used.key.secret, other.secret, other.secret):
        await used.client.check(secret)
    await used.client.revoke_key(key_id=other.key.key_id)
    await used.client.check(other.secret, authoritative=True)
    await used.service.parts.usage.flush(app.time_limit())

    usage = await used.client.get_account_usage(account_id)
    async with used.service.client(used.key.secret.reveal()) as own:
        assert (await own.get_account_usage()).granted_count >= 3

    assert (usage.granted_count, usage.denied_count) == (3, 1)
    assert sum(interval.granted for interval in usage.intervals) == 3


async def test_usage_of_others_reads_as_not_found(used: Used) -> None:
    other = await used.service.create_account()
    theirs = await used.client.create_key("theirs", account_id=other.account_id)

    async with used.service.client(used.key.secret.reveal()) as own:
        with pytest.raises(NotFound):
            await own.get_key_usage(theirs.key.key_id)
        with pytest.raises(NotFound):
            await own.get_account_usage(other.account_id)


async def test_a_stranger_among_the_addresses_is_new(used: Used) -> None:
    await used.saw("ADDRESS", "192.0.2.1", first_days_ago=90, last_days_ago=1)
    await used.saw("ADDRESS", "192.0.2.2", first_days_ago=8, last_days_ago=3)
    await used.saw("ADDRESS", "198.51.100.7", first_days_ago=2, last_days_ago=0.5)

    usage = await used.usage()

    assert [(a.address, a.is_new, a.call_count) for a in usage.client_addresses] == [
        ("198.51.100.7", True, 3),
        ("192.0.2.1", False, 3),
        ("192.0.2.2", False, 3),
    ]


async def test_addresses_that_were_first_seen_with_the_first_caller_are_not_new(
    used: Used,
) -> None:
    await used.saw("CALLER", "", first_days_ago=3)
    await used.saw("ADDRESS", "192.0.2.1", first_days_ago=2)

    assert [a.is_new for a in (await used.usage()).client_addresses] == [False]


async def test_at_most_a_hundred_addresses_are_told(used: Used) -> None:
    await used.service.execute(
        "INSERT INTO authsvc.key_sources"
        f" SELECT '{used.key_id}', 'ADDRESS', '10.0.0.' || n, now(), now() - n * interval '1 s', 1"
        " FROM generate_series(0, 149) AS n"
    )

    addresses = (await used.usage()).client_addresses

    assert [a.address for a in addresses] == [f"10.0.0.{number}" for number in range(100)]


async def test_reasons_that_this_version_does_not_know_are_unspecified(
    used: Used, stubs: Stubs
) -> None:
    await used.record(START, "KEY_MISLAID", 3)
    request = pb.GetKeyUsageRequest(key_id=used.key_id)
    request.start_time.FromDatetime(START)
    request.end_time.FromDatetime(START + HOUR)

    response = await stubs.auth.GetKeyUsage(request, metadata=bearer(used.service.admin_key))

    assert [[(d.reason, d.count) for d in i.denials] for i in response.intervals] == [[(0, 3)]]
    assert response.denied_count == 3


async def test_every_violation_is_named(used: Used, stubs: Stubs) -> None:
    request = pb.GetKeyUsageRequest(
        key_id="x",
        granularity=9,  # type: ignore[arg-type]
        start_time=Timestamp(seconds=1 << 62),
        end_time=Timestamp(seconds=-(1 << 62)),
    )

    refusal = await refused(
        stubs.auth.GetKeyUsage(request, metadata=bearer(used.service.admin_key))
    )

    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.violated_fields == ["key_id", "granularity", "end_time", "start_time"]


async def test_an_account_is_named_by_those_who_have_none(used: Used) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await used.client.get_account_usage()

    assert [violation.field for violation in caught.value.field_violations] == ["account_id"]


@pytest.mark.parametrize(
    ("table", "subject"), [("key_usage", "key_id"), ("account_usage", "account_id")]
)
async def test_counts_are_found_by_an_index_and_only_in_the_months_asked_for(
    service: Service, table: str, subject: str
) -> None:
    async with connected(url_of(service)) as connection:
        await connection.execute(
            "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off"
        )
        await connection.execute(
            f"PREPARE read (text, timestamptz, timestamptz, interval) AS"
            f" {READ_COUNTS.format(table=table, subject=subject)}"
        )
        rows = await connection.fetch(
            "EXPLAIN (ANALYZE, COSTS OFF) EXECUTE read"
            " ('x', date_trunc('month', now()), date_trunc('month', now()) + '1 day', '1 hour')"
        )
    plan = "\n".join(row[0] for row in rows)

    this_month = f"{table}_{datetime.now(UTC):%Y_%m}"
    assert f"{this_month}_pkey" in plan
    assert "Subplans Removed: " in plan
    assert "Seq Scan" not in plan
