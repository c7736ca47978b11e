"""The whole service with another issuer: who its users are here, and what they may do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from starlette.requests import Request
from starlette.responses import Response

from authsvc import app
from authsvc.config import InvalidSettings, Settings
from orchestrator.auth import AsyncAuthClient, FindingCode, FreshnessSource, PrincipalKind
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import user_management_pb2 as users_pb
from orchestrator.auth.v1 import user_pb2
from orchestrator.auth.v1.error_reason_pb2 import ERROR_REASON_ISSUER_UNAVAILABLE
from tests.conftest import ORIGIN, Service, serving
from tests.integration.support import Stubs, bearer, fresh_name, mint, refused, stubs_of, until
from tests.issuing import AUDIENCE, JWKS, METADATA, OidcIssuer, ec_key, serving_issuer

CHECK_MAPPING = (
    "Have its issuer put the claim into its tokens, or name another one in AUTHSVC_ISSUERS_FILE."
)
UNKNOWN_ACCOUNT = "acct_01h2xcejqtf2nbrexx3vqjhp41"


@pytest_asyncio.fixture(loop_scope="session")
async def issuer() -> AsyncIterator[OidcIssuer]:
    async with serving_issuer() as served:
        yield served


def write(path: Path, issuer: OidcIssuer, accounts: dict[str, str], more: str = "") -> None:
    """Write the file of issuers."""
    table = ", ".join(f'{name} = "{account_id}"' for name, account_id in accounts.items())
    path.write_text(f"""
[[issuer]]
alias = "partner"
issuer = "{issuer.url}"
allow_loopback = true
audience = "{AUDIENCE}"
account_claim = "org"
account_map = {{ {table} }}
scope_map = {{ read = "sessions:read", keys = ["keys:*", "sessions:*"], all = "*" }}
{more}
""")


@asynccontextmanager
async def accepting(
    settings: Settings, issuer: OidcIssuer, path: Path, **accounts: str
) -> AsyncIterator[Service]:
    """Serve a service that accepts tokens of the issuer; its claim `org` names the account."""
    async with app.open_parts(settings) as parts:
        await parts.bootstrap.prepare(ORIGIN, app.time_limit())
        account = await parts.bootstrap.default_account(ORIGIN, app.time_limit())
    accounts |= {"acme": account.account_id, "gone": UNKNOWN_ACCOUNT}
    write(path, issuer, accounts)
    async with serving(settings.model_copy(update={"issuers_file": path})) as service:
        assert service.account.account_id == account.account_id
        yield service


@pytest_asyncio.fixture(loop_scope="session")
async def service(settings: Settings, issuer: OidcIssuer, tmp_path: Path) -> AsyncIterator[Service]:
    async with accepting(settings, issuer, tmp_path / "issuers.toml") as served:
        yield served


def token(issuer: OidcIssuer, **changes: object) -> str:
    claims: dict[str, Any] = {"org": "acme", "scope": "openid read", **changes}
    return issuer.token(**claims)


async def reason_of(client: AsyncAuthClient, credential: str) -> str:
    verdict = await client.check(credential)
    return verdict.denial.reason if verdict.denial else ""


async def test_a_user_of_another_issuer_is_a_principal(
    service: Service, client: AsyncAuthClient, issuer: OidcIssuer
) -> None:
    credential = token(issuer, sub="ada", sid="their session")

    for _ in range(2):
        principal = await client.validate(f"Bearer {credential}", required_scopes=["sessions:read"])

        assert principal.kind is PrincipalKind.USER
        assert principal.account_id == service.account.account_id
        assert (principal.user_id, principal.session_id) == ("partner|ada", None)
        assert principal.scopes == ("sessions:read",)
        assert principal.expire_time is not None


async def test_answers_come_from_memory_and_no_request_is_made_for_them(
    client: AsyncAuthClient, issuer: OidcIssuer
) -> None:
    credential = token(issuer)

    async def is_remembered() -> bool:
        return (await client.check(credential)).freshness.source is FreshnessSource.CACHE

    # What is read while the follower catches up is not kept.
    await until(is_remembered)
    issuer.asked.clear()

    assert (await client.check(credential)).principal is not None
    assert (await client.check(credential, authoritative=True)).principal is not None
    assert not issuer.asked


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"org": "stranger"}, "TOKEN_INVALID"),
        ({"org": "gone"}, "TOKEN_INVALID"),
        ({"aud": "https://other.example"}, "TOKEN_INVALID"),
        ({"iat": 1_700_000_000, "exp": 1_700_000_300}, "TOKEN_EXPIRED"),
        ({"iss": "https://other.example"}, "TOKEN_INVALID"),
    ],
)
async def test_what_is_wrong_is_a_denial(
    client: AsyncAuthClient, issuer: OidcIssuer, changes: dict[str, object], reason: str
) -> None:
    assert await reason_of(client, token(issuer, **changes)) == reason


async def test_scopes_that_are_not_mapped_open_nothing(
    client: AsyncAuthClient, issuer: OidcIssuer
) -> None:
    credential = token(issuer, scope="authsvc:admin sessions:write")

    assert (await client.validate(credential)).scopes == ()
    verdict = await client.check(credential, required_scopes=["sessions:write"])
    assert verdict.denial is not None
    assert verdict.denial.reason == "INSUFFICIENT_SCOPE"


async def test_a_disabled_account_ends_its_foreign_tokens_too(
    service: Service, client: AsyncAuthClient, issuer: OidcIssuer
) -> None:
    credential = token(issuer)
    await client.validate(credential)

    await service.execute(
        "UPDATE authsvc.accounts SET state = 'DISABLED'"
        f" WHERE account_id = '{service.account.account_id}'"
    )

    verdict = await client.check(credential, authoritative=True)
    assert verdict.denial is not None
    assert verdict.denial.reason == "ACCOUNT_DISABLED"


async def test_own_tokens_and_keys_are_as_good_as_ever(
    service: Service, client: AsyncAuthClient
) -> None:
    assert await reason_of(client, await mint(service)) == ""
    assert await reason_of(client, await service.create_key()) == ""
    forged = (await mint(service))[:-8] + "AAAAAAAA"
    assert await reason_of(client, forged) == "TOKEN_INVALID"


async def test_a_user_of_another_issuer_may_manage_the_keys_of_its_account(
    service: Service, stubs: Stubs, issuer: OidcIssuer
) -> None:
    request = pb.CreateKeyRequest(name=fresh_name(), scopes=["sessions:read"])
    manager, reader = token(issuer, scope="keys"), token(issuer, scope="read all")

    created = await stubs.auth.CreateKey(request, metadata=bearer(manager))

    assert created.key.account_id == service.account.account_id
    narrow = await refused(stubs.auth.CreateKey(request, metadata=bearer(token(issuer))))
    assert narrow.reason == "CALLER_NOT_PERMITTED"
    validate = pb.ValidateCredentialRequest(credential=reader)
    outside = await refused(stubs.auth.ValidateCredential(validate, metadata=bearer(reader)))
    assert outside.reason == "CALLER_NOT_PERMITTED"


async def test_a_user_of_another_issuer_cannot_make_a_login(
    service: Service, stubs: Stubs, issuer: OidcIssuer
) -> None:
    owner, everything = await service.create_user(), bearer(token(issuer, scope="all"))
    take_over = users_pb.SetUserPasswordRequest(user_id=owner.user_id, password="correct horse b")
    join = users_pb.CreateUserRequest(
        email="eve@example.com", display_name="Eve", role=user_pb2.USER_ROLE_OWNER
    )

    for attempt in (
        stubs.accounts.SetUserPassword(take_over, metadata=everything),
        stubs.accounts.CreateUser(join, metadata=everything),
    ):
        assert (await refused(attempt)).reason == "CALLER_NOT_PERMITTED"


async def test_a_batch_may_mix_tokens_of_all_issuers(
    service: Service, client: AsyncAuthClient, issuer: OidcIssuer
) -> None:
    credentials = [token(issuer), await mint(service), token(issuer, org="stranger"), "a.b.c"]

    verdicts = await client.check_many(credentials)

    assert [verdict.principal.user_id if verdict.principal else None for verdict in verdicts] == [
        "partner|ada",
        "user_1",
        None,
        None,
    ]


async def test_keys_are_fetched_at_the_start_and_new_ones_at_their_first_token(
    client: AsyncAuthClient, issuer: OidcIssuer
) -> None:
    assert await reason_of(client, token(issuer)) == ""
    assert issuer.asked == {METADATA: 1, JWKS: 1}
    issuer.keys = [ec_key("2"), *issuer.keys]

    assert await reason_of(client, token(issuer)) == ""

    for number in range(20):
        unknown = issuer.token(ec_key(f"unknown {number}"), org="acme")
        assert await reason_of(client, unknown) == "TOKEN_INVALID"
    assert issuer.asked == {METADATA: 2, JWKS: 2}


async def test_an_issuer_that_is_away_is_no_denial_and_hurts_nobody_else(
    settings: Settings, issuer: OidcIssuer, tmp_path: Path
) -> None:
    async def fail(_request: Request) -> Response:
        return Response(status_code=503)

    issuer.routes[METADATA] = fail
    async with (
        accepting(settings, issuer, tmp_path / "issuers.toml") as service,
        stubs_of(service.address) as stubs,
        service.client() as client,
    ):
        request = pb.ValidateCredentialRequest(credential=token(issuer))
        admin = bearer(service.admin_key)

        refusal = await refused(stubs.auth.ValidateCredential(request, metadata=admin))

        assert (refusal.code.name, refusal.reason) == ("UNAVAILABLE", "ISSUER_UNAVAILABLE")
        assert refusal.retry_delay is not None
        caller = await refused(
            stubs.auth.CreateKey(pb.CreateKeyRequest(), metadata=bearer(token(issuer)))
        )
        assert caller.reason == "ISSUER_UNAVAILABLE"
        assert await reason_of(client, await mint(service)) == ""


async def test_a_token_of_an_issuer_that_is_away_spoils_no_other_verdict_of_a_batch(
    settings: Settings, issuer: OidcIssuer, tmp_path: Path
) -> None:
    async def hang(_request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    issuer.routes[METADATA] = hang
    async with (
        accepting(settings, issuer, tmp_path / "issuers.toml") as service,
        stubs_of(service.address) as stubs,
    ):
        credentials = [await service.create_key(), token(issuer), await mint(service), ""]
        requests = [pb.ValidateCredentialRequest(credential=one) for one in credentials]

        # The fetch goes on for longer than the call has.
        answer = await stubs.auth.BatchValidateCredentials(
            pb.BatchValidateCredentialsRequest(requests=requests),
            metadata=bearer(service.admin_key),
            timeout=2,
        )

        outcomes = [one.WhichOneof("outcome") for one in answer.responses]
        assert outcomes == ["principal", "undecided", "principal", "denial"]
        undecided = answer.responses[1]
        assert undecided.undecided.reason == ERROR_REASON_ISSUER_UNAVAILABLE
        assert undecided.undecided.retry_delay.ToTimedelta() > timedelta(0)
        assert not undecided.HasField("freshness")


async def test_an_explanation_says_whose_token_it_is(
    client: AsyncAuthClient, issuer: OidcIssuer
) -> None:
    async def explained(credential: str, *scopes: str) -> tuple[list[str], str]:
        explanation = await client.explain(credential, required_scopes=scopes)
        assert credential.split(".")[1] not in repr(explanation)
        return [finding.text for finding in explanation.findings], explanation.hint

    whose = "it is a token of the issuer partner"
    assert await explained(token(issuer)) == ([whose], "The credential is good.")
    assert await explained(token(issuer, org="stranger")) == (
        [whose, "the account that it names is not mapped to one here"],
        "Add the account to account_map.",
    )
    assert await explained(token(issuer, org="gone")) == (
        [whose, "it names an account that is not known"],
        "Check the account in AUTHSVC_ISSUERS_FILE, and that it is of this environment.",
    )
    assert await explained(token(issuer, org=None)) == (
        [whose, "the claim org is missing"],
        CHECK_MAPPING,
    )
    assert (await explained(token(issuer), "sessions:write"))[0] == [
        whose,
        "required scopes are missing",
    ]
    explanation = await client.explain(token(issuer, iss="https://other.example"))
    assert FindingCode.TOKEN_ISSUER in {finding.code for finding in explanation.findings}
    assert FindingCode.TOKEN_FOREIGN not in {finding.code for finding in explanation.findings}


@pytest.mark.parametrize("setting", ["jwks_uri", "jwks_file"])
async def test_keys_may_come_from_an_address_or_a_file(
    settings: Settings, issuer: OidcIssuer, tmp_path: Path, setting: str
) -> None:
    path, keys = tmp_path / "issuers.toml", tmp_path / "keys.json"
    await asyncio.to_thread(keys.write_text, json.dumps(issuer.jwks))
    where = {"jwks_uri": issuer.url + JWKS, "jwks_file": "keys.json"}
    async with app.open_parts(settings) as parts:
        await parts.bootstrap.prepare(ORIGIN, app.time_limit())
        account = await parts.bootstrap.default_account(ORIGIN, app.time_limit())
    write(path, issuer, {"acme": account.account_id}, f'{setting} = "{where[setting]}"')
    async with (
        serving(settings.model_copy(update={"issuers_file": path})) as service,
        service.client() as client,
    ):
        assert await reason_of(client, token(issuer)) == ""

    assert issuer.asked == ({JWKS: 1} if setting == "jwks_uri" else {})


async def test_a_file_that_has_become_bad_is_told_at_the_start(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "issuers.toml"
    path.write_text("[[issuer]]\n")

    with pytest.raises(InvalidSettings) as caught:
        async with app.open_parts(settings.model_copy(update={"issuers_file": path})):
            pass

    assert caught.value.problems[0] == "AUTHSVC_ISSUERS_FILE: issuer[0].alias: is required"


async def test_a_mapping_to_the_system_account_opens_nothing_of_this_service(
    settings: Settings, issuer: OidcIssuer, tmp_path: Path
) -> None:
    async with app.open_parts(settings) as parts:
        system = await parts.bootstrap.prepare(ORIGIN, app.time_limit())
    async with (
        accepting(settings, issuer, tmp_path / "issuers.toml", system=system.account_id) as service,
        stubs_of(service.address) as stubs,
    ):
        caller = bearer(token(issuer, org="system", scope="all keys"))
        request = pb.ValidateCredentialRequest(credential="x")

        refusal = await refused(stubs.auth.ValidateCredential(request, metadata=caller))

        assert refusal.reason == "CALLER_NOT_PERMITTED"
