"""UpdateAccount: what changes, what does not, and what it is guarded by."""

from __future__ import annotations

import pytest

from orchestrator.auth import (
    Aborted,
    AccountState,
    AsyncAuthClient,
    InvalidArgument,
    NotFound,
)
from orchestrator.auth.v1 import account_pb2, account_service_pb2
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, refused


async def test_an_account_gets_another_name_and_another_etag(
    shared_client: AsyncAuthClient,
) -> None:
    before = await shared_client.create_account("Before")
    assert before == await shared_client.get_account(before.account_id)

    updated = await shared_client.update_account(
        before.account_id, display_name="After", etag=before.etag
    )

    assert updated.account.display_name == "After"
    assert updated.account.state is AccountState.ACTIVE
    assert updated.account.etag != before.etag
    assert updated.revision > 0
    with pytest.raises(Aborted) as stale:
        await shared_client.update_account(
            before.account_id, state=AccountState.DISABLED, etag=before.etag
        )
    assert stale.value.reason == "ETAG_MISMATCH"


async def test_the_system_account_is_not_disabled(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    with pytest.raises(InvalidArgument) as refused_:
        await shared_client.update_account(
            shared_service.system.account_id, state=AccountState.DISABLED
        )

    assert [violation.field for violation in refused_.value.field_violations] == ["account.state"]


async def test_an_account_that_does_not_exist_is_not_found(shared_client: AsyncAuthClient) -> None:
    with pytest.raises(NotFound) as missing:
        await shared_client.update_account(
            "acct_01h2xcejqtf2nbrexx3vqjhp41", state=AccountState.DISABLED
        )

    assert missing.value.reason == "ACCOUNT_NOT_FOUND"


@pytest.mark.parametrize(
    ("paths", "violated"),
    [
        ([], ["update_mask"]),
        (["state"], ["account.state"]),
        (["display_name"], ["account.display_name"]),
        (["*"], ["update_mask.paths[0]"]),
        (["state", "create_time", "hunter2"], ["update_mask.paths[1]", "update_mask.paths[2]"]),
    ],
)
async def test_a_mask_that_cannot_be_is_refused(
    shared_service: Service, shared_stubs: Stubs, paths: list[str], violated: list[str]
) -> None:
    account = account_pb2.Account(account_id=shared_service.account.account_id)
    if len(paths) > 1:
        account.state = account_pb2.ACCOUNT_STATE_ACTIVE
    request = account_service_pb2.UpdateAccountRequest(account=account)
    request.update_mask.paths.extend(paths)

    refusal = await refused(
        shared_stubs.accounts.UpdateAccount(request, metadata=bearer(shared_service.admin_key))
    )

    assert refusal.violated_fields == violated
    assert "hunter2" not in refusal.everything


async def test_without_a_mask_what_is_set_is_changed(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    account = await shared_service.create_account()
    request = account_service_pb2.UpdateAccountRequest(
        account=account_pb2.Account(account_id=account.account_id, display_name="Set")
    )

    response = await shared_stubs.accounts.UpdateAccount(
        request, metadata=bearer(shared_service.admin_key)
    )

    assert response.account.display_name == "Set"
    assert response.account.state == account_pb2.ACCOUNT_STATE_ACTIVE
