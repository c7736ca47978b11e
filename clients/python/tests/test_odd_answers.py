"""Answers that are broken, or newer than the client: none passes as good."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import asyncio
from concurrent import futures
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from orchestrator.auth import (
    AuthServiceError,
    DenialReason,
    FreshnessSource,
    MalformedResponse,
    PrincipalKind,
)
from orchestrator.auth.v1 import auth_service_pb2, denial_pb2


def malformed(answers: Any) -> dict[str, Any]:
    responses = {
        "no outcome": answers.good(),
        "no freshness": answers.good(),
        "no account": answers.good(),
        "no such moment": answers.good(),
        "no status": answers.refused(),
        "a status of success": answers.refused(http_status=200),
        "no such span": answers.refused(retry_after=Duration(seconds=1 << 60)),
        "nothing": auth_service_pb2.ValidateCredentialResponse(),
    }
    responses["no outcome"].ClearField("principal")
    responses["no freshness"].ClearField("freshness")
    responses["no account"].principal.ClearField("account_id")
    responses["no such moment"].freshness.as_of.seconds = 1 << 60
    responses["no status"].denial.ClearField("http_status")
    return responses


@pytest.mark.parametrize(
    "case",
    [
        "nothing",
        "no outcome",
        "no freshness",
        "no account",
        "no status",
        "a status of success",
        "no such moment",
        "no such span",
    ],
)
@pytest.mark.parametrize("method", ["validate", "check"])
async def test_a_broken_answer_never_passes_as_good(
    client: Any, server: Any, answers: Any, method: str, case: str
) -> None:
    server.script("ValidateCredential", malformed(answers)[case])

    with pytest.raises(MalformedResponse):
        await getattr(client, method)("x")


async def test_an_answer_that_cannot_be_parsed_never_passes_as_good(connect: Any) -> None:
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"\xff")
    generic = grpc.method_handlers_generic_handler(
        "orchestrator.auth.v1.AuthService", {"ValidateCredential": handler}
    )
    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[generic])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    client = connect(f"127.0.0.1:{port}", api_key="k", plaintext=True)

    with pytest.raises(AuthServiceError) as caught:
        await client.validate("x")

    assert caught.value.code is grpc.StatusCode.INTERNAL
    await asyncio.to_thread(server.stop(None).wait)


async def test_an_unknown_denial_reason_is_still_a_denial(
    client: Any, server: Any, answers: Any
) -> None:
    server.script("ValidateCredential", answers.refused(reason=99, http_status=403))

    verdict = await client.check("x")

    assert verdict.denial.reason is DenialReason.UNKNOWN
    assert verdict.denial.http_status == 403


async def test_unknown_kinds_and_sources_read_as_unknown(
    client: Any, server: Any, answers: Any
) -> None:
    response = answers.good(kind=99)
    response.freshness.source = 99
    server.script("ValidateCredential", response)

    verdict = await client.check("x")

    assert verdict.principal.kind is PrincipalKind.UNKNOWN
    assert verdict.freshness.source is FreshnessSource.UNKNOWN


@pytest.mark.parametrize("name", denial_pb2.DenialReason.keys()[1:])
async def test_every_reason_of_the_contract_has_its_member(
    client: Any, server: Any, answers: Any, name: str
) -> None:
    server.script("ValidateCredential", answers.refused(reason=name))

    verdict = await client.check("x")

    assert f"DENIAL_REASON_{verdict.denial.reason}" == name
