"""Passwords of users: who may set them, what they become, and who they are found by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from authsvc import app
from authsvc.domain.errors import TooManyLogins
from authsvc.domain.passwords import Password, Verified
from authsvc.domain.users import User, UserRole
from authsvc.passwords.argon2_hasher import Argon2Hasher
from authsvc.usecases.verify_password import VerifyPassword
from orchestrator.auth import (
    AsyncAuthClient,
    InvalidArgument,
    PermissionDenied,
    ResourceExhausted,
    Secret,
)
from tests.conftest import CHEAP_PASSWORDS, Service, a_database, serving, settings_for
from tests.integration.support import mint

PASSWORD, OTHER = "correct horse battery", "staple battery horse"


def verifier(service: Service) -> VerifyPassword:
    return VerifyPassword(store=service.parts.users, hasher=service.parts.hasher)


async def found(service: Service, email: str, password: str) -> User | None:
    return await verifier(service)(email, Password(password), app.time_limit())


@pytest_asyncio.fixture(loop_scope="session")
async def own_client(shared_service: Service) -> AsyncIterator[tuple[User, AsyncAuthClient]]:
    """An owner with a password, and a client with its token."""
    user = await shared_service.create_user(password=PASSWORD)
    async with shared_service.client(await mint(shared_service, user_id=user.user_id)) as client:
        yield user, client


async def test_an_admin_sets_a_password(
    shared_service: Service, shared_client: AsyncAuthClient
) -> None:
    user = await shared_service.create_user()
    assert await found(shared_service, user.email, PASSWORD) is None

    changed = await shared_client.set_user_password(user.user_id, Secret(PASSWORD))

    assert changed.user.password_set
    assert changed.user.password_change_time is not None
    assert changed.user.etag != user.etag
    known = await found(shared_service, user.email.upper(), PASSWORD)
    assert known is not None
    assert known.user_id == user.user_id
    assert await found(shared_service, user.email, OTHER) is None


async def test_an_owner_sets_the_password_of_another_user_without_knowing_it(
    shared_service: Service, own_client: tuple[User, AsyncAuthClient]
) -> None:
    _, client = own_client
    member = await shared_service.create_user(UserRole.MEMBER, password=PASSWORD)

    await client.set_user_password(member.user_id, OTHER)

    assert await found(shared_service, member.email, OTHER) is not None


async def test_whoever_sets_its_own_password_must_know_the_current_one(
    shared_service: Service, own_client: tuple[User, AsyncAuthClient]
) -> None:
    user, client = own_client

    with pytest.raises(InvalidArgument) as missing:
        await client.set_user_password(user.user_id, OTHER)
    with pytest.raises(PermissionDenied) as wrong:
        await client.set_user_password(user.user_id, OTHER, current_password=OTHER)

    assert [v.field for v in missing.value.field_violations] == ["current_password"]
    assert wrong.value.reason == "WRONG_PASSWORD"
    assert await found(shared_service, user.email, PASSWORD) is not None

    await client.set_user_password(user.user_id, OTHER, current_password=PASSWORD)

    assert await found(shared_service, user.email, OTHER) is not None
    assert await found(shared_service, user.email, PASSWORD) is None


async def test_guesses_at_the_current_password_have_to_wait(
    own_client: tuple[User, AsyncAuthClient],
) -> None:
    user, client = own_client
    for number in range(5):
        with pytest.raises(PermissionDenied):
            await client.set_user_password(user.user_id, OTHER, current_password=f"guess {number}")

    with pytest.raises(ResourceExhausted) as made_to_wait:
        await client.set_user_password(user.user_id, OTHER, current_password=PASSWORD)

    assert made_to_wait.value.reason == "TOO_MANY_FAILED_LOGINS"


async def test_a_user_without_a_password_knows_no_current_one(shared_service: Service) -> None:
    user = await shared_service.create_user()
    token = await mint(shared_service, user_id=user.user_id)

    async with shared_service.client(token) as client:
        with pytest.raises(PermissionDenied) as refused:
            await client.set_user_password(user.user_id, OTHER, current_password=PASSWORD)

    assert refused.value.reason == "WRONG_PASSWORD"


@pytest.mark.parametrize("caller", ["admin", "owner"])
async def test_a_current_password_that_nobody_would_look_at_is_not_taken(
    shared_service: Service, own_client: tuple[User, AsyncAuthClient], caller: str
) -> None:
    _, owner = own_client
    member = await shared_service.create_user(UserRole.MEMBER, password=PASSWORD)

    async with shared_service.client() as admin:
        client = admin if caller == "admin" else owner
        with pytest.raises(InvalidArgument) as caught:
            await client.set_user_password(member.user_id, OTHER, current_password=PASSWORD)

    assert [v.field for v in caught.value.field_violations] == ["current_password"]
    assert await found(shared_service, member.email, PASSWORD) is not None


async def test_a_viewer_sets_its_own_password_and_no_other(shared_service: Service) -> None:
    viewer = await shared_service.create_user(UserRole.VIEWER, password=PASSWORD)
    other = await shared_service.create_user(UserRole.VIEWER)
    token = await mint(shared_service, user_id=viewer.user_id)

    async with shared_service.client(token) as client:
        await client.set_user_password(viewer.user_id, OTHER, current_password=PASSWORD)
        with pytest.raises(PermissionDenied) as refused:
            await client.set_user_password(other.user_id, OTHER)

    assert refused.value.reason == "CALLER_NOT_PERMITTED"


async def test_who_knew_the_password_before_cannot_undo_its_change(
    shared_service: Service,
    shared_client: AsyncAuthClient,
    own_client: tuple[User, AsyncAuthClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user, thief = own_client
    hash_now, compared, go_on = Argon2Hasher.hash, asyncio.Event(), asyncio.Event()

    async def hash_later(hasher: Argon2Hasher, password: Password) -> str:
        if password.reveal() == OTHER:
            compared.set()
            await go_on.wait()
        return await hash_now(hasher, password)

    monkeypatch.setattr(Argon2Hasher, "hash", hash_later)
    undoing = asyncio.create_task(
        thief.set_user_password(user.user_id, OTHER, current_password=PASSWORD)
    )
    await compared.wait()
    await shared_client.set_user_password(user.user_id, "staple correct battery")
    go_on.set()

    with pytest.raises(PermissionDenied) as refused:
        await undoing

    assert refused.value.reason == "WRONG_PASSWORD"
    assert await found(shared_service, user.email, "staple correct battery") is not None


@pytest.mark.parametrize("password", ["short", "unbelievable", "Default account"])
async def test_a_password_that_breaks_a_rule_is_refused_without_being_repeated(
    shared_service: Service, shared_client: AsyncAuthClient, password: str
) -> None:
    account = await shared_service.create_account("Default account")
    user = await shared_service.create_user(account=account)

    with pytest.raises(InvalidArgument) as refused:
        await shared_client.set_user_password(user.user_id, password)

    (violation,) = refused.value.field_violations
    assert violation.field == "password"
    assert password not in f"{refused.value} {violation}"


@pytest.mark.parametrize("email", ["nobody@example.com", "no address", ""])
async def test_an_address_that_is_not_known_takes_the_same_work(
    shared_service: Service, email: str
) -> None:
    compared: list[Password] = []

    class Watched:
        async def hash(self, password: Password) -> str:
            raise AssertionError(password)

        async def verify(self, hashed: str, password: Password) -> object:
            raise AssertionError((hashed, password))

        async def verify_dummy(self, password: Password) -> None:
            compared.append(password)

    watched = VerifyPassword(store=shared_service.parts.users, hasher=Watched())  # type: ignore[arg-type]

    assert await watched(email, Password(PASSWORD), app.time_limit()) is None
    assert len(compared) == 1


async def test_a_password_is_hashed_anew_when_hashes_cost_more_by_now(
    postgres_url: str, template_database: str
) -> None:
    async with a_database(postgres_url, template_database) as url:
        async with serving(settings_for(url)) as service:
            user = await service.create_user(password=PASSWORD)
        dearer = {**CHEAP_PASSWORDS, "password_time_cost": 2}
        async with serving(settings_for(url, **dearer)) as service:
            users, now = service.parts.users, app.time_limit
            before = await users.find_user(user.user_id, now())

            assert await found(service, user.email, OTHER) is None
            assert "t=1" in (await users.find_password_hash(user.user_id, now()) or "")
            assert await found(service, user.email, PASSWORD) is not None

            # The hash is another one, and nothing else has changed.
            assert "t=2" in (await users.find_password_hash(user.user_id, now()) or "")
            assert await users.find_user(user.user_id, now()) == before
            assert await found(service, user.email, PASSWORD) is not None


async def test_a_hash_that_cannot_be_made_anew_sends_nobody_away(shared_service: Service) -> None:
    user = await shared_service.create_user(password=PASSWORD)

    class Busy:
        async def verify(self, hashed: str, password: Password) -> Verified:
            return Verified(matches=bool(hashed and password), needs_rehash=True)

        async def hash(self, _password: Password) -> str:
            raise TooManyLogins

    verify = VerifyPassword(store=shared_service.parts.users, hasher=Busy())  # type: ignore[arg-type]

    assert await verify(user.email, Password(PASSWORD), app.time_limit()) is not None
