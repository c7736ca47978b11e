"""Rotating keys, and the request ids that make keys safe to ask for again."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from orchestrator.auth import KeyState, MalformedResponse, Secret, Unavailable
from orchestrator.auth.v1 import key_pb2, key_rotation_pb2

AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
REQUEST_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
MAKES_A_KEY = {"CreateKey": "create_key", "RotateKey": "rotate_key"}


@pytest.fixture(params=MAKES_A_KEY)
def rpc(request: pytest.FixtureRequest) -> Any:
    return request.param


async def test_a_successor_comes_with_its_secret_and_the_old_key(client: Any, answers: Any) -> None:
    rotated = await client.rotate_key("key_1")

    assert (rotated.key.key_id, rotated.key.supersedes) == ("key_2", "key_1")
    assert rotated.secret == Secret(answers.EXAMPLE_KEY)
    assert (rotated.retired_key.key_id, rotated.retired_key.superseded_by) == ("key_1", "key_2")
    assert rotated.retired_key.expire_time == AT
    assert rotated.revision == 9


async def test_the_secret_of_a_successor_does_not_show(client: Any, answers: Any) -> None:
    assert answers.EXAMPLE_KEY not in repr(await client.rotate_key("key_1"))


async def test_a_key_that_ended_at_once_says_so(client: Any, server: Any, answers: Any) -> None:
    revoked = key_pb2.Key(state=key_pb2.KEY_STATE_REVOKED, revoke_time=answers.AT)
    server.script("RotateKey", answers.rotated(retired_key=revoked))

    rotated = await client.rotate_key("key_1", overlap=timedelta(0))

    assert rotated.retired_key.state is KeyState.REVOKED


async def test_a_key_is_rotated_as_asked(client: Any, server: Any) -> None:
    await client.rotate_key(
        "key_1", overlap=timedelta(hours=1), ttl=timedelta(days=1), request_id=REQUEST_ID
    )

    assert server.calls[0].request == key_rotation_pb2.RotateKeyRequest(
        key_id="key_1",
        overlap=Duration(seconds=3600),
        ttl=Duration(seconds=86_400),
        request_id=REQUEST_ID,
    )


async def test_an_expire_time_of_a_successor_is_sent(client: Any, server: Any) -> None:
    await client.rotate_key("key_1", expire_time=AT)

    assert server.calls[0].request.expire_time == Timestamp(seconds=1_700_000_000)


async def test_no_overlap_is_sent_as_such(client: Any, server: Any) -> None:
    await client.rotate_key("key_1", overlap=timedelta(0))

    request = server.calls[0].request
    assert (request.HasField("overlap"), request.overlap) == (True, Duration())


async def test_an_overlap_that_is_not_given_is_the_servers_to_choose(
    client: Any, server: Any
) -> None:
    await client.rotate_key("key_1")

    request = server.calls[0].request
    assert (request.HasField("overlap"), request.WhichOneof("expiry")) == (False, None)


async def test_two_expiries_of_a_successor_are_a_mistake(client: Any) -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        await client.rotate_key("key_1", expire_time=AT, ttl=timedelta(1))


@pytest.mark.parametrize("field", ["key", "secret", "retired_key"])
async def test_a_rotation_that_lacks_something_is_malformed(
    client: Any, server: Any, answers: Any, field: str
) -> None:
    response = answers.rotated()
    response.ClearField(field)
    server.script("RotateKey", response)

    with pytest.raises(MalformedResponse, match=f"no {field}"):
        await client.rotate_key("key_1")


async def test_each_call_has_a_request_id_of_its_own(client: Any, server: Any, rpc: str) -> None:
    for _ in range(2):
        await getattr(client, MAKES_A_KEY[rpc])("x")

    ids = [uuid.UUID(call.request.request_id) for call in server.calls]
    assert [one.version for one in ids] == [4, 4]
    assert ids[0] != ids[1]


async def test_the_retries_of_a_call_have_the_same_request_id(
    client: Any, server: Any, answers: Any, rpc: str
) -> None:
    unavailable = answers.Failure(grpc.StatusCode.UNAVAILABLE)
    server.script(rpc, unavailable, unavailable, *server.steps[rpc])

    await getattr(client, MAKES_A_KEY[rpc])("x")

    assert len(server.calls) == 3
    assert len({call.request.request_id for call in server.calls}) == 1


async def test_a_call_is_repeated_under_the_callers_request_id(
    client: Any, server: Any, answers: Any, rpc: str
) -> None:
    call = getattr(client, MAKES_A_KEY[rpc])
    unavailable = answers.Failure(grpc.StatusCode.UNAVAILABLE)
    server.script(rpc, *[unavailable] * 4, *server.steps[rpc])

    with pytest.raises(Unavailable):
        await call("x", request_id=REQUEST_ID)
    assert (await call("x", request_id=REQUEST_ID)).secret == Secret(answers.EXAMPLE_KEY)

    assert [seen.request.request_id for seen in server.calls] == [REQUEST_ID] * 5


async def test_an_empty_request_id_is_a_mistake(client: Any, server: Any, rpc: str) -> None:
    with pytest.raises(ValueError, match="request_id is empty"):
        await getattr(client, MAKES_A_KEY[rpc])("x", request_id="")

    assert server.calls == []
