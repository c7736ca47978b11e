"""Creating and revoking keys; for rotating them see `test_rotation`."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from orchestrator.auth import (
    Key,
    KeyState,
    MalformedResponse,
    RateLimit,
    RevocationReason,
    Secret,
)
from orchestrator.auth.v1 import auth_service_pb2, key_pb2, rate_limit_pb2

AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


async def test_a_new_key_comes_with_its_secret_and_revision(client: Any, answers: Any) -> None:
    created = await client.create_key("ci")

    assert created.key == Key(
        key_id="key_1",
        account_id="acct_1",
        name="ci",
        scopes=("*",),
        state=KeyState.ACTIVE,
        hint="orch_0000…0000",
        create_time=AT,
        expire_time=None,
        revoke_time=None,
        last_use_time=None,
        metadata={"team": "core"},
        etag="e1",
        revoke_reason=None,
        revoke_note="",
    )
    assert created.secret == Secret(answers.EXAMPLE_KEY)
    assert created.revision == 7


async def test_a_key_is_created_as_asked(client: Any, server: Any) -> None:
    await client.create_key(
        "ci",
        account_id="acct_1",
        scopes=("a:b",),
        ttl=timedelta(hours=1, microseconds=5),
        metadata={"team": "core"},
        allowed_addresses=("192.0.2.0/24", "::1"),
        rate_limit=RateLimit(100, timedelta(minutes=1)),
        request_id="7c9e6679-7425-40de-944b-e07fc1f90ae7",
    )

    assert server.calls[0].request == auth_service_pb2.CreateKeyRequest(
        name="ci",
        account_id="acct_1",
        scopes=["a:b"],
        ttl=Duration(seconds=3600, nanos=5000),
        metadata={"team": "core"},
        allowed_addresses=["192.0.2.0/24", "::1"],
        rate_limit=rate_limit_pb2.RateLimit(requests=100, period=Duration(seconds=60)),
        request_id="7c9e6679-7425-40de-944b-e07fc1f90ae7",
    )


async def test_a_key_comes_with_its_addresses_and_its_limit(
    client: Any, server: Any, answers: Any
) -> None:
    limit = rate_limit_pb2.RateLimit(requests=100, period=Duration(seconds=90))
    response = answers.created()
    response.key.MergeFrom(answers.key(allowed_addresses=["192.0.2.7"], rate_limit=limit))
    server.script("CreateKey", response)

    created = await client.create_key("ci")

    assert created.key.allowed_addresses == ("192.0.2.7",)
    assert created.key.rate_limit == RateLimit(100, timedelta(seconds=90))


@pytest.mark.parametrize(
    "limit",
    [
        rate_limit_pb2.RateLimit(requests=100),
        rate_limit_pb2.RateLimit(requests=100, period=Duration(seconds=2**62)),
    ],
)
async def test_a_limit_without_a_period_is_malformed(
    client: Any, server: Any, answers: Any, limit: Any
) -> None:
    response = answers.created()
    response.key.rate_limit.CopyFrom(limit)
    server.script("CreateKey", response)

    with pytest.raises(MalformedResponse, match="period"):
        await client.create_key("ci")


async def test_an_expire_time_is_sent_as_the_moment_it_is(client: Any, server: Any) -> None:
    cet = timezone(timedelta(hours=1))

    await client.create_key("ci", expire_time=datetime(2023, 11, 14, 23, 13, 20, tzinfo=cet))

    assert server.calls[0].request.expire_time == Timestamp(seconds=1_700_000_000)


async def test_a_naive_expire_time_is_a_mistake(client: Any) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        await client.create_key("ci", expire_time=AT.replace(tzinfo=None))


async def test_two_expiries_are_a_mistake(client: Any) -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        await client.create_key("ci", expire_time=AT, ttl=timedelta(1))


async def test_scopes_given_as_one_text_are_a_mistake(client: Any) -> None:
    with pytest.raises(TypeError, match="scopes is a collection"):
        await client.create_key("ci", scopes="*")


async def test_addresses_given_as_one_text_are_a_mistake(client: Any) -> None:
    with pytest.raises(TypeError, match="allowed_addresses is a collection of addresses"):
        await client.create_key("ci", allowed_addresses="192.0.2.7")


@pytest.mark.parametrize("field", ["key", "secret"])
async def test_a_created_key_without_key_or_secret_is_malformed(
    client: Any, server: Any, answers: Any, field: str
) -> None:
    response = answers.created()
    response.ClearField(field)
    server.script("CreateKey", response)

    with pytest.raises(MalformedResponse, match=field):
        await client.create_key("ci")


async def test_a_key_is_revoked_by_id(client: Any, server: Any, answers: Any) -> None:
    answer = answers.revoked(
        revoke_reason=key_pb2.REVOCATION_REASON_COMPROMISED, revoke_note="seen on a wiki"
    )
    server.script("RevokeKey", answer)

    revoked = await client.revoke_key(
        key_id="key_1", reason=RevocationReason.COMPROMISED, note="seen on a wiki"
    )

    assert server.calls[0].request == auth_service_pb2.RevokeKeyRequest(
        key_id="key_1", reason=key_pb2.REVOCATION_REASON_COMPROMISED, note="seen on a wiki"
    )
    assert revoked.key.state is KeyState.REVOKED
    assert revoked.key.revoke_time == AT
    assert revoked.key.revoke_reason is RevocationReason.COMPROMISED
    assert revoked.key.revoke_note == "seen on a wiki"
    assert revoked.revision == 8


@pytest.mark.parametrize("wrap", [str, Secret])
async def test_a_key_is_revoked_by_secret(
    client: Any, server: Any, answers: Any, wrap: Any
) -> None:
    await client.revoke_key(secret=wrap(answers.EXAMPLE_KEY))

    assert server.calls[0].request == auth_service_pb2.RevokeKeyRequest(secret=answers.EXAMPLE_KEY)


@pytest.mark.parametrize("target", [{}, {"key_id": "key_1", "secret": "s"}])
async def test_a_key_is_revoked_by_exactly_one_of_both(client: Any, target: Any) -> None:
    with pytest.raises(TypeError, match="exactly one"):
        await client.revoke_key(**target)


async def test_unknown_is_no_reason_to_revoke(client: Any) -> None:
    with pytest.raises(ValueError, match="can be sent"):
        await client.revoke_key(key_id="key_1", reason=RevocationReason.UNKNOWN)


async def test_unknown_states_and_reasons_read_as_unknown(
    client: Any, server: Any, answers: Any
) -> None:
    answer = answers.revoked(revoke_reason=99)
    answer.key.state = 99
    server.script("RevokeKey", answer)

    revoked = await client.revoke_key(key_id="key_1")

    assert revoked.key.state is KeyState.UNKNOWN
    assert revoked.key.revoke_reason is RevocationReason.UNKNOWN
