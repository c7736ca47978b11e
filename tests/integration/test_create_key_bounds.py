"""The bounds of CreateKey, each of them and all at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from orchestrator.auth.v1 import auth_service_pb2 as pb
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, fresh_name, refused

DAY = 86_400


def seconds_from_now(seconds: int) -> Timestamp:
    return Timestamp(seconds=int(datetime.now(UTC).timestamp()) + seconds)


def request_for(service: Service, **fields: Any) -> pb.CreateKeyRequest:  # noqa: ANN401 - any field
    values = {"account_id": service.account.account_id, "name": fresh_name(), **fields}
    return pb.CreateKeyRequest(**values)


@pytest.mark.parametrize(
    ("fields", "violated"),
    [
        ({"account_id": ""}, "account_id"),
        ({"account_id": "nonsense"}, "account_id"),
        ({"account_id": "key_01h2xcejqtf2nbrexx3vqjhp41"}, "account_id"),
        ({"account_id": "acct_01H2XCEJQTF2NBREXX3VQJHP41"}, "account_id"),
        ({"name": ""}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"name": "\N{ROBOT FACE}" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a\x7fb"}, "name"),
        ({"name": "a\N{RIGHT-TO-LEFT OVERRIDE}b"}, "name"),
        ({"name": "a\N{LINE SEPARATOR}b"}, "name"),
        ({"name": " a"}, "name"),
        ({"name": "a\N{NO-BREAK SPACE}"}, "name"),
        ({"scopes": ["a"] * 51}, "scopes"),
        ({"scopes": ["a", "A"]}, "scopes[1]"),
        ({"scopes": [""]}, "scopes[0]"),
        ({"scopes": ["x" * 129]}, "scopes[0]"),
        ({"scopes": ["*:read"]}, "scopes[0]"),
        ({"scopes": ["a::b"]}, "scopes[0]"),
        ({"scopes": ["a b"]}, "scopes[0]"),
        ({"scopes": ["sessions:r*"]}, "scopes[0]"),
        ({"scopes": ["authsvc:*"]}, "scopes[0]"),
        ({"scopes": ["authsvc:other"]}, "scopes[0]"),
        ({"scopes": ["größe"]}, "scopes[0]"),
        ({"ttl": Duration()}, "ttl"),
        ({"ttl": Duration(seconds=-1)}, "ttl"),
        ({"ttl": Duration(seconds=3660 * DAY + 1)}, "ttl"),
        ({"ttl": Duration(seconds=2**63 - 1)}, "ttl"),
        ({"ttl": Duration(seconds=-(2**63))}, "ttl"),
        ({"expire_time": Timestamp()}, "expire_time"),
        ({"expire_time": seconds_from_now(-1)}, "expire_time"),
        ({"expire_time": seconds_from_now(3661 * DAY)}, "expire_time"),
        ({"expire_time": Timestamp(seconds=2**63 - 1)}, "expire_time"),
        ({"expire_time": Timestamp(seconds=-(2**63), nanos=-1)}, "expire_time"),
        ({"metadata": {f"k{n}": "" for n in range(33)}}, "metadata"),
        ({"metadata": {"": "v"}}, "metadata"),
        ({"metadata": {"k" * 65: "v"}}, "metadata"),
        ({"metadata": {"a b": "v"}}, "metadata"),
        ({"metadata": {"größe": "v"}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"metadata": {f"k{n:02}": "v" * 510 for n in range(8)}}, "metadata"),
        ({"metadata": {"k": "a\x00b"}}, "metadata"),
        ({"metadata": {"k": "a\nb"}}, "metadata"),
        ({"request_id": "again"}, "request_id"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_field_out_of_bounds_is_named(
    shared_service: Service, shared_stubs: Stubs, fields: dict[str, Any], violated: str
) -> None:
    request = request_for(shared_service, **fields)

    refusal = await refused(
        shared_stubs.auth.CreateKey(request, metadata=bearer(shared_service.admin_key))
    )

    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.violated_fields == [violated]


@pytest.mark.parametrize(
    "fields",
    [
        {"scopes": ["a" * 128]},
        {"scopes": [f"a{n}" for n in range(50)]},
        {"ttl": Duration(seconds=3660 * DAY)},
        {"ttl": Duration(nanos=1_000)},
        {"expire_time": seconds_from_now(3659 * DAY)},
        {"metadata": {f"k{n}": "" for n in range(32)}},
        {"metadata": {"k" * 64: "v" * 512}},
    ],
    ids=lambda fields: next(iter(fields)),
)
async def test_a_field_at_its_bound_is_taken(
    shared_service: Service, shared_stubs: Stubs, fields: dict[str, Any]
) -> None:
    request = request_for(shared_service, **fields)

    response = await shared_stubs.auth.CreateKey(request, metadata=bearer(shared_service.admin_key))

    assert response.revision > 0


async def test_all_violations_are_reported_at_once_and_nothing_is_made(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    # Given a request in which every field is wrong
    request = pb.CreateKeyRequest(
        account_id="a",
        name=" \x07" + "n" * 100,
        scopes=["good", "BAD", "authsvc:*"],
        ttl=Duration(seconds=-1),
        metadata={"a b": "v" * 513, "c": "\x00"},
        request_id="r",
    )

    refusal = await refused(
        shared_stubs.auth.CreateKey(request, metadata=bearer(shared_service.admin_key))
    )

    # Then each is named, and the descriptions repeat nothing of it
    assert refusal.reason == "INVALID_REQUEST"
    assert refusal.violated_fields == [
        "account_id",
        *["name"] * 3,
        "scopes[1]",
        "scopes[2]",
        *["metadata"] * 3,
        "ttl",
        "request_id",
    ]
    assert all(description for _, description in refusal.violations)
    assert "BAD" not in refusal.everything


async def test_the_last_of_two_expiries_counts_as_the_wire_has_it(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    # A oneof: the second field on the wire replaces the first.
    first = request_for(shared_service, expire_time=Timestamp(seconds=1)).SerializeToString()
    second = pb.CreateKeyRequest(ttl=Duration(seconds=60)).SerializeToString()
    request = pb.CreateKeyRequest.FromString(first + second)

    response = await shared_stubs.auth.CreateKey(request, metadata=bearer(shared_service.admin_key))

    lifetime = response.key.expire_time.ToDatetime() - response.key.create_time.ToDatetime()
    assert lifetime < timedelta(seconds=65)
