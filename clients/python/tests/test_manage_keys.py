"""Getting, listing and changing keys."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2

from orchestrator.auth import (
    UNSET,
    Aborted,
    AuthServiceError,
    ErrorReason,
    FailedPrecondition,
    KeyState,
    MalformedResponse,
    RateLimit,
)
from orchestrator.auth.v1 import key_management_pb2, key_pb2

AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
STAMP = Timestamp(seconds=1_700_000_000)
# Put together here, so that no quoted line of source shows it in a traceback.
WORD = "unseen" * 2


async def taken(client: Any, count: int) -> list[str]:
    """Take so many keys from an iteration, and no more."""
    keys = client.client.list_keys()
    if isinstance(keys, AsyncIterator):
        return [(await anext(keys)).key_id for _ in range(count)]
    return [(await asyncio.to_thread(next, keys)).key_id for _ in range(count)]


def refusal(answers: Any, code: grpc.StatusCode, reason: str) -> Any:
    """Script the error status that the service gives for a reason."""
    status = status_pb2.Status(code=code.value[0], message="scripted")
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason=reason, domain="auth.orchestratorhq.com")
    )
    trailers = (("grpc-status-details-bin", status.SerializeToString()),)
    return answers.Failure(code, "scripted", trailers)


async def test_a_key_is_found_by_id(client: Any, server: Any, answers: Any) -> None:
    key = answers.key(disabled=True, last_use_time=STAMP)
    server.script("GetKey", key_management_pb2.GetKeyResponse(key=key))

    found = await client.get_key("key_1")

    assert server.calls[0].request == key_management_pb2.GetKeyRequest(key_id="key_1")
    assert (found.key_id, found.etag, found.disabled, found.last_use_time) == (
        "key_1",
        "e1",
        True,
        AT,
    )


@pytest.mark.parametrize(
    ("rpc", "response", "ask"),
    [
        ("GetKey", key_management_pb2.GetKeyResponse(), lambda c: c.get_key("key_1")),
        (
            "UpdateKey",
            key_management_pb2.UpdateKeyResponse(revision=1),
            lambda c: c.update_key("key_1", disabled=True),
        ),
    ],
)
async def test_an_answer_without_a_key_is_malformed(
    client: Any, server: Any, rpc: str, response: Any, ask: Any
) -> None:
    server.script(rpc, response)

    with pytest.raises(MalformedResponse, match=f"{rpc}Response has no key"):
        await ask(client)


async def test_all_pages_of_keys_are_read_in_order(client: Any, server: Any, answers: Any) -> None:
    server.script(
        "ListKeys",
        answers.page("key_1", "key_2", token="2"),
        answers.page(token="3"),
        answers.page("key_3"),
    )

    keys = await client.list_keys(account_id="acct_1", name_prefix="c", page_size=2)

    assert [key.key_id for key in keys] == ["key_1", "key_2", "key_3"]
    asked = key_management_pb2.ListKeysRequest(account_id="acct_1", name_prefix="c", page_size=2)
    assert [call.request.page_token for call in server.calls] == ["", "2", "3"]
    for call in server.calls:
        call.request.page_token = ""
        assert call.request == asked


async def test_a_page_is_asked_for_when_its_first_key_is_wanted(
    client: Any, server: Any, answers: Any
) -> None:
    server.script("ListKeys", answers.page("key_1", "key_2", token="2"), answers.page("key_3"))

    assert await taken(client, 2) == ["key_1", "key_2"]
    assert len(server.calls) == 1


async def test_the_next_page_is_asked_for_after_the_last_key_of_this_one(
    client: Any, server: Any, answers: Any
) -> None:
    server.script("ListKeys", answers.page("key_1", token="2"), answers.page("key_2", "key_3"))

    assert await taken(client, 2) == ["key_1", "key_2"]
    assert [call.request.page_token for call in server.calls] == ["", "2"]


async def test_nothing_is_asked_for_before_the_first_key(client: Any, server: Any) -> None:
    assert await taken(client, 0) == []
    assert server.calls == []


async def test_filters_are_sent_as_given(client: Any, server: Any) -> None:
    cet = timezone(timedelta(hours=1))

    await client.list_keys(
        states=[KeyState.ACTIVE, KeyState.EXPIRED],
        last_used_before=AT,
        expiring_before=AT.astimezone(cet),
    )

    assert server.calls[0].request == key_management_pb2.ListKeysRequest(
        states=[key_pb2.KEY_STATE_ACTIVE, key_pb2.KEY_STATE_EXPIRED],
        last_used_before=STAMP,
        expiring_before=STAMP,
    )


@pytest.mark.parametrize("argument", ["last_used_before", "expiring_before"])
async def test_a_naive_time_in_a_filter_is_a_mistake(client: Any, argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument} has no time zone"):
        await client.list_keys(**{argument: AT.replace(tzinfo=None)})


async def test_unknown_is_no_state_to_ask_for(client: Any, server: Any) -> None:
    with pytest.raises(ValueError, match="cannot be asked for"):
        await client.list_keys(states=[KeyState.UNKNOWN])

    assert server.calls == []


async def test_a_page_of_keys_that_follows_itself_does_not_go_on_for_ever(
    client: Any, server: Any, answers: Any
) -> None:
    server.script("ListKeys", answers.page(token="again"))

    with pytest.raises(MalformedResponse, match="names itself"):
        await client.list_keys()


async def test_a_page_that_is_unavailable_is_asked_for_again(
    client: Any, server: Any, answers: Any
) -> None:
    unavailable = answers.Failure(grpc.StatusCode.UNAVAILABLE)
    server.script("ListKeys", answers.page("key_1", token="2"), unavailable, answers.page("key_2"))

    assert [key.key_id for key in await client.list_keys()] == ["key_1", "key_2"]
    assert [call.request.page_token for call in server.calls] == ["", "2", "2"]


@pytest.mark.parametrize(
    ("changes", "key", "paths"),
    [
        pytest.param({"name": "New"}, {"name": "New"}, ["name"], id="name"),
        pytest.param({"name": ""}, {}, ["name"], id="an empty name is the server's to refuse"),
        pytest.param({"scopes": ["a", "b"]}, {"scopes": ["a", "b"]}, ["scopes"], id="scopes"),
        pytest.param({"expire_time": AT}, {"expire_time": STAMP}, ["expire_time"], id="expiry"),
        pytest.param({"expire_time": None}, {}, ["expire_time"], id="no expiry"),
        pytest.param({"expire_time": UNSET}, {}, [], id="unset"),
        pytest.param({"metadata": {"a": "b"}}, {"metadata": {"a": "b"}}, ["metadata"], id="notes"),
        pytest.param({"metadata": {}}, {}, ["metadata"], id="no notes"),
        pytest.param({"disabled": True}, {"disabled": True}, ["disabled"], id="off"),
        pytest.param({"disabled": False}, {}, ["disabled"], id="on"),
        pytest.param({"allowed_addresses": ["::1"]}, {"allowed_addresses": ["::1"]},
                     ["allowed_addresses"], id="addresses"),
        pytest.param({"allowed_addresses": ()}, {}, ["allowed_addresses"], id="any address"),
        pytest.param({"rate_limit": RateLimit(5, timedelta(seconds=9))},
                     {"rate_limit": {"requests": 5, "period": {"seconds": 9}}}, ["rate_limit"],
                     id="limit"),
        pytest.param({"rate_limit": None}, {}, ["rate_limit"], id="no limit"),
        pytest.param({"disabled": True, "etag": "e1"}, {"disabled": True, "etag": "e1"},
                     ["disabled"], id="etag"),
        pytest.param({"disabled": True, "name": UNSET, "etag": None}, {"disabled": True},
                     ["disabled"], id="no etag"),
    ],
)  # fmt: skip
async def test_an_update_names_what_is_given_and_nothing_else(
    client: Any, server: Any, changes: Any, key: Any, paths: list[str]
) -> None:
    await client.update_key("key_1", **changes)

    request = server.calls[0].request
    assert request.key == key_pb2.Key(key_id="key_1", **key)
    assert request.update_mask.paths == paths


async def test_a_changed_key_comes_with_its_revision(
    client: Any, server: Any, answers: Any
) -> None:
    server.script("UpdateKey", answers.updated(disabled=True))

    updated = await client.update_key("key_1", disabled=True)

    assert updated.key.disabled
    assert updated.revision == 9


async def test_a_naive_expiry_in_an_update_is_a_mistake(client: Any) -> None:
    with pytest.raises(ValueError, match="expire_time has no time zone"):
        await client.update_key("key_1", expire_time=AT.replace(tzinfo=None))


async def test_scopes_of_an_update_given_as_one_text_are_a_mistake(client: Any) -> None:
    with pytest.raises(TypeError, match="scopes is a collection"):
        await client.update_key("key_1", scopes="*")


async def test_addresses_of_an_update_given_as_one_text_are_a_mistake(client: Any) -> None:
    with pytest.raises(TypeError, match="allowed_addresses is a collection of addresses"):
        await client.update_key("key_1", allowed_addresses="::1")


@pytest.mark.parametrize(
    ("code", "name", "kind", "reason"),
    [
        (
            grpc.StatusCode.ABORTED,
            "ERROR_REASON_ETAG_MISMATCH",
            Aborted,
            ErrorReason.ETAG_MISMATCH,
        ),
        (
            grpc.StatusCode.FAILED_PRECONDITION,
            "ERROR_REASON_KEY_REVOKED",
            FailedPrecondition,
            ErrorReason.KEY_REVOKED,
        ),
    ],
)
async def test_a_refused_update_says_why(  # noqa: PLR0917 - fixtures and parameters
    client: Any,
    server: Any,
    answers: Any,
    code: grpc.StatusCode,
    name: str,
    kind: type[AuthServiceError],
    reason: ErrorReason,
) -> None:
    server.script("UpdateKey", refusal(answers, code, name))

    with pytest.raises(kind) as caught:
        await client.update_key("key_1", disabled=False)

    assert type(caught.value) is kind
    assert caught.value.reason is reason
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("rpc", "ask"),
    [
        ("GetKey", lambda client: client.get_key("key_1")),
        ("ListKeys", lambda client: client.list_keys()),
        ("UpdateKey", lambda client: client.update_key("key_1", name="x")),
    ],
)
async def test_no_error_about_keys_shows_the_clients_own(
    connect: Any, server: Any, answers: Any, rpc: str, ask: Any
) -> None:
    server.script(rpc, answers.Failure(grpc.StatusCode.INTERNAL))
    client = connect(server.target, api_key=WORD, plaintext=True)

    with pytest.raises(AuthServiceError) as caught:
        await ask(client)

    assert WORD not in "".join(traceback.format_exception(caught.value))
    assert server.calls[0].metadata["authorization"] == f"Bearer {WORD}"
