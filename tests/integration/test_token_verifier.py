"""The client's token verifiers beside the service itself: the same verdicts, and as soon."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from authsvc import app
from authsvc.domain.signing_keys import KeyringChange, SigningAlgorithm
from authsvc.domain.users import User, UserRole
from authsvc.postgres.signing_keys import PostgresSigningKeys
from orchestrator.auth import (
    AccountState,
    AsyncAuthClient,
    AsyncTokenVerifier,
    AuthClient,
    Denial,
    FreshnessSource,
    Principal,
    TokenVerifier,
    Verdict,
)
from orchestrator.auth import UserRole as ClientRole
from tests.conftest import ORIGIN, Service, a_database, serving, settings_for
from tests.integration.support import mint, until
from tests.integration.support_sessions import PASSWORD, a_person
from tests.unit.attack_table import ATTACKS
from tests.unit.attacks import ACCEPTED, PUBLISHED, Attack, Forger
from tests.unit.forging import SEALER, Issuer

# The second decides: a token must have been issued later than an event to be judged without asking.
LEEWAY = timedelta(0)


@dataclass
class Verifiers:
    """Both verifiers of a served service, and what the service itself says."""

    service: Service
    client: AsyncAuthClient
    verifiers: tuple[TokenVerifier, AsyncTokenVerifier]

    async def outcomes(self, value: str | None, *scopes: str) -> list[Principal | Denial]:
        """Return the outcomes at the service, the sync and the async verifier."""
        first = await self.client.check(value, required_scopes=scopes)
        return [first.outcome, *(one.outcome for one in await self.verdicts(value, *scopes))]

    async def verdicts(self, value: str | None, *scopes: str) -> list[Verdict]:
        """Return the verdicts of both verifiers."""
        sync, async_ = self.verifiers
        return [
            # In a thread, for the service is on this event loop.
            await asyncio.to_thread(sync.check, value, required_scopes=scopes),
            await async_.check(value, required_scopes=scopes),
        ]

    async def are_live(self) -> None:
        async def live() -> bool:
            return all(verifier.as_of for verifier in self.verifiers)

        await until(live)

    async def log_in(self, person: User) -> str:
        """Log in in a second that began after all that has happened so far."""
        now = time.time()
        await asyncio.sleep(int(now) + 1 - now)  # tokens are issued at whole seconds
        granted = await self.client.create_session(person.email, PASSWORD)
        return granted.access_token.reveal()


@pytest.fixture(scope="module")
def keys() -> Mapping[SigningAlgorithm, Issuer]:
    return {algorithm: Issuer.with_new_key(algorithm, os.urandom) for algorithm in PUBLISHED}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def beside(
    postgres_url: str, template_database: str, keys: Mapping[SigningAlgorithm, Issuer]
) -> AsyncIterator[Verifiers]:
    """A served service whose keys are the tests' own, with verifiers that follow it."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(a_database(postgres_url, template_database))
        settings = settings_for(url)
        async with app.open_parts(settings) as parts:
            stored = PostgresSigningKeys(parts.database)
            for key in keys.values():
                added = KeyringChange(added=key.sealed_by(SEALER, app.utc_now()))
                await stored.change_signing_keys(lambda _, a=added: a, ORIGIN, app.time_limit())  # type: ignore[misc]
        service = await stack.enter_async_context(serving(settings))
        client = await stack.enter_async_context(service.client())
        plain = AuthClient(service.address, api_key=service.admin_key, plaintext=True)
        stack.callback(plain.close)
        rules: dict[str, Any] = {
            "issuer": settings.token_issuer,
            "audience": settings.token_audience,
        }
        sync = TokenVerifier(plain, **rules, leeway=LEEWAY)
        stack.push_async_callback(asyncio.to_thread, sync.close)
        async_ = await stack.enter_async_context(AsyncTokenVerifier(client, **rules, leeway=LEEWAY))
        verifiers = Verifiers(service, client, (sync, async_))
        await verifiers.verdicts(None)
        await verifiers.are_live()
        yield verifiers


def claims_of(service: Service, now: int) -> dict[str, object]:
    settings = service.parts.settings
    return {
        "iss": settings.token_issuer,
        "aud": settings.token_audience,
        "sub": "user_1",
        "account_id": service.account.account_id,
        "scope": "sessions:read",
        "jti": "jti_1",
        "iat": now - 60,
        "exp": now + 60,
    }


def is_as_expected(attack: Attack, outcome: Principal | Denial) -> bool:
    if isinstance(outcome, Principal):
        return attack.verdict == ACCEPTED
    return outcome.reason == attack.verdict


@pytest.mark.parametrize("area", sorted({attack.area for attack in ATTACKS}))
async def test_an_attack_fails_at_the_service_and_at_its_verifiers(
    beside: Verifiers, keys: Mapping[SigningAlgorithm, Issuer], area: str
) -> None:
    now = int(time.time())
    claims = claims_of(beside.service, now)
    unexpected = []
    for attack in (attack for attack in ATTACKS if attack.area == area):
        # The leeway of the service is not that of these verifiers.
        if "leeway" in attack.name:
            continue
        for algorithm in attack.algorithms:
            value = attack.make(Forger(keys[algorithm], claims, now))
            if len(value) > 1_000_000:  # more than a call may carry
                continue
            outcomes = await beside.outcomes(value)
            if outcomes != outcomes[:1] * 3 or not is_as_expected(attack, outcomes[0]):
                unexpected.append((attack.title, algorithm, outcomes))

    assert unexpected == []


@pytest.mark.parametrize("role", list(UserRole))
async def test_a_token_of_a_session_has_the_services_verdict_without_a_call(
    beside: Verifiers, role: UserRole
) -> None:
    token = await beside.log_in(await a_person(beside.service, role))

    for scopes in ((), ("*",), ("sessions:read",), ("keys:*", "sessions:write")):
        service, *verifiers = await beside.outcomes(f"Bearer {token}", *scopes)
        assert verifiers == [service] * 2
        assert scopes or isinstance(service, Principal)

    sources = {verdict.freshness.source for verdict in await beside.verdicts(token)}
    assert sources == {FreshnessSource.CACHE}


async def test_a_log_out_counts_at_once(beside: Verifiers) -> None:
    token = await beside.log_in(await a_person(beside.service))
    principals = await beside.outcomes(token)
    principal = principals[0]
    assert isinstance(principal, Principal)
    assert principals == [principal] * 3

    await beside.client.revoke_session(principal.session_id or "")
    await until(lambda: all_denied(beside, token))

    denials = await beside.outcomes(token)
    assert denials == denials[:1] * 3
    assert isinstance(denials[0], Denial)
    assert denials[0].reason == "TOKEN_REVOKED"


async def all_denied(beside: Verifiers, token: str) -> bool:
    return not any(isinstance(one, Principal) for one in await beside.outcomes(token))


async def test_a_disabled_user_is_denied_and_another_role_counts(beside: Verifiers) -> None:
    person = await a_person(beside.service, UserRole.MEMBER)
    token = await beside.log_in(person)
    assert not await all_denied(beside, token)

    await beside.client.update_user(person.user_id, role=ClientRole.VIEWER)

    async def narrowed() -> bool:
        outcomes = await beside.outcomes(token)
        return all(isinstance(o, Principal) and o.scopes == ("sessions:read",) for o in outcomes)

    await until(narrowed)
    await beside.client.update_user(person.user_id, disabled=True)
    await until(lambda: all_denied(beside, token))
    assert {one.reason for one in await beside.outcomes(token) if isinstance(one, Denial)} == {
        "TOKEN_REVOKED"
    }


async def test_tokens_that_are_only_minted_follow_their_account(beside: Verifiers) -> None:
    account = await beside.client.create_account("Minted")
    token = await mint(beside.service, account_id=account.account_id)
    assert not await all_denied(beside, token)

    await beside.client.update_account(account.account_id, state=AccountState.DISABLED)
    await until(lambda: all_denied(beside, token))

    denials = await beside.outcomes(token)
    assert denials == denials[:1] * 3
    assert isinstance(denials[0], Denial)
    assert (denials[0].reason, denials[0].http_status) == ("ACCOUNT_DISABLED", 403)


@pytest.mark.parametrize(
    "value", [None, "", "Bearer", "Basic x", "orch_1", "Bearer orch_" + "0" * 40, "Bearer a.b.c"]
)
async def test_what_is_no_token_has_the_services_verdict(
    beside: Verifiers, value: str | None
) -> None:
    service, *verifiers = await beside.outcomes(value)

    assert verifiers == [service] * 2
    assert isinstance(service, Denial)


async def test_an_api_key_has_the_services_verdict(beside: Verifiers) -> None:
    key = await beside.service.create_key("sessions:read")

    for scopes in ((), ("sessions:read",), ("keys:*",)):
        service, *verifiers = await beside.outcomes(f"Bearer {key}", *scopes)
        assert verifiers == [service] * 2
