"""No caller gets at what is not its own, and none passes on more than it has."""

from __future__ import annotations

import pytest

from orchestrator.auth import (
    AsyncAuthClient,
    FailedPrecondition,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from tests.conftest import Service
from tests.integration.support import fresh_name, mint, until

RESERVED = ["authsvc:validate", "authsvc:keys", "authsvc:admin"]


async def key_id_of(client: AsyncAuthClient, secret: str) -> str:
    principal = await client.validate(secret)
    assert principal.key_id is not None
    return principal.key_id


@pytest.mark.parametrize("scope", RESERVED)
@pytest.mark.parametrize("caller", ["*", "token", "authsvc:keys", "authsvc:admin"])
async def test_no_caller_gives_a_reserved_scope_to_an_ordinary_account(
    shared_service: Service, caller: str, scope: str
) -> None:
    api_key = {
        "*": await shared_service.create_key("*"),
        "token": await mint(shared_service),
        "authsvc:keys": await shared_service.create_key(
            "authsvc:keys", account=shared_service.system
        ),
        "authsvc:admin": shared_service.admin_key,
    }[caller]

    async with shared_service.client(api_key) as client:
        with pytest.raises(PermissionDenied) as refused:
            await client.create_key(
                fresh_name(),
                account_id=shared_service.account.account_id,
                scopes=["sessions:read", scope],
            )

    assert refused.value.reason == "SCOPE_NOT_GRANTABLE"


@pytest.mark.parametrize("scope", RESERVED)
async def test_admin_gives_reserved_scopes_to_keys_of_the_system_account(
    shared_service: Service, shared_client: AsyncAuthClient, scope: str
) -> None:
    created = await shared_client.create_key(
        fresh_name(), account_id=shared_service.system.account_id, scopes=[scope]
    )

    assert created.key.scopes == (scope,)


async def test_the_keys_scope_does_not_reach_the_system_account(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    system = shared_service.system
    api_key = await shared_service.create_key("authsvc:keys", account=system)
    admin_key_id = await key_id_of(shared_client, shared_service.admin_key)

    async with shared_service.client(api_key) as client:
        for scopes in ([], ["sessions:read"], ["authsvc:admin"]):
            with pytest.raises(NotFound) as refused:
                await client.create_key(fresh_name(), account_id=system.account_id, scopes=scopes)
            assert refused.value.reason == "ACCOUNT_NOT_FOUND"
        with pytest.raises(NotFound) as hidden:
            await client.revoke_key(key_id=admin_key_id)

    assert hidden.value.reason == "KEY_NOT_FOUND"
    assert await shared_client.check(shared_service.admin_key)


@pytest.mark.parametrize("caller", ["*", "keys:*", "token"])
async def test_what_belongs_to_another_account_reads_as_not_found(
    shared_service: Service, shared_client: AsyncAuthClient, caller: str
) -> None:
    other = await shared_service.create_account()
    secret = await shared_service.create_key(account=other)
    key_id = await key_id_of(shared_client, secret)
    api_key = (
        await mint(shared_service) if caller == "token" else await shared_service.create_key(caller)
    )

    async with shared_service.client(api_key) as client:
        answers = []
        for account_id in (other.account_id, "acct_01h2xcejqtf2nbrexx3vqjhp41"):
            with pytest.raises(NotFound) as no_account:
                await client.create_key(fresh_name(), account_id=account_id, scopes=["keys:*"])
            answers.append((no_account.value.message, no_account.value.reason))
        for unseen in (key_id, "key_01h2xcejqtf2nbrexx3vqjhp41"):
            with pytest.raises(NotFound) as no_key:
                await client.revoke_key(key_id=unseen)
            answers.append((no_key.value.message, no_key.value.reason))

    # Neither answer tells what exists from what does not.
    assert answers[0] == answers[1]
    assert answers[2] == answers[3]
    assert await shared_client.check(secret)


async def test_a_caller_of_an_account_need_not_name_it(shared_service: Service) -> None:
    api_key = await shared_service.create_key("*")

    async with shared_service.client(api_key) as client:
        created = await client.create_key(fresh_name())

    assert created.key.account_id == shared_service.account.account_id


@pytest.mark.parametrize(
    ("own", "asked", "granted"),
    [
        (["*"], [], True),
        (["*"], ["sessions:*", "keys:*"], True),
        (["keys:*", "sessions:*"], ["sessions:read", "sessions:*"], True),
        (["keys:*", "sessions:read"], ["sessions:read"], True),
        (["keys:*", "sessions:read"], [], False),
        (["keys:*", "sessions:read"], ["*"], False),
        (["keys:*", "sessions:read"], ["sessions:*"], False),
        (["keys:*", "sessions:read"], ["sessions:read", "sessions:write"], False),
        (["keys:*", "sessions:*"], ["sessions"], False),
    ],
)
async def test_a_key_passes_on_no_more_than_it_has(
    shared_service: Service, own: list[str], asked: list[str], *, granted: bool
) -> None:
    api_key = await shared_service.create_key(*own)

    async with shared_service.client(api_key) as client:
        if granted:
            created = await client.create_key(fresh_name(), scopes=asked)
            assert created.key.scopes == tuple(sorted(asked or ["*"]))
        else:
            with pytest.raises(PermissionDenied) as refused:
                await client.create_key(fresh_name(), scopes=asked)
            assert refused.value.reason == "SCOPE_NOT_GRANTABLE"


async def test_reserved_scopes_that_got_into_a_row_grant_nothing(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    secret = await shared_service.create_key("*")
    key_id = await key_id_of(shared_client, secret)
    await shared_service.execute(
        "UPDATE authsvc.keys SET scopes = '{*,authsvc:admin,authsvc:other}'"
        f" WHERE key_id = '{key_id}'"
    )

    principal = await shared_client.validate(secret, authoritative=True)
    asked = await shared_client.check(
        secret, required_scopes=["authsvc:validate"], authoritative=True
    )

    assert principal.scopes == ("*",)
    assert asked.denial is not None
    assert asked.denial.reason == "INSUFFICIENT_SCOPE"


@pytest.mark.parametrize("caller", ["narrow", "token", "validate"])
async def test_whoever_is_known_and_holds_a_secret_may_end_its_key(
    shared_service: Service, shared_client: AsyncAuthClient, caller: str
) -> None:
    other = await shared_service.create_account()
    secret = await shared_service.create_key(account=other)
    api_key = {
        "narrow": await shared_service.create_key("sessions:read"),
        "token": await mint(shared_service, scopes=[]),
        "validate": await shared_service.create_key(
            "authsvc:validate", account=shared_service.system
        ),
    }[caller]

    async with shared_service.client(api_key) as client:
        revoked = await client.revoke_key(secret=secret)

    verdict = await shared_client.check(secret, at_least_revision=revoked.revision)
    denial = verdict.denial
    assert denial is not None
    assert denial.reason == "KEY_REVOKED"


async def test_a_stranger_with_a_secret_may_not_end_its_key(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    secret = await shared_service.create_key()

    async with shared_service.client("orch_" + "0" * 40) as client:
        with pytest.raises(Unauthenticated):
            await client.revoke_key(secret=secret)

    assert await shared_client.check(secret)


async def test_a_key_may_end_itself_and_is_then_a_stranger(shared_service: Service) -> None:
    secret = await shared_service.create_key("sessions:read")

    reasons: list[str] = []

    async with shared_service.client(secret) as client:
        revoked = await client.revoke_key(secret=secret)

        # Its own revocation reaches it as soon as it reaches the memory of the server
        async def is_a_stranger() -> bool:
            try:
                again = await client.revoke_key(secret=secret)
            except Unauthenticated as error:
                reasons.append(error.metadata["denial_reason"])
                return True
            assert again == revoked
            return False

        await until(is_a_stranger)

    assert reasons == ["DENIAL_REASON_KEY_REVOKED"]


async def test_a_disabled_account_gets_no_new_key(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    account = await shared_service.create_account()
    await shared_service.execute(
        f"UPDATE authsvc.accounts SET state = 'DISABLED' WHERE account_id = '{account.account_id}'"
    )

    with pytest.raises(FailedPrecondition) as refused:
        await shared_client.create_key(fresh_name(), account_id=account.account_id)

    assert refused.value.reason == "ACCOUNT_DISABLED"
