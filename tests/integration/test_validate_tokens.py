"""ValidateCredential on access tokens (JWTs)."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest

from authsvc import app
from authsvc.config import Settings
from authsvc.domain import ids
from authsvc.domain.signing_keys import SigningAlgorithm
from orchestrator.auth import AsyncAuthClient, FreshnessSource, PrincipalKind
from tests.conftest import ORIGIN, Service, serving
from tests.integration.support import mint, until


async def reason_of(client: AsyncAuthClient, token: str, *, authoritative: bool = False) -> str:
    """Return why a token is refused, or nothing when it is good."""
    verdict = await client.check(token, authoritative=authoritative)
    return verdict.denial.reason if verdict.denial else ""


def segment(value: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", list(SigningAlgorithm))
async def test_a_token_of_each_algorithm_is_good(
    settings: Settings, algorithm: SigningAlgorithm
) -> None:
    async with (
        serving(settings.model_copy(update={"token_algorithm": algorithm})) as service,
        service.client() as client,
    ):
        token = await mint(service)

        assert json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "==="))["alg"] == algorithm
        assert await reason_of(client, f"Bearer {token}") == ""
        assert await reason_of(client, token[:-8] + "AAAAAAAA") == "TOKEN_INVALID"


async def test_a_principal_says_which_user_it_is_and_what_it_may_do(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    now = app.utc_now().replace(microsecond=0)
    token = await mint(
        shared_service,
        user_id="user_7",
        session_id="sess_7",
        scopes=["sessions:read", "keys:*"],
        issue_time=now,
        ttl=timedelta(minutes=15),
    )

    principal = await shared_client.validate(f"Bearer {token}")

    assert principal.kind is PrincipalKind.USER
    assert principal.account_id == shared_service.account.account_id
    assert (principal.user_id, principal.session_id) == ("user_7", "sess_7")
    assert (principal.key_id, principal.key_name) == (None, None)
    assert principal.scopes == ("keys:*", "sessions:read")
    assert principal.expire_time == now + timedelta(minutes=15)
    assert principal.metadata == {}


async def test_a_token_may_carry_no_scope_and_no_session(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    token = await mint(shared_service, scopes=[])

    principal = await shared_client.validate(token)
    verdict = await shared_client.check(token, required_scopes=["sessions:read"])

    assert (principal.scopes, principal.session_id) == ((), None)
    assert verdict.denial is not None
    assert verdict.denial.reason == "INSUFFICIENT_SCOPE"


async def test_reserved_scopes_of_a_token_are_dropped(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    token = await mint(shared_service, scopes=["authsvc:admin", "sessions:read"])

    principal = await shared_client.validate(token)

    assert principal.scopes == ("sessions:read",)


async def test_an_expired_token_is_called_expired(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    issued = app.utc_now() - timedelta(hours=1)
    token = await mint(shared_service, issue_time=issued, ttl=timedelta(minutes=5))

    denial = (await shared_client.check(token)).denial

    assert denial is not None
    assert (denial.reason, denial.message) == ("TOKEN_EXPIRED", "Token expired")
    assert denial.http_status == 401


async def test_a_token_that_we_did_not_issue_as_it_is_is_invalid(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    header, claims, signature = (await mint(shared_service)).split(".")
    kid = json.loads(base64.urlsafe_b64decode(header + "==="))["kid"]
    body = json.loads(base64.urlsafe_b64decode(claims + "==="))
    forged = {
        "other claims": f"{header}.{segment({**body, 'scope': 'a'})}.{signature}",
        "no signature": f"{header}.{claims}.",
        "alg none": f"{segment({'alg': 'none', 'kid': kid, 'typ': 'at+jwt'})}.{claims}.",
        "alg of another key": (
            f"{segment({'alg': 'HS256', 'kid': kid, 'typ': 'at+jwt'})}.{claims}.{signature}"
        ),
        "unknown kid": (
            f"{segment({'alg': 'ES256', 'kid': 'jwk_x', 'typ': 'at+jwt'})}.{claims}.{signature}"
        ),
    }

    reasons = {name: await reason_of(shared_client, token) for name, token in forged.items()}

    assert reasons == dict.fromkeys(forged, "TOKEN_INVALID")


@pytest.mark.parametrize("setting", ["token_issuer", "token_audience"])
async def test_a_token_meant_for_another_service_is_invalid(
    service: Service, client: AsyncAuthClient, setting: str
) -> None:
    other = service.parts.settings.model_copy(update={setting: "https://elsewhere.example"})
    async with app.open_parts(other) as parts:
        signer = await app.token_signer(parts)
        token = signer.sign(
            user_id="user_1",
            account_id=service.account.account_id,
            scopes=["*"],
            token_id="1",
            issue_time=app.utc_now(),
            ttl=timedelta(minutes=5),
        )

    assert await reason_of(client, token) == "TOKEN_INVALID"


async def test_a_token_of_an_unknown_account_is_invalid(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    for account_id in (ids.new_id(ids.ACCOUNT), "nobody"):
        token = await mint(shared_service, account_id=account_id)

        assert await reason_of(shared_client, token) == "TOKEN_INVALID"


async def test_a_token_of_a_disabled_account_is_denied(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    account = await shared_service.create_account()
    token = await mint(shared_service, account_id=account.account_id)
    assert await reason_of(shared_client, token) == ""

    await shared_service.execute(
        f"UPDATE authsvc.accounts SET state = 'DISABLED' WHERE account_id = '{account.account_id}'"
    )

    # Whoever demands it is told at once, and everybody soon
    assert await reason_of(shared_client, token, authoritative=True) == "ACCOUNT_DISABLED"

    async def is_denied() -> bool:
        reason = await reason_of(shared_client, token)
        assert reason in {"", "ACCOUNT_DISABLED"}
        return bool(reason)

    await until(is_denied, seconds=5)


async def test_a_signing_key_that_was_taken_away_stops_within_max_staleness(
    settings: Settings,
) -> None:
    async with (
        serving(settings.model_copy(update={"max_staleness": 0.3})) as service,
        service.client() as client,
    ):
        token = await mint(service)
        assert await reason_of(client, token) == ""

        await service.execute("DELETE FROM authsvc.signing_keys")

        async def is_denied() -> bool:
            return await reason_of(client, token) == "TOKEN_INVALID"

        await until(is_denied, seconds=5)


async def test_an_authoritative_answer_does_not_rest_on_a_signing_key_in_memory(
    settings: Settings,
) -> None:
    async with (
        serving(settings.model_copy(update={"max_staleness": 3600})) as service,
        service.client() as client,
    ):
        token = await mint(service)
        await client.validate(token)
        # In a way that the change log does not tell of.
        await service.execute(
            "ALTER TABLE authsvc.signing_keys DISABLE TRIGGER signing_keys_log_change",
            "DELETE FROM authsvc.signing_keys",
        )

        from_memory = await client.check(token)
        from_database = await client.check(token, authoritative=True)

        assert from_memory.principal is not None
        assert from_memory.freshness.source is FreshnessSource.CACHE
        assert from_database.denial is not None
        assert from_database.freshness.source is FreshnessSource.DATABASE


async def test_a_signing_key_made_by_another_process_is_found(
    service: Service, client: AsyncAuthClient
) -> None:
    # Given a server with its keyring in memory
    old = await mint(service)
    assert await reason_of(client, old) == ""

    # When another process goes over to another algorithm
    other = service.parts.settings.model_copy(update={"token_algorithm": SigningAlgorithm.EDDSA})
    async with app.open_parts(other) as parts:
        await parts.bootstrap.prepare(ORIGIN, app.time_limit())
        signer = await app.token_signer(parts)
    new = signer.sign(
        user_id="user_1",
        account_id=service.account.account_id,
        scopes=["*"],
        token_id="1",
        issue_time=app.utc_now(),
        ttl=timedelta(minutes=5),
    )

    # Then tokens of the new key are good soon, and those of the old one still are
    async def is_good() -> bool:
        return await reason_of(client, new) == ""

    await until(is_good, seconds=5)
    assert await reason_of(client, old) == ""
