"""Users of accounts: made, found, listed and changed, by those who may."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from authsvc import app
from authsvc.domain.users import UserRole as Role
from orchestrator.auth import (
    Aborted,
    AlreadyExists,
    AsyncAuthClient,
    ChangedUser,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    UserRole,
    UserState,
)
from orchestrator.auth.v1 import user_management_pb2 as pb
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, fresh_name, mint, refused

PASSWORD = "correct horse battery"


def fresh_email() -> str:
    return f"{fresh_name().replace(' ', '-')}@example.com"


async def create(client: AsyncAuthClient, service: Service, **changes: object) -> ChangedUser:
    values: dict[str, object] = {
        "email": fresh_email(),
        "display_name": "Ada",
        "role": UserRole.OWNER,
        "account_id": service.account.account_id,
    }
    return await client.create_user(**{**values, **changes})  # type: ignore[arg-type]


async def test_a_new_user_is_active_and_is_found_by_its_id(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    begun = datetime.now(UTC)

    created = await create(
        shared_client, shared_service, email="Ada.New@Example.COM", role=UserRole.MEMBER
    )

    user = created.user
    assert (user.email, user.display_name) == ("Ada.New@example.com", "Ada")
    assert (user.role, user.state) == (UserRole.MEMBER, UserState.ACTIVE)
    assert user.account_id == shared_service.account.account_id
    assert begun <= user.create_time <= datetime.now(UTC)
    assert (user.password_set, user.password_change_time, user.last_login_time) == (
        False,
        None,
        None,
    )
    assert created.revision > 0
    assert await shared_client.get_user(user.user_id) == user


async def test_a_password_is_kept_as_a_hash_only(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    created = await create(shared_client, shared_service, password=PASSWORD)

    assert created.user.password_set
    hashed = await shared_service.parts.users.find_password_hash(
        created.user.user_id, app.time_limit()
    )
    assert hashed is not None
    assert hashed.startswith("$argon2id$v=19$m=8192,t=1,p=1$")


@pytest.mark.parametrize("spelling", [str.upper, str.lower, str.title])
async def test_an_address_belongs_to_one_user_of_all_accounts(
    shared_service: Service, shared_client: AsyncAuthClient, spelling: object
) -> None:
    assert callable(spelling)
    first = await create(shared_client, shared_service)
    other = await shared_service.create_account()

    with pytest.raises(AlreadyExists) as taken:
        await create(
            shared_client,
            shared_service,
            email=spelling(first.user.email),
            account_id=other.account_id,
        )

    assert taken.value.reason == "EMAIL_TAKEN"


async def test_of_many_who_want_one_address_one_gets_it(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    email = fresh_email()

    results = await asyncio.gather(
        *(create(shared_client, shared_service, email=email) for _ in range(8)),
        return_exceptions=True,
    )

    assert sum(isinstance(result, ChangedUser) for result in results) == 1
    assert sum(isinstance(result, AlreadyExists) for result in results) == 7


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": ""}, "email"),
        ({"email": "ada"}, "email"),
        ({"email": "ada@localhost"}, "email"),
        ({"display_name": ""}, "display_name"),
        ({"display_name": "a\n"}, "display_name"),
        ({"account_id": None}, "account_id"),
        ({"account_id": "acct_1"}, "account_id"),
        ({"password": "short"}, "password"),
        ({"password": "unbelievable"}, "password"),
        ({"password": "x" * 1025}, "password"),
    ],
)
async def test_a_user_out_of_bounds_is_refused(
    shared_service: Service,
    shared_client: AsyncAuthClient,
    changes: dict[str, object],
    field: str,
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await create(shared_client, shared_service, **changes)

    assert {violation.field for violation in caught.value.field_violations} == {field}


async def test_a_password_that_is_a_name_of_its_user_is_refused(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    account = await shared_service.create_account("Analytical Engines")
    where = {"account_id": account.account_id}

    for changes in (
        {"password": "ANALYTICAL engines", **where},
        {"password": "augusta.ada.byron", "email": "augusta.ada.byron@example.com", **where},
        {"password": "The First Programmer", "display_name": "The first programmer", **where},
    ):
        with pytest.raises(InvalidArgument) as caught:
            await create(shared_client, shared_service, **changes)
        assert [violation.field for violation in caught.value.field_violations] == ["password"]
        assert changes["password"] not in str(caught.value)


async def test_an_account_that_is_disabled_gets_no_users(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    account = await shared_service.create_account()
    await shared_service.execute(
        f"UPDATE authsvc.accounts SET state = 'DISABLED' WHERE account_id = '{account.account_id}'"
    )

    with pytest.raises(FailedPrecondition) as caught:
        await create(shared_client, shared_service, account_id=account.account_id)

    assert caught.value.reason == "ACCOUNT_DISABLED"


async def test_the_system_account_has_no_users(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    with pytest.raises(InvalidArgument):
        await create(shared_client, shared_service, account_id=shared_service.system.account_id)


async def test_an_owner_manages_the_users_of_its_own_account_and_sees_no_others(
    shared_service: Service,
) -> None:
    owner = await shared_service.create_user()
    stranger = await shared_service.create_user(account=await shared_service.create_account())
    token = await mint(shared_service, user_id=owner.user_id)

    async with shared_service.client(token) as client:
        created = await create(client, shared_service, account_id=None)
        changed = await client.update_user(created.user.user_id, role=UserRole.VIEWER)
        listed = [user.user_id async for user in client.list_users()]

        assert changed.user.role is UserRole.VIEWER
        assert {owner.user_id, created.user.user_id} <= set(listed)
        assert stranger.user_id not in listed
        for call in (
            client.get_user(stranger.user_id),
            client.update_user(stranger.user_id, disabled=True),
            client.set_user_password(stranger.user_id, PASSWORD),
        ):
            with pytest.raises(NotFound) as hidden:
                await call
            assert hidden.value.reason == "USER_NOT_FOUND"
        with pytest.raises(NotFound) as elsewhere:
            await create(client, shared_service, account_id=stranger.account_id)
        assert elsewhere.value.reason == "ACCOUNT_NOT_FOUND"


async def test_a_user_sees_itself(shared_service: Service) -> None:
    viewer = await shared_service.create_user(Role.VIEWER)
    token = await mint(shared_service, user_id=viewer.user_id)

    async with shared_service.client(token) as client:
        assert (await client.get_user(viewer.user_id)).role is UserRole.VIEWER


async def test_a_user_is_changed_in_what_is_named_and_gets_another_etag(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    before = (await create(shared_client, shared_service)).user

    renamed = await shared_client.update_user(before.user_id, display_name="Eve")
    demoted = await shared_client.update_user(
        before.user_id, role=UserRole.VIEWER, etag=renamed.user.etag
    )

    assert renamed.user.display_name == "Eve"
    assert (renamed.user.role, renamed.user.email) == (before.role, before.email)
    assert (demoted.user.role, demoted.user.display_name) == (UserRole.VIEWER, "Eve")
    assert len({before.etag, renamed.user.etag, demoted.user.etag}) == 3
    with pytest.raises(Aborted) as stale:
        await shared_client.update_user(before.user_id, disabled=True, etag=before.etag)
    assert stale.value.reason == "ETAG_MISMATCH"


async def test_a_user_that_does_not_exist_is_not_found(shared_client: AsyncAuthClient) -> None:
    with pytest.raises(NotFound):
        await shared_client.update_user("user_01h2xcejqtf2nbrexx3vqjhp41", disabled=True)
    with pytest.raises(InvalidArgument) as malformed:
        await shared_client.get_user("user_1")

    assert [violation.field for violation in malformed.value.field_violations] == ["user_id"]


@pytest.mark.parametrize("change", [{"role": UserRole.MEMBER}, {"disabled": True}])
async def test_the_last_active_owner_stays(
    shared_service: Service, shared_client: AsyncAuthClient, change: dict[str, object]
) -> None:
    # Given an account with an owner, one that is disabled, and a member
    account = await shared_service.create_account()
    owner = await shared_service.create_user(account=account)
    second = await shared_service.create_user(account=account)
    await shared_service.create_user(Role.MEMBER, account=account)
    await shared_client.update_user(second.user_id, disabled=True)

    # Then the owner can be renamed, and neither demoted nor disabled
    await shared_client.update_user(owner.user_id, display_name="Eve")
    with pytest.raises(FailedPrecondition) as caught:
        await shared_client.update_user(owner.user_id, **change)  # type: ignore[arg-type]
    assert caught.value.reason == "LAST_OWNER"

    # Until there is another one
    await shared_client.update_user(second.user_id, disabled=False)
    await shared_client.update_user(owner.user_id, **change)  # type: ignore[arg-type]


async def test_two_owners_who_disable_each_other_at_once_do_not_both_succeed(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    for _ in range(5):
        account = await shared_service.create_account()
        owners = [await shared_service.create_user(account=account) for _ in range(2)]

        results = await asyncio.gather(
            *(shared_client.update_user(owner.user_id, disabled=True) for owner in owners),
            return_exceptions=True,
        )

        assert [type(result) for result in results].count(FailedPrecondition) == 1


@pytest.mark.parametrize("page_size", [0, 1, 7, 24, 25, 26])
async def test_every_user_is_listed_once_in_order(
    service: Service, client: AsyncAuthClient, page_size: int
) -> None:
    await service.execute(
        "INSERT INTO authsvc.users (user_id, account_id, email, email_key, display_name, role,"
        " create_time)"
        f" SELECT 'user_01h2xcejqtf2nbrexx3vq' || lpad(n::text, 5, '0'),"
        f" '{service.account.account_id}', n || '@example.com', n || '@example.com', 'n',"
        " 'VIEWER', now() FROM generate_series(1, 25) n"
    )
    await service.create_user(account=await service.create_account())

    listed = [
        user.user_id
        async for user in client.list_users(
            account_id=service.account.account_id, page_size=page_size
        )
    ]

    assert len(listed) == 25
    assert listed == sorted(set(listed))


async def test_a_page_token_belongs_to_its_account(service: Service, stubs: Stubs) -> None:
    for _ in range(2):
        await service.create_user()
    other = await service.create_account()
    admin = bearer(service.admin_key)
    page = await stubs.accounts.ListUsers(
        pb.ListUsersRequest(account_id=service.account.account_id, page_size=1), metadata=admin
    )

    refusal = await refused(
        stubs.accounts.ListUsers(
            pb.ListUsersRequest(account_id=other.account_id, page_token=page.next_page_token),
            metadata=admin,
        )
    )

    assert page.next_page_token
    assert refusal.violated_fields == ["page_token"]
