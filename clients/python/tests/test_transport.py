"""Deadlines, retries and load balancing."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import socket
import time
from typing import Any

import grpc
import pytest

from orchestrator.auth import (
    DeadlineExceeded,
    KeyToImport,
    Unavailable,
)

CALLS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "ValidateCredential": ("validate", ("x",), {}),
    "BatchValidateCredentials": ("check_many", (["x"],), {}),
    "GetKey": ("get_key", ("key_1",), {}),
    "ListKeys": ("list_keys", (), {}),
    "ExplainCredential": ("explain", ("x",), {}),
    "RevokeKey": ("revoke_key", (), {"key_id": "key_1"}),
    "GetAccount": ("get_account", ("acct_1",), {}),
    "ListAccounts": ("list_accounts", (), {}),
    "ListAuditEvents": ("list_audit_events", (), {}),
    "CreateKey": ("create_key", ("ci",), {}),
    "UpdateKey": ("update_key", ("key_1",), {"disabled": True}),
    "GetKeyUsage": ("get_key_usage", ("key_1",), {}),
    "GetAccountUsage": ("get_account_usage", (), {}),
    "RotateKey": ("rotate_key", ("key_1",), {}),
    "ImportKeys": ("import_keys", ([KeyToImport(b"", "ci")],), {"account_id": "acct_1"}),
    "RevokeKeys": ("revoke_keys", (), {}),
    "ReportLeakedKey": ("report_leaked_key", ("x",), {"found_at": "a log"}),
    "CreateAccount": ("create_account", ("Example",), {}),
    "UpdateAccount": ("update_account", ("acct_1",), {"display_name": "Other"}),
    "CreateUser": ("create_user", ("ada@example.com",), {"display_name": "Ada", "role": "OWNER"}),
    "GetUser": ("get_user", ("user_1",), {}),
    "ListUsers": ("list_users", (), {}),
    "UpdateUser": ("update_user", ("user_1",), {"disabled": True}),
    "SetUserPassword": ("set_user_password", ("user_1", "correct horse battery"), {}),
    "CreateSession": ("create_session", ("ada@example.com", "correct horse battery"), {}),
    "RefreshSession": ("refresh_session", ("orchrt_0",), {}),
    "RevokeSession": ("revoke_session", ("sess_1",), {}),
    "RevokeAllSessions": ("revoke_all_sessions", ("user_1",), {}),
    "ListSessions": ("list_sessions", ("user_1",), {}),
    "GetJwks": ("get_jwks", (), {}),
    "RotateSigningKey": ("rotate_signing_key", (), {}),
}

ONCE = (
    "UpdateKey",
    "RevokeKeys",
    "CreateAccount",
    "UpdateAccount",
    "CreateUser",
    "UpdateUser",
    "SetUserPassword",
    "RotateSigningKey",
    "CreateSession",
    "RevokeAllSessions",
)


async def call(client: Any, rpc: str, **more: Any) -> Any:
    name, arguments, options = CALLS[rpc]
    return await getattr(client, name)(*arguments, **options, **more)


@pytest.mark.parametrize("rpc", [rpc for rpc in CALLS if rpc not in ONCE])
async def test_what_may_be_repeated_is_tried_again_when_unavailable(
    client: Any, server: Any, answers: Any, rpc: str
) -> None:
    unavailable = answers.Failure(grpc.StatusCode.UNAVAILABLE)
    server.script(rpc, unavailable, unavailable, unavailable, *server.steps[rpc])

    assert await call(client, rpc)

    assert [seen.method for seen in server.calls] == [rpc] * 4


@pytest.mark.parametrize("rpc", ONCE)
async def test_what_may_not_be_repeated_is_tried_once(
    client: Any, server: Any, answers: Any, rpc: str
) -> None:
    server.script(rpc, answers.Failure(grpc.StatusCode.UNAVAILABLE), *server.steps[rpc])

    with pytest.raises(Unavailable):
        await call(client, rpc)

    assert len(server.calls) == 1


async def test_other_errors_are_not_tried_again(client: Any, server: Any, answers: Any) -> None:
    server.script("ValidateCredential", answers.Failure(grpc.StatusCode.INTERNAL), answers.good())

    with pytest.raises(Exception, match="INTERNAL"):
        await client.validate("x")

    assert len(server.calls) == 1


async def test_retrying_ends_after_four_attempts(client: Any, server: Any, answers: Any) -> None:
    server.script("ValidateCredential", answers.Failure(grpc.StatusCode.UNAVAILABLE))

    with pytest.raises(Unavailable):
        await client.validate("x")

    # An attempt may find no connection, on a busy machine, and never reach the server.
    assert server.calls[-1].metadata["grpc-previous-rpc-attempts"] == "3"


async def test_the_servers_word_against_retrying_is_followed(
    client: Any, server: Any, answers: Any
) -> None:
    never = (("grpc-retry-pushback-ms", "-1"),)
    failure = answers.Failure(grpc.StatusCode.UNAVAILABLE, "later", never)
    server.script("ValidateCredential", failure, answers.good())

    with pytest.raises(Unavailable, match="later"):
        await client.validate("x")

    assert len(server.calls) == 1


@pytest.mark.parametrize("rpc", CALLS)
async def test_every_call_has_the_clients_deadline(client: Any, server: Any, rpc: str) -> None:
    await call(client, rpc)

    assert 1 < server.calls[0].seconds_left < 2.1


@pytest.mark.parametrize("rpc", CALLS)
async def test_a_call_may_have_a_deadline_of_its_own(client: Any, server: Any, rpc: str) -> None:
    await call(client, rpc, timeout=30)

    assert 20 < server.calls[0].seconds_left < 31


async def test_a_slow_answer_ends_at_the_deadline(connect: Any, server: Any, answers: Any) -> None:
    server.script("ValidateCredential", answers.Slow(0.6))
    client = connect(server.target, api_key="k", plaintext=True, timeout=0.2)
    begun = time.monotonic()

    with pytest.raises(DeadlineExceeded):
        await client.validate("x")

    assert time.monotonic() - begun < 0.5


async def test_retries_share_the_deadline(connect: Any, server: Any, answers: Any) -> None:
    later = (("grpc-retry-pushback-ms", "5000"),)
    failure = answers.Failure(grpc.StatusCode.UNAVAILABLE, "later", later)
    server.script("ValidateCredential", failure, answers.good())
    client = connect(server.target, api_key="k", plaintext=True, timeout=0.3)
    begun = time.monotonic()

    with pytest.raises((DeadlineExceeded, Unavailable)):
        await client.validate("x")

    assert time.monotonic() - begun < 1


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
async def test_a_deadline_is_positive_and_finite(
    client: Any,
    timeout: float,  # noqa: ASYNC109 - the gRPC deadline
) -> None:
    with pytest.raises(ValueError, match="positive, finite"):
        await client.validate("x", timeout=timeout)


async def test_a_server_that_is_not_there_is_known_before_the_deadline(connect: Any) -> None:
    # Bound to the end of the test, so that nobody else listens there.
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{unused.getsockname()[1]}"
        client = connect(target, api_key="k", plaintext=True, timeout=30)
        begun = time.monotonic()

        with pytest.raises(Unavailable) as caught:
            await client.validate("x")

    assert time.monotonic() - begun < 10
    assert caught.value.reason is None


async def test_calls_are_spread_over_all_addresses(
    connect: Any, start_server: Any, answers: Any
) -> None:
    servers = [start_server(), start_server()]
    for server in servers:
        server.script("ValidateCredential", answers.good())
    target = "ipv4:" + ",".join(server.target for server in servers)
    client = connect(target, api_key="k", plaintext=True)

    for _ in range(20):
        await client.validate("x")

    assert min(len(server.calls) for server in servers) >= 5
