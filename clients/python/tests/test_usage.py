"""How keys are used, and those of an account."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from orchestrator.auth import DenialReason, MalformedResponse, UsageGranularity
from orchestrator.auth.v1 import usage_pb2

AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
STAMP = Timestamp(seconds=1_700_000_000)


async def test_the_usage_of_a_key_is_read_whole(client: Any, server: Any) -> None:
    usage = await client.get_key_usage("key_1")

    assert server.calls[0].request == usage_pb2.GetKeyUsageRequest(key_id="key_1")
    assert [(i.start_time, i.granted, i.denied, dict(i.denials)) for i in usage.intervals] == [
        (AT, 5, 0, {}),
        (AT, 0, 2, {DenialReason.KEY_REVOKED: 2}),
    ]
    assert (usage.granted_count, usage.denied_count, usage.last_use_time) == (5, 2, AT)
    (address,) = usage.client_addresses
    assert (address.address, address.call_count, address.is_new) == ("192.0.2.1", 7, True)
    assert (address.first_seen_time, address.last_seen_time) == (AT, AT)
    assert [(c.key_id, c.certificate_name, c.name, c.call_count) for c in usage.callers] == [
        ("key_9", None, "sessions", 6),
        (None, None, None, 1),
        (None, "spiffe://example.org/gateway", None, 2),
    ]


@pytest.mark.parametrize("granularity", [UsageGranularity.DAY, "DAY"])
async def test_a_period_is_asked_for(client: Any, server: Any, granularity: str) -> None:
    there = timezone(timedelta(hours=2))
    period = {"start_time": AT, "end_time": AT.astimezone(there), "granularity": granularity}

    await client.get_key_usage("key_1", **period)
    await client.get_account_usage("acct_1", **period)

    wanted: dict[str, Any] = {
        "start_time": STAMP,
        "end_time": STAMP,
        "granularity": usage_pb2.USAGE_GRANULARITY_DAY,
    }
    assert [call.request for call in server.calls] == [
        usage_pb2.GetKeyUsageRequest(key_id="key_1", **wanted),
        usage_pb2.GetAccountUsageRequest(account_id="acct_1", **wanted),
    ]


async def test_the_usage_of_an_account_is_read_whole(client: Any, server: Any) -> None:
    interval = usage_pb2.UsageInterval(start_time=STAMP, granted=3)
    server.script(
        "GetAccountUsage",
        usage_pb2.GetAccountUsageResponse(intervals=[interval], granted_count=3, denied_count=1),
    )

    usage = await client.get_account_usage()

    assert server.calls[0].request == usage_pb2.GetAccountUsageRequest()
    assert [(i.start_time, i.granted) for i in usage.intervals] == [(AT, 3)]
    assert (usage.granted_count, usage.denied_count) == (3, 1)


async def test_reasons_of_a_newer_server_are_added_up_as_unknown(
    client: Any, server: Any, answers: Any
) -> None:
    denials = [usage_pb2.DenialCount(reason=reason, count=2) for reason in (0, 999)]  # type: ignore[arg-type]
    interval = usage_pb2.UsageInterval(start_time=STAMP, denials=denials)
    server.script("GetKeyUsage", answers.key_usage(intervals=[interval]))

    usage = await client.get_key_usage("key_1")

    assert dict(usage.intervals[-1].denials) == {DenialReason.UNKNOWN: 4}


@pytest.mark.parametrize(
    "changes",
    [
        {"intervals": [usage_pb2.UsageInterval()]},
        {"client_addresses": [usage_pb2.ClientAddressUsage(first_seen_time=STAMP)]},
        {"callers": [usage_pb2.CallerUsage(last_seen_time=STAMP)]},
    ],
)
async def test_an_answer_without_its_moments_is_malformed(
    client: Any, server: Any, answers: Any, changes: Any
) -> None:
    server.script("GetKeyUsage", answers.key_usage(**changes))

    with pytest.raises(MalformedResponse):
        await client.get_key_usage("key_1")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"start_time": AT.replace(tzinfo=None)}, "start_time"),
        ({"end_time": AT.replace(tzinfo=None)}, "end_time"),
        ({"granularity": UsageGranularity.UNKNOWN}, "granularity"),
        ({"granularity": "MINUTE"}, "granularity"),
    ],
)
async def test_what_the_wire_cannot_carry_is_refused(
    client: Any, server: Any, arguments: dict[str, Any], text: str
) -> None:
    for call in (client.get_key_usage, client.get_account_usage):
        with pytest.raises(ValueError, match=text):
            await call("x", **arguments)

    assert server.calls == []


async def test_usage_can_be_copied_and_kept(client: Any) -> None:
    usage = await client.get_key_usage("key_1")

    assert copy.deepcopy(usage) == usage == pickle.loads(pickle.dumps(usage))
