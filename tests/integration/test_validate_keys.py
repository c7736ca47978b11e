"""ValidateCredential on API keys: each reason, their order, scopes and what a principal says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.auth import (
    AsyncAuthClient,
    CreatedKey,
    CredentialDenied,
    InvalidArgument,
    PrincipalKind,
    RequestContext,
)
from tests.conftest import Service
from tests.integration.support import fresh_name

KEY = "orch_" + "0123456789abcdef0123456789abcdef01234567"
INVALID_TOKEN = 'Bearer realm="orchestrator", error="invalid_token", error_description="{}"'

REVOKED = "UPDATE authsvc.keys SET revoke_time = now() WHERE key_id = '{key_id}'"
DISABLED = "UPDATE authsvc.keys SET disabled = true WHERE key_id = '{key_id}'"
EXPIRED = "UPDATE authsvc.keys SET expire_time = now() WHERE key_id = '{key_id}'"
ACCOUNT_DISABLED = (
    "UPDATE authsvc.accounts SET state = 'DISABLED' WHERE account_id = '{account_id}'"
)


async def create(service: Service, client: AsyncAuthClient, *scopes: str) -> CreatedKey:
    """Make a key of an account of its own."""
    account = await service.create_account()
    return await client.create_key(fresh_name(), account_id=account.account_id, scopes=scopes)


async def change(service: Service, created: CreatedKey, statement: str) -> None:
    await service.execute(
        statement.format(key_id=created.key.key_id, account_id=created.key.account_id)
    )


@pytest.mark.parametrize(
    ("credential", "reason"),
    [
        (None, "MISSING_CREDENTIAL"),
        ("", "MISSING_CREDENTIAL"),
        ("Bearer", "MISSING_CREDENTIAL"),
        ("Bearer   ", "MISSING_CREDENTIAL"),
        ("Basic dXNlcjpwYXNz", "UNSUPPORTED_SCHEME"),
        (f"Token {KEY}", "UNSUPPORTED_SCHEME"),
        ("orch_", "INVALID_KEY_FORMAT"),
        (KEY[:-1], "INVALID_KEY_FORMAT"),
        (f"{KEY}0", "INVALID_KEY_FORMAT"),
        (f"{KEY}\n", "INVALID_KEY_FORMAT"),
        (f"{KEY} ", "INVALID_KEY_FORMAT"),
        (f" {KEY}", "INVALID_KEY_FORMAT"),
        (f"Bearer {KEY}\r\n", "INVALID_KEY_FORMAT"),
        (f"Bearer Bearer {KEY}", "INVALID_KEY_FORMAT"),
        (f"Bearer\t{KEY}", "INVALID_KEY_FORMAT"),
        (f"ORCH_{KEY[5:]}", "INVALID_KEY_FORMAT"),
        (f"{KEY[:-1]}g", "INVALID_KEY_FORMAT"),
        (f"{KEY[:-1]}\u0663", "INVALID_KEY_FORMAT"),
        (f"{KEY[:-1]}\x00", "INVALID_KEY_FORMAT"),
        ("x" * 8193, "INVALID_KEY_FORMAT"),
        ("a.b.c" * 2000, "INVALID_KEY_FORMAT"),
        ("not.a.jwt!", "INVALID_KEY_FORMAT"),
        ("a.b.c", "TOKEN_INVALID"),
        (KEY, "KEY_NOT_FOUND"),
        (f"orch_{KEY[5:].upper()}", "KEY_NOT_FOUND"),
    ],
)
async def test_a_credential_that_is_no_good_is_named_for_what_it_is(
    shared_client: AsyncAuthClient, credential: str | None, reason: str
) -> None:
    verdict = await shared_client.check(credential)

    assert verdict.denial is not None
    assert verdict.denial.reason == reason


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "bearer {}", "BEARER    {}"])
async def test_a_key_is_good_bare_or_behind_bearer_in_any_case(
    shared_service: Service, shared_client: AsyncAuthClient, form: str
) -> None:
    secret = await shared_service.create_key()

    principal = await shared_client.validate(form.format(secret))

    assert principal.account_id == shared_service.account.account_id


async def test_the_upper_case_of_a_key_is_another_key(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    secret = await shared_service.create_key()

    with pytest.raises(CredentialDenied) as denied:
        await shared_client.validate(f"orch_{secret[5:].upper()}")

    assert denied.value.denial.reason == "KEY_NOT_FOUND"


@pytest.mark.parametrize(
    ("statement", "reason", "message", "status", "error"),
    [
        (REVOKED, "KEY_REVOKED", "API key revoked", 401, "UNAUTHORIZED"),
        (DISABLED, "KEY_DISABLED", "API key disabled", 401, "UNAUTHORIZED"),
        (EXPIRED, "KEY_EXPIRED", "API key expired", 401, "UNAUTHORIZED"),
        (ACCOUNT_DISABLED, "ACCOUNT_DISABLED", "Account disabled", 403, "FORBIDDEN"),
    ],
)
async def test_a_denial_is_ready_for_an_http_response(  # noqa: PLR0917 - pytest passes them by name
    shared_service: Service,
    shared_client: AsyncAuthClient,
    statement: str,
    reason: str,
    message: str,
    status: int,
    error: str,
) -> None:
    created = await create(shared_service, shared_client)
    assert await shared_client.check(created.secret.reveal())

    await change(shared_service, created, statement)
    verdict = await shared_client.check(created.secret.reveal(), authoritative=True)
    denial = verdict.denial

    assert denial is not None
    assert (denial.reason, denial.http_status) == (reason, status)
    assert denial.http_body() == {"error": error, "message": message, "code": status}
    expected = {"WWW-Authenticate": INVALID_TOKEN.format(message)} if status == 401 else {}
    assert denial.http_headers() == expected


async def test_a_missing_credential_gets_a_bare_challenge(shared_client: AsyncAuthClient) -> None:
    for credential in (None, "Basic dXNlcjpwYXNz"):
        denial = (await shared_client.check(credential)).denial

        assert denial is not None
        assert denial.http_headers() == {"WWW-Authenticate": 'Bearer realm="orchestrator"'}


async def test_when_several_reasons_hold_the_first_of_the_order_is_given(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    # Given a key with which everything is wrong
    created = await create(shared_service, shared_client, "sessions:read")
    for statement in (REVOKED, DISABLED, EXPIRED, ACCOUNT_DISABLED):
        await change(shared_service, created, statement)

    # When one thing after the other is put right
    reasons = []
    repairs = (
        "UPDATE authsvc.keys SET revoke_time = NULL WHERE key_id = '{key_id}'",
        "UPDATE authsvc.keys SET disabled = false WHERE key_id = '{key_id}'",
        "UPDATE authsvc.keys SET expire_time = NULL WHERE key_id = '{key_id}'",
        "UPDATE authsvc.accounts SET state = 'ACTIVE' WHERE account_id = '{account_id}'",
        "SELECT 1",
    )
    for repair in repairs:
        verdict = await shared_client.check(
            created.secret.reveal(), required_scopes=["keys:read"], authoritative=True
        )
        assert verdict.denial is not None
        reasons.append(verdict.denial.reason)
        await change(shared_service, created, repair)

    # Then the reasons come in their order
    assert reasons == [
        "KEY_REVOKED",
        "KEY_DISABLED",
        "KEY_EXPIRED",
        "ACCOUNT_DISABLED",
        "INSUFFICIENT_SCOPE",
    ]
    assert await shared_client.check(created.secret.reveal(), required_scopes=["sessions:read"])


async def test_a_key_stops_at_its_expiry_by_itself(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    created = await shared_client.create_key(
        fresh_name(),
        account_id=shared_service.account.account_id,
        ttl=timedelta(milliseconds=400),
    )
    end = created.key.expire_time
    assert end is not None

    while verdict := await shared_client.check(created.secret.reveal()):
        assert verdict.freshness.as_of < end

    assert verdict.denial is not None
    assert verdict.denial.reason == "KEY_EXPIRED"
    assert datetime.now(UTC) >= end


@pytest.mark.parametrize(
    ("granted", "required", "good"),
    [
        (["*"], ["sessions:read", "sessions:*", "*", "a:b:c"], True),
        (["sessions:*"], ["sessions:read", "sessions:*", "sessions:a:b"], True),
        (["sessions:*", "keys:read"], ["keys:read", "sessions:x"], True),
        (["sessions:read"], ["sessions:read"], True),
        (["sessions:read"], [], True),
        (["sessions:read"], ["sessions:*"], False),
        (["sessions:read"], ["sessions:read", "sessions:write"], False),
        (["sessions:*"], ["sessions"], False),
        (["sessions:*"], ["sessionsx:read"], False),
        (["sessions:*"], ["*"], False),
        (["*"], ["authsvc:validate"], False),
        (["*"], ["authsvc:admin"], False),
    ],
)
async def test_a_key_needs_every_scope_that_is_asked_for(
    shared_service: Service,
    shared_client: AsyncAuthClient,
    granted: list[str],
    required: list[str],
    *,
    good: bool,
) -> None:
    created = await create(shared_service, shared_client, *granted)

    verdict = await shared_client.check(created.secret.reveal(), required_scopes=required)

    assert bool(verdict) is good
    assert verdict.denial is None or verdict.denial.reason == "INSUFFICIENT_SCOPE"


async def test_insufficient_scope_names_the_scopes_needed(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    created = await create(shared_service, shared_client, "sessions:read")

    verdict = await shared_client.check(
        created.secret.reveal(), required_scopes=["sessions:write", "sessions:read"]
    )

    assert verdict.denial is not None
    assert (verdict.denial.http_status, verdict.denial.error) == (403, "FORBIDDEN")
    assert verdict.denial.www_authenticate == (
        'Bearer realm="orchestrator", error="insufficient_scope", '
        'error_description="Insufficient scope", scope="sessions:read sessions:write"'
    )


async def test_every_malformed_required_scope_is_reported(shared_client: AsyncAuthClient) -> None:
    wrong = ["Sessions:Read", "", "a b", 'x"y', "*:a", "authsvc:*", "x" * 129]

    with pytest.raises(InvalidArgument) as refused:
        await shared_client.check(KEY, required_scopes=["good", *wrong])

    fields = [violation.field for violation in refused.value.field_violations]
    assert fields == [f"required_scopes[{index}]" for index in range(1, len(wrong) + 1)]


async def test_more_than_fifty_required_scopes_are_refused(shared_client: AsyncAuthClient) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await shared_client.check(KEY, required_scopes=["a"] * 51)

    assert [violation.field for violation in refused.value.field_violations] == ["required_scopes"]


async def test_a_principal_says_whose_key_it_is_and_what_it_may_do(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    expire_time = datetime.now(UTC).replace(microsecond=123456) + timedelta(days=1)
    created = await shared_client.create_key(
        "Bot \N{ROBOT FACE}",
        account_id=shared_service.account.account_id,
        scopes=["sessions:*", "billing:read"],
        expire_time=expire_time,
        metadata={"team": "größe", "empty": ""},
    )

    principal = await shared_client.validate(
        f"Bearer {created.secret.reveal()}",
        context=RequestContext(client_ip="192.0.2.1", user_agent="x", method="POST /api/sessions"),
    )

    assert principal.kind is PrincipalKind.API_KEY
    assert principal.account_id == shared_service.account.account_id
    assert (principal.key_id, principal.key_name) == (created.key.key_id, "Bot \N{ROBOT FACE}")
    assert (principal.user_id, principal.session_id) == (None, None)
    assert principal.scopes == ("billing:read", "sessions:*")
    assert principal.expire_time == expire_time
    assert principal.metadata == {"team": "größe", "empty": ""}
