"""Why a credential is refused: what explain sends, returns, and never shows."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest

from orchestrator.auth import (
    AuthServiceError,
    DenialReason,
    Explanation,
    Finding,
    FindingCode,
    FreshnessSource,
    KeyState,
    MalformedResponse,
    RequestContext,
    Secret,
)
from orchestrator.auth.v1 import auth_service_pb2, denial_pb2, explanation_pb2, key_pb2

RPC = "ExplainCredential"
AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


async def test_a_refused_credential_is_explained(client: Any, server: Any, answers: Any) -> None:
    found = explanation_pb2.Finding(
        code=explanation_pb2.FINDING_CODE_WHITE_SPACE_BEHIND, text="there", position=0, length=2
    )
    about = explanation_pb2.Finding(
        code=explanation_pb2.FINDING_CODE_TOKEN_CLAIM_MISSING, text="lacks", claim="sub"
    )
    foreign = explanation_pb2.Finding(
        code=explanation_pb2.FINDING_CODE_TOKEN_FOREIGN, text="of partner", issuer="partner"
    )
    denied = answers.refused()
    server.script(
        RPC,
        answers.explained(
            denied, findings=[found, about, foreign], hint="Do this.", missing_scopes=["a", "b"]
        ),
    )

    explanation = await client.explain("Bearer x")

    assert explanation.verdict.denial.reason is DenialReason.KEY_REVOKED
    assert explanation.verdict.freshness.source is FreshnessSource.DATABASE
    assert explanation.findings == (
        Finding(FindingCode.WHITE_SPACE_BEHIND, "there", position=0, length=2),
        Finding(FindingCode.TOKEN_CLAIM_MISSING, "lacks", claim="sub"),
        Finding(FindingCode.TOKEN_FOREIGN, "of partner", issuer="partner"),
    )
    assert explanation.hint == "Do this."
    assert explanation.missing_scopes == ("a", "b")
    assert explanation.key is None
    assert isinstance(explanation, Explanation)
    assert hash(explanation)


async def test_a_good_credential_has_nothing_to_be_found(client: Any) -> None:
    explanation = await client.explain("Bearer x")

    assert explanation.verdict.principal.account_id == "acct_1"
    assert explanation.findings == ()
    assert explanation.missing_scopes == ()
    assert explanation.key is None


async def test_the_known_key_is_returned(client: Any, server: Any, answers: Any) -> None:
    known = answers.key(state=key_pb2.KEY_STATE_REVOKED, revoke_time=answers.AT)
    server.script(RPC, answers.explained(answers.refused(), key=known))

    key = (await client.explain("Bearer x")).key

    assert (key.key_id, key.name) == ("key_1", "ci")
    assert (key.state, key.revoke_time) == (KeyState.REVOKED, AT)


@pytest.mark.parametrize("good", [True, False])
async def test_an_explanation_is_true_only_for_a_good_credential(
    client: Any, server: Any, answers: Any, good: Any
) -> None:
    server.script(RPC, answers.explained(answers.good() if good else answers.refused()))

    assert bool(await client.explain("Bearer x")) is good


async def test_all_arguments_are_sent(client: Any, server: Any) -> None:
    context = RequestContext(client_ip="192.0.2.1", user_agent="curl", method="GET /")

    await client.explain(
        Secret("Bearer x"), required_scopes=("a:b", "c"), context=context, timeout=7
    )

    assert server.calls[0].request == auth_service_pb2.ExplainCredentialRequest(
        credential="Bearer x",
        required_scopes=["a:b", "c"],
        context=auth_service_pb2.RequestContext(
            client_ip="192.0.2.1", user_agent="curl", method="GET /"
        ),
    )
    assert server.calls[0].seconds_left == pytest.approx(7, abs=1)


@pytest.mark.parametrize("nothing", [None, ""])
async def test_no_header_is_sent_as_nothing(client: Any, server: Any, nothing: Any) -> None:
    await client.explain(nothing)

    assert server.calls[0].request == auth_service_pb2.ExplainCredentialRequest()


@pytest.mark.parametrize("text", ["x\n", " x", "Bearer  x\t", "\u201cx\u201d"])
async def test_the_credential_is_sent_as_it_is(client: Any, server: Any, text: str) -> None:
    await client.explain(text)

    assert server.calls[0].request.credential == text


async def test_undecodable_octets_are_sent_as_something_else(client: Any, server: Any) -> None:
    await client.explain("x\udc80", context=RequestContext(user_agent="\udc80"))

    assert server.calls[0].request.credential == "x?"
    assert server.calls[0].request.context.user_agent == "?"


async def test_a_newer_servers_finding_is_shown_by_its_text(
    client: Any, server: Any, answers: Any
) -> None:
    finding = explanation_pb2.Finding(code=999, text="it is on fire")  # type: ignore[arg-type]
    server.script(RPC, answers.explained(answers.refused(), findings=[finding]))

    explanation = await client.explain("Bearer x")

    assert explanation.findings == (Finding(FindingCode.UNKNOWN, "it is on fire"),)


@pytest.mark.parametrize(
    "spoilt",
    [
        auth_service_pb2.ExplainCredentialResponse(),
        auth_service_pb2.ExplainCredentialResponse(denial=denial_pb2.Denial(http_status=200)),
    ],
    ids=["no outcome", "a denial with 200"],
)
async def test_a_response_that_breaks_the_contract_is_none(
    client: Any, server: Any, spoilt: Any
) -> None:
    server.script(RPC, spoilt)

    with pytest.raises(MalformedResponse):
        await client.explain("Bearer x")


async def test_a_verdict_without_freshness_is_none(client: Any, server: Any, answers: Any) -> None:
    spoilt = answers.explained()
    spoilt.ClearField("freshness")
    server.script(RPC, spoilt)

    with pytest.raises(MalformedResponse, match="has no freshness"):
        await client.explain("Bearer x")


async def test_a_key_without_its_creation_is_none(client: Any, server: Any, answers: Any) -> None:
    server.script(RPC, answers.explained(key=key_pb2.Key(key_id="key_1")))

    with pytest.raises(MalformedResponse, match="has no create_time"):
        await client.explain("Bearer x")


@pytest.mark.parametrize(("wrong", "more"), [(b"x", {}), ("x", {"required_scopes": "a"})])
async def test_arguments_of_a_wrong_kind_are_refused(
    client: Any, server: Any, wrong: Any, more: Any
) -> None:
    with pytest.raises(TypeError):
        await client.explain(wrong, **more)

    assert server.calls == []


async def test_nobody_could_decide_is_an_error(client: Any, server: Any, answers: Any) -> None:
    server.script(RPC, answers.Failure(grpc.StatusCode.INTERNAL))

    with pytest.raises(AuthServiceError) as caught:
        await client.explain(f"Bearer {answers.EXAMPLE_KEY}")

    assert answers.EXAMPLE_KEY not in repr(caught.value) + str(caught.value)


async def test_an_explanation_cannot_be_changed(client: Any) -> None:
    explanation = await client.explain("Bearer x")

    with pytest.raises(dataclasses.FrozenInstanceError):
        explanation.hint = "x"
