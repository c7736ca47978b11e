"""What becomes of a user's tokens when the user or its account changes."""

from __future__ import annotations

import pytest

from authsvc.domain import ids
from authsvc.domain.users import UserRole as Role
from orchestrator.auth import (
    AccountState,
    AsyncAuthClient,
    DenialReason,
    FindingCode,
    FreshnessSource,
    UserChanged,
    UserRole,
)
from tests.conftest import Service
from tests.integration.support import mint, until


async def reason_of(client: AsyncAuthClient, token: str, **demand: object) -> str:
    """Return why a token is refused, or nothing when it is good."""
    verdict = await client.check(token, **demand)  # type: ignore[arg-type]
    return verdict.denial.reason if verdict.denial else ""


async def remembered(client: AsyncAuthClient, token: str) -> None:
    """Validate a token until it is answered from memory."""

    async def from_memory() -> bool:
        return (await client.check(token)).freshness.source is FreshnessSource.CACHE

    await until(from_memory)


async def test_the_tokens_of_a_disabled_user_are_revoked_until_it_is_enabled(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    user = await shared_service.create_user(Role.MEMBER)
    token = await mint(shared_service, user_id=user.user_id, scopes=["sessions:*"])
    await remembered(shared_client, token)

    disabled = await shared_client.update_user(user.user_id, disabled=True)

    verdict = await shared_client.check(token, at_least_revision=disabled.revision)
    assert verdict.denial is not None
    assert verdict.denial.reason is DenialReason.TOKEN_REVOKED
    assert (verdict.denial.http_status, verdict.denial.message) == (401, "Token revoked")
    assert verdict.denial.www_authenticate is not None
    assert "invalid_token" in verdict.denial.www_authenticate
    assert await reason_of(shared_client, token) == "TOKEN_REVOKED"

    enabled = await shared_client.update_user(user.user_id, disabled=False)

    assert await reason_of(shared_client, token, at_least_revision=enabled.revision) == ""


async def test_a_change_by_hand_counts_too(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    user = await shared_service.create_user()
    token = await mint(shared_service, user_id=user.user_id)
    await remembered(shared_client, token)

    await shared_service.execute(f"DELETE FROM authsvc.users WHERE user_id = '{user.user_id}'")

    async def is_invalid() -> bool:
        return await reason_of(shared_client, token) == "TOKEN_INVALID"

    await until(is_invalid)


async def test_another_role_counts_for_tokens_that_were_issued_before(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    await shared_service.create_user()
    user = await shared_service.create_user()
    token = await mint(shared_service, user_id=user.user_id)
    await remembered(shared_client, token)
    assert (await shared_client.validate(token)).scopes == ("*",)

    demoted = await shared_client.update_user(user.user_id, role=UserRole.VIEWER)

    principal = await shared_client.validate(token, at_least_revision=demoted.revision)
    assert principal.scopes == ("sessions:read",)
    assert await reason_of(shared_client, token, required_scopes=["keys:*"]) == "INSUFFICIENT_SCOPE"


async def test_a_disabled_user_may_do_nothing_here_either(shared_service: Service) -> None:
    await shared_service.create_user()
    user = await shared_service.create_user()
    token = await mint(shared_service, user_id=user.user_id)
    async with shared_service.client() as admin:
        await admin.update_user(user.user_id, disabled=True)

    async with shared_service.client(token) as client:
        with pytest.raises(Exception, match="UNAUTHENTICATED"):
            await client.update_user(user.user_id, disabled=False)


async def test_a_user_that_does_not_exist_yet_has_good_tokens_as_soon_as_it_does(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    user_id, account_id = ids.new_id(ids.USER), shared_service.account.account_id
    token = await mint(shared_service, user_id=user_id)
    assert await reason_of(shared_client, token) == "TOKEN_INVALID"
    assert await reason_of(shared_client, token) == "TOKEN_INVALID"

    await shared_service.execute(
        "INSERT INTO authsvc.users (user_id, account_id, email, email_key, display_name, role,"
        f" create_time) VALUES ('{user_id}', '{account_id}', 'x@example.com', '{user_id}', 'X',"
        " 'OWNER', now())"
    )

    async def is_good() -> bool:
        return await reason_of(shared_client, token) == ""

    await until(is_good)


async def test_a_token_for_another_account_than_its_users_is_invalid(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    user = await shared_service.create_user(account=await shared_service.create_account())
    token = await mint(shared_service, user_id=user.user_id)

    assert await reason_of(shared_client, token) == "TOKEN_INVALID"


async def test_a_batch_judges_each_token_by_its_user(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    good = await shared_service.create_user()
    disabled = await shared_service.create_user()
    await shared_client.update_user(disabled.user_id, disabled=True)
    tokens = [
        await mint(shared_service, user_id=user_id)
        for user_id in (good.user_id, disabled.user_id, ids.new_id(ids.USER), "user_dev")
    ]

    for _ in range(2):
        verdicts = await shared_client.check_many([*tokens, shared_service.admin_key])

        reasons = [verdict.denial and verdict.denial.reason for verdict in verdicts]
        assert reasons == [None, "TOKEN_REVOKED", "TOKEN_INVALID", None, None]


async def test_what_is_wrong_with_the_user_is_explained(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    viewer = await shared_service.create_user(Role.VIEWER)
    token = await mint(shared_service, user_id=viewer.user_id)

    narrowed = await shared_client.explain(token, required_scopes=["keys:*", "sessions:read"])
    await shared_client.update_user(viewer.user_id, disabled=True)
    disabled = await shared_client.explain(token)
    unknown = await shared_client.explain(await mint(shared_service, user_id=ids.new_id(ids.USER)))

    assert narrowed.missing_scopes == ("keys:*",)
    assert [finding.code for finding in disabled.findings] == [FindingCode.TOKEN_USER_DISABLED]
    assert "owner" in disabled.hint
    assert [finding.code for finding in unknown.findings] == [FindingCode.TOKEN_USER_UNKNOWN]


async def test_a_watch_tells_of_changed_users_and_not_of_new_ones(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    user = await shared_service.create_user(Role.VIEWER)

    changed = await shared_client.update_user(user.user_id, disabled=True)

    async with shared_client.watch(user.revision - 1) as events:
        event = await anext(events)
    assert event == UserChanged(user.user_id, user.account_id, changed.revision)


async def test_all_credentials_of_a_disabled_account_are_denied_until_it_is_enabled(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    account = await shared_service.create_account()
    user = await shared_service.create_user(account=account)
    token = await mint(shared_service, user_id=user.user_id, account_id=account.account_id)
    credentials = [token, await shared_service.create_key(account=account)]
    for credential in credentials:
        await remembered(shared_client, credential)

    disabled = await shared_client.update_account(account.account_id, state=AccountState.DISABLED)

    assert disabled.account.state is AccountState.DISABLED
    for credential in credentials:
        reason = await reason_of(shared_client, credential, at_least_revision=disabled.revision)
        assert reason == "ACCOUNT_DISABLED"

    enabled = await shared_client.update_account(account.account_id, state=AccountState.ACTIVE)

    for credential in credentials:
        assert await reason_of(shared_client, credential, at_least_revision=enabled.revision) == ""
