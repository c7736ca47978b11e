"""How old an answer of ValidateCredential is, and what a caller may demand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator.auth import AsyncAuthClient, FreshnessSource, InvalidArgument
from orchestrator.auth.v1 import auth_service_pb2 as pb
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, fresh_name, mint, refused


@pytest.mark.parametrize("credential", ["none", "malformed", "unknown", "key", "token"])
async def test_an_answer_from_the_database_is_as_fresh_as_its_call(
    shared_service: Service, shared_client: AsyncAuthClient, credential: str
) -> None:
    value = {
        "none": "",
        "malformed": "orch_1",
        "unknown": "orch_" + "0" * 40,
        "key": await shared_service.create_key(),
        "token": await mint(shared_service),
    }[credential]

    begun = datetime.now(UTC)
    verdict = await shared_client.check(value, authoritative=True)
    ended = datetime.now(UTC)

    assert verdict.freshness.source is FreshnessSource.DATABASE
    assert begun <= verdict.freshness.as_of <= ended


async def test_the_revision_of_a_creation_is_reflected(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    created = await shared_client.create_key(
        fresh_name(), account_id=shared_service.account.account_id
    )

    verdict = await shared_client.check(created.secret.reveal(), at_least_revision=created.revision)

    assert verdict


async def test_the_revision_of_a_revocation_is_reflected(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    created = await shared_client.create_key(
        fresh_name(), account_id=shared_service.account.account_id
    )
    revoked = await shared_client.revoke_key(key_id=created.key.key_id)

    verdict = await shared_client.check(created.secret.reveal(), at_least_revision=revoked.revision)

    assert verdict.denial is not None
    assert verdict.denial.reason == "KEY_REVOKED"


@pytest.mark.parametrize("revision", [0, -1, -(2**63)])
async def test_a_revision_that_is_not_positive_is_refused(
    shared_client: AsyncAuthClient, revision: int
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await shared_client.check("", at_least_revision=revision)

    fields = [violation.field for violation in refused.value.field_violations]
    assert fields == ["freshness.at_least_revision"]


async def test_a_wrong_revision_and_wrong_scopes_are_reported_together(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    request = pb.ValidateCredentialRequest(required_scopes=["A", "b", "C"])
    request.freshness.at_least_revision = -5

    refusal = await refused(
        shared_stubs.auth.ValidateCredential(request, metadata=bearer(shared_service.admin_key))
    )

    assert refusal.violated_fields == [
        "required_scopes[0]",
        "required_scopes[2]",
        "freshness.at_least_revision",
    ]


async def test_authoritative_false_asks_for_nothing(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    request = pb.ValidateCredentialRequest(credential=await shared_service.create_key())
    request.freshness.authoritative = False

    response = await shared_stubs.auth.ValidateCredential(
        request, metadata=bearer(shared_service.admin_key)
    )

    assert response.HasField("principal")
