"""Verdicts: what validate returns and raises, what check returns, and that both fail closed."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from orchestrator.auth import (
    AuthServiceError,
    CredentialDenied,
    Denial,
    DenialReason,
    Freshness,
    FreshnessSource,
    Principal,
    PrincipalKind,
    RequestContext,
    Secret,
)
from orchestrator.auth.v1 import auth_service_pb2, freshness_pb2

AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


async def test_a_good_credential_gives_its_principal(
    client: Any, server: Any, answers: Any
) -> None:
    expire_time = Timestamp(seconds=1_700_000_001, nanos=500_000_000)
    server.script("ValidateCredential", answers.good(expire_time=expire_time))

    principal = await client.validate("Bearer x")

    assert principal == Principal(
        kind=PrincipalKind.API_KEY,
        account_id="acct_1",
        key_id="key_1",
        key_name="ci",
        user_id=None,
        session_id=None,
        scopes=("sessions:read", "sessions:write"),
        expire_time=AT + timedelta(seconds=1.5),
        metadata={"team": "core"},
    )
    assert hash(principal)


async def test_the_principal_of_a_rotated_key_names_its_successor(
    client: Any, server: Any, answers: Any
) -> None:
    server.script(
        "ValidateCredential",
        answers.good(superseded_by="key_2", retire_time=answers.AT, expire_time=answers.AT),
    )

    principal = await client.validate("Bearer x")

    assert (principal.superseded_by, principal.retire_time) == ("key_2", AT)


async def test_the_principal_of_another_key_names_none(client: Any) -> None:
    principal = await client.validate("Bearer x")

    assert (principal.superseded_by, principal.retire_time) == ("", None)


async def test_a_refused_credential_raises_its_denial(
    client: Any, server: Any, answers: Any
) -> None:
    server.script("ValidateCredential", answers.refused())

    with pytest.raises(CredentialDenied) as caught:
        await client.validate("Bearer x")

    assert caught.value.denial == Denial(
        reason=DenialReason.KEY_REVOKED,
        message="API key revoked",
        http_status=401,
        error="UNAUTHORIZED",
        www_authenticate='Bearer realm="orchestrator", error="invalid_token"',
    )
    assert caught.value.freshness == Freshness(FreshnessSource.DATABASE, AT)
    assert str(caught.value) == "API key revoked (KEY_REVOKED, 401)"
    assert not isinstance(caught.value, AuthServiceError)


async def test_check_returns_a_principal_and_how_old_the_answer_is(client: Any) -> None:
    verdict = await client.check("Bearer x")

    assert verdict
    assert verdict.principal is verdict.outcome
    assert verdict.principal.account_id == "acct_1"
    assert verdict.denial is None
    assert verdict.freshness == Freshness(FreshnessSource.DATABASE, AT)


async def test_check_returns_a_denial_and_is_false_then(
    client: Any, server: Any, answers: Any
) -> None:
    server.script("ValidateCredential", answers.refused())

    verdict = await client.check("Bearer x")

    assert not verdict
    assert verdict.principal is None
    assert verdict.denial is verdict.outcome
    assert verdict.denial.reason is DenialReason.KEY_REVOKED


def test_a_denial_becomes_an_http_response() -> None:
    denial = Denial(
        reason=DenialReason.RATE_LIMITED,
        message="Rate limit exceeded",
        http_status=429,
        error="TOO_MANY_REQUESTS",
        www_authenticate="Bearer",
        retry_after=timedelta(seconds=1.2),
    )

    assert denial.http_body() == {
        "error": "TOO_MANY_REQUESTS",
        "message": "Rate limit exceeded",
        "code": 429,
    }
    assert denial.http_headers() == {"WWW-Authenticate": "Bearer", "Retry-After": "2"}


async def test_a_denial_without_challenge_or_delay_has_no_header_fields(
    client: Any, server: Any, answers: Any
) -> None:
    response = answers.refused()
    response.denial.ClearField("www_authenticate")
    server.script("ValidateCredential", response)

    verdict = await client.check("Bearer x")

    assert verdict.denial.http_headers() == {}


async def test_a_denial_says_when_to_try_again(client: Any, server: Any, answers: Any) -> None:
    server.script("ValidateCredential", answers.refused(retry_after=Duration(seconds=3)))

    verdict = await client.check("Bearer x")

    assert verdict.denial.retry_after == timedelta(seconds=3)


@pytest.mark.parametrize(
    ("authorization", "sent"),
    [
        ("Bearer orch_x", "Bearer orch_x"),
        (Secret("orch_x"), "orch_x"),
        (Secret("Bearer \udc80"), "Bearer ?"),
        ("orch_x\n", "orch_x\n"),
        ("  ", "  "),
        ("", ""),
        (None, ""),
        ("Bearer \udc80é", "Bearer ?é"),
    ],
)
async def test_the_header_is_sent_as_it_came(
    client: Any, server: Any, authorization: Secret | str | None, sent: str
) -> None:
    await client.validate(authorization)

    assert server.calls[0].request.credential == sent


async def test_everything_else_is_sent_too(client: Any, server: Any) -> None:
    await client.validate(
        "x",
        required_scopes=["a:b", "c"],
        context=RequestContext(client_ip="192.0.2.1", user_agent="curl\udcff", method="GET /"),
        at_least_revision=41,
    )

    assert server.calls[0].request == auth_service_pb2.ValidateCredentialRequest(
        credential="x",
        required_scopes=["a:b", "c"],
        context=auth_service_pb2.RequestContext(
            client_ip="192.0.2.1", user_agent="curl?", method="GET /"
        ),
        freshness=freshness_pb2.FreshnessRequirement(at_least_revision=41),
    )


async def test_what_is_not_known_of_the_request_is_not_sent(client: Any, server: Any) -> None:
    await client.validate("x", context=RequestContext(user_agent=None, method="GET /"))

    context = server.calls[0].request.context
    assert context == auth_service_pb2.RequestContext(method="GET /")


async def test_nothing_is_demanded_unless_asked_for(client: Any, server: Any) -> None:
    await client.validate("x")

    assert server.calls[0].request == auth_service_pb2.ValidateCredentialRequest(credential="x")


async def test_an_authoritative_answer_is_asked_for(client: Any, server: Any) -> None:
    await client.check("x", authoritative=True)

    assert server.calls[0].request.freshness.authoritative


async def test_the_clients_own_key_travels_as_call_metadata(
    client: Any, server: Any, answers: Any
) -> None:
    await client.validate("x")

    assert server.calls[0].metadata["authorization"] == f"Bearer {answers.EXAMPLE_KEY}"


@pytest.mark.parametrize("authorization", [b"Bearer x", 1, ["x"]])
async def test_a_header_that_is_no_text_is_a_mistake(client: Any, authorization: Any) -> None:
    with pytest.raises(TypeError, match="authorization is a str, a Secret or None"):
        await client.validate(authorization)


async def test_scopes_given_as_one_text_are_a_mistake(client: Any) -> None:
    with pytest.raises(TypeError, match="required_scopes is a collection"):
        await client.validate("x", required_scopes="sessions:read")


async def test_two_demands_on_freshness_are_a_mistake(client: Any) -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        await client.validate("x", at_least_revision=1, authoritative=True)
