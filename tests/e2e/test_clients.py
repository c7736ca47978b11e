"""The shipped clients against the real process."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.auth import (
    AsyncAuthClient,
    AuthClient,
    CredentialDenied,
    DenialReason,
    PermissionDenied,
    PrincipalKind,
    Unavailable,
)
from tests.e2e.support import Dev


def test_the_sync_client_takes_a_key_from_creation_to_denial(shared_dev: Dev) -> None:
    with AuthClient(shared_dev.address, api_key=shared_dev.admin_key, plaintext=True) as client:
        created = client.create_key("sync", account_id=shared_dev.account_id)
        principal = client.validate(f"Bearer {created.secret.reveal()}")
        revoked = client.revoke_key(secret=created.secret)
        with pytest.raises(CredentialDenied) as refused:
            client.validate(created.secret.reveal(), at_least_revision=revoked.revision)

    assert principal.kind is PrincipalKind.API_KEY
    assert principal.key_id == created.key.key_id
    assert revoked.key.key_id == created.key.key_id
    assert refused.value.denial.reason is DenialReason.KEY_REVOKED


async def test_the_async_client_takes_a_key_from_creation_to_denial(shared_dev: Dev) -> None:
    async with AsyncAuthClient(
        shared_dev.address, api_key=shared_dev.admin_key, plaintext=True
    ) as client:
        created = await client.create_key("async", account_id=shared_dev.account_id)
        principal = await client.validate(f"Bearer {created.secret.reveal()}")
        revoked = await client.revoke_key(secret=created.secret)
        with pytest.raises(CredentialDenied) as refused:
            await client.validate(created.secret.reveal(), at_least_revision=revoked.revision)

    assert principal.key_id == created.key.key_id
    assert refused.value.denial.reason is DenialReason.KEY_REVOKED


async def test_many_checks_at_once_are_all_answered(shared_dev: Dev) -> None:
    secret = await asyncio.to_thread(shared_dev.create_key, "many")
    async with AsyncAuthClient(
        shared_dev.address, api_key=shared_dev.admin_key, plaintext=True, timeout=10.0
    ) as client:
        verdicts = await asyncio.gather(*(client.check(secret) for _ in range(200)))

    assert all(verdicts)


def test_an_account_key_manages_its_own_account_only(shared_dev: Dev) -> None:
    own = shared_dev.create_key("own")
    with AuthClient(shared_dev.address, api_key=own, plaintext=True) as client:
        created = client.create_key("of its own account")
        with pytest.raises(PermissionDenied):
            client.create_account("Another")

    assert created.key.account_id == shared_dev.account_id


def test_a_server_that_is_gone_is_no_denial(shared_dev: Dev) -> None:
    with (
        AuthClient("127.0.0.1:1", api_key=shared_dev.admin_key, plaintext=True) as client,
        pytest.raises(Unavailable),
    ):
        client.check("Bearer x")
