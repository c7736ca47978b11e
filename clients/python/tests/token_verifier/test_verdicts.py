"""What token verifiers judge alone, and when they ask."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import time
from typing import Any

import grpc
import pytest

from clients.python.tests.token_verifier.verifying import (
    ACCOUNT,
    KEY,
    SESSION,
    USER,
    VALIDATE,
    SigningKey,
    Verifying,
    until,
    without_session,
)
from orchestrator.auth import (
    CredentialDenied,
    FreshnessSource,
    PrincipalKind,
    RequestContext,
    Unavailable,
)


async def test_a_token_of_a_session_costs_no_call(live: Verifying) -> None:
    token = KEY.token()

    verdicts = [await live.check(f"Bearer {token}") for _ in range(3)]

    assert live.asked() == []
    principal = verdicts[0].principal
    assert principal.kind is PrincipalKind.USER
    assert (principal.account_id, principal.user_id) == (ACCOUNT, USER)
    assert (principal.session_id, principal.scopes) == (SESSION, ("sessions:*",))
    assert verdicts[0].freshness.source is FreshnessSource.CACHE
    assert verdicts[0].freshness.as_of == live.verifier.as_of


async def test_verify_returns_the_principal_or_raises(live: Verifying) -> None:
    assert (await live.run("verify", KEY.token())).user_id == USER
    with pytest.raises(CredentialDenied) as caught:
        await live.run("verify", KEY.token(exp=1))
    assert caught.value.denial.reason == "TOKEN_EXPIRED"


async def test_the_service_is_asked_before_the_watch_has_begun(make: Any) -> None:
    verifying = make()

    verdict = await verifying.check(KEY.token(), required_scopes=["sessions:read"])

    assert verifying.verifier.as_of is None
    assert verdict.principal.scopes == ("sessions:read",)
    assert len(verifying.asked()) == 1


@pytest.mark.parametrize(
    "claims",
    [{"sub": "user_dev"}, {"sid": "sess_7"}, {"sid": None}, {"exp": time.time() + 7200}],
    ids=["user of no form", "session of no form", "no session", "longer-lived than an hour"],
)
async def test_a_token_that_an_operator_signed_is_asked_about_once(
    live: Verifying, claims: dict[str, Any]
) -> None:
    token = KEY.token(**claims)
    if claims.get("sid", "") is None:
        token = without_session()

    assert [await live.reason(token) for _ in range(3)] == ["", "", ""]

    assert len(live.asked()) == 1


async def test_a_token_from_before_the_watch_is_asked_about_once(live: Verifying) -> None:
    token = KEY.token(age=60)

    principals = [(await live.check(token)).principal for _ in range(3)]

    # What the service says of its scopes goes before what the token says.
    assert {principal.scopes for principal in principals} == {("sessions:read",)}
    [request] = live.asked()
    assert request.credential == token
    assert request.freshness.at_least_revision == live.told.revision


@pytest.mark.parametrize("scopes", [[], ["*"], ["sessions:read"], ["sessions:write"]])
@pytest.mark.parametrize("age", [0.0, 60.0], ids=["judged here", "asked about"])
async def test_scopes_are_judged_here(live: Verifying, age: float, scopes: list[str]) -> None:
    token = KEY.token(age=age, scope="sessions:read")

    verdicts = [await live.check(token, required_scopes=scopes) for _ in range(2)]

    for verdict in verdicts:
        if scopes in ([], ["sessions:read"]):
            assert verdict.principal is not None
        else:
            assert verdict.denial.reason == "INSUFFICIENT_SCOPE"
            assert (verdict.denial.http_status, verdict.denial.error) == (403, "FORBIDDEN")
            assert verdict.denial.www_authenticate == (
                'Bearer realm="orchestrator", error="insufficient_scope", '
                f'error_description="Insufficient scope", scope="{scopes[0]}"'
            )


async def test_when_nobody_can_tell_it_raises(live: Verifying, answers: Any) -> None:
    live.told.server.script(VALIDATE, answers.Failure(grpc.StatusCode.UNAVAILABLE))
    live.told.beat(age=3600)
    await until(lambda: live.verifier.as_of is None)

    with pytest.raises(Unavailable):
        await live.check(KEY.token())
    # What needs nobody's knowledge is told all the same.
    assert await live.reason(KEY.token(exp=1)) == "TOKEN_EXPIRED"
    assert await live.reason(SigningKey(KEY.kid).token()) == "TOKEN_INVALID"


@pytest.mark.parametrize(
    ("value", "reason", "challenge"),
    [
        (None, "MISSING_CREDENTIAL", 'Bearer realm="orchestrator"'),
        ("", "MISSING_CREDENTIAL", 'Bearer realm="orchestrator"'),
        ("Bearer ", "MISSING_CREDENTIAL", 'Bearer realm="orchestrator"'),
        ("Basic dTpw", "UNSUPPORTED_SCHEME", 'Bearer realm="orchestrator"'),
    ],
)
async def test_what_holds_no_credential_is_denied_here(
    live: Verifying, value: str | None, reason: str, challenge: str
) -> None:
    denial = (await live.check(value)).denial

    assert (denial.reason, denial.www_authenticate) == (reason, challenge)
    assert live.asked() == []


async def test_an_api_key_is_the_services_to_judge(live: Verifying, answers: Any) -> None:
    context = RequestContext(client_ip="192.0.2.1")
    for _ in range(2):
        await live.check(answers.EXAMPLE_KEY, required_scopes=["a", "b"], context=context)

    requests = live.asked()
    assert [list(request.required_scopes) for request in requests] == [["a", "b"]] * 2
    assert requests[0].credential == answers.EXAMPLE_KEY
    assert requests[0].context.client_ip == "192.0.2.1"


async def test_a_token_of_another_issuer_is_denied_or_the_services_to_judge(make: Any) -> None:
    strict, open_ = make(), make(other_issuers=True)
    other = KEY.token(iss="https://other.example")
    foreign = SigningKey("theirs").token(iss="https://other.example")
    for verifying in (strict, open_):
        await verifying.check(None)
        await until(lambda v=verifying: v.verifier._keys._kept is not None)  # noqa: SLF001

    assert [await strict.reason(token) for token in (other, foreign)] == ["TOKEN_INVALID"] * 2
    assert strict.asked() == []
    assert [await open_.reason(foreign, required_scopes=["a"]) for _ in range(2)] == ["", ""]
    assert [list(request.required_scopes) for request in open_.asked()] == [["a"], ["a"]]
    # What names our issuer is judged by our keys alone.
    assert await open_.reason(SigningKey("jwk_9").token()) == "TOKEN_INVALID"
    assert await open_.reason("e30.e30.e30") == "TOKEN_INVALID"


@pytest.mark.parametrize("scope", ["", "A", "a b", "authsvc:root", "a" * 129, 7])
async def test_what_is_no_scope_is_a_mistake(live: Verifying, scope: Any) -> None:
    with pytest.raises(ValueError, match="scope"):
        await live.check(KEY.token(scope="*"), required_scopes=[scope])


async def test_arguments_of_a_wrong_kind_are_mistakes(live: Verifying) -> None:
    with pytest.raises(TypeError):
        await live.check(b"Bearer x")
    with pytest.raises(TypeError):
        await live.check(KEY.token(), required_scopes="sessions:read")
