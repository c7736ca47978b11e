"""The use cases for users and accounts, where a real store would add nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from authsvc.domain.accounts import Account
from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline, TimeLimit
from authsvc.domain.errors import (
    CallerNotPermitted,
    DatabaseUnavailable,
    EtagMismatch,
    InvalidRequest,
    UserNotFound,
    WrongPassword,
)
from authsvc.domain.origin import Origin
from authsvc.domain.passwords import Password, Verified
from authsvc.domain.users import User, UserRole
from authsvc.usecases.call import Call
from authsvc.usecases.create_user import CreateUser, CreateUserCommand
from authsvc.usecases.set_user_password import SetUserPassword, SetUserPasswordCommand
from authsvc.usecases.update_account import UpdateAccount, UpdateAccountCommand
from authsvc.usecases.update_user import UpdateUser, UpdateUserCommand
from tests.unit.examples import ACCOUNT_ID, NOW, ORIGIN, USER_ID, a_user_caller, an_account
from tests.unit.stores import ADMIN, OWNER, a_call, some_accounts

USER = User(
    user_id=USER_ID,
    account_id=ACCOUNT_ID,
    email="ada@example.com",
    display_name="Ada",
    role=UserRole.OWNER,
    create_time=NOW,
    revision=7,
)


class Users:
    """One user, which others may keep changing."""

    def __init__(self, *, races: int = 0) -> None:
        self.user = USER
        self.races = races
        self.hashes: list[str] = []
        self.spared: list[str] = []
        self.expected: list[object] = []

    async def find_user(self, user_id: str, deadline: Deadline) -> User | None:
        assert deadline
        return self.user if user_id == self.user.user_id else None

    async def replace_user(
        self, user: User, now: datetime, origin: Origin, deadline: Deadline
    ) -> User | None:
        assert (now, origin, bool(deadline)) == (NOW, ORIGIN, True)
        if self.races:
            self.races -= 1
            self.user = replace(self.user, email="eve@example.com", revision=8)
            return None
        self.user = replace(user, revision=9)
        return self.user

    async def find_password_hash(self, user_id: str, deadline: Deadline) -> str | None:
        assert (user_id, bool(deadline)) == (USER_ID, True)
        return "hash of old"

    async def set_password(
        self,
        user_id: str,
        *,
        password_hash: str,
        last_change_time: object,
        change_time: object,
        except_session_id: str,
        origin: Origin,
        deadline: Deadline,
    ) -> User | None:
        assert (user_id, change_time, origin, bool(deadline)) == (USER_ID, NOW, ORIGIN, True)
        self.spared.append(except_session_id)
        self.expected.append(last_change_time)
        self.hashes.append(password_hash)
        return self.user

    async def insert_user(
        self,
        user: User,
        *,
        email_key: str,
        password_hash: str | None,
        origin: Origin,
        deadline: Deadline,
    ) -> User:
        assert (origin, bool(deadline)) == (ORIGIN, True)
        assert email_key == email_key.lower()
        self.hashes.append(password_hash or "")
        self.user = user
        return user


class Hasher:
    """Hashes that can be read."""

    async def hash(self, password: Password) -> str:
        return f"hash of {password.reveal()}"

    async def verify(self, hashed: str, password: Password) -> Verified:
        return Verified(hashed == f"hash of {password.reveal()}", needs_rehash=False)

    async def verify_dummy(self, password: Password) -> None:
        assert password


class ChangingAccount:
    """An account that others keep changing."""

    def __init__(self, races: int) -> None:
        self.account = an_account()
        self.races = races

    async def find_account(self, account_id: str, deadline: Deadline) -> Account | None:
        assert deadline
        return self.account if account_id == ACCOUNT_ID else None

    async def replace_account(
        self, account: Account, now: datetime, origin: Origin, deadline: Deadline
    ) -> Account | None:
        assert (now, origin, bool(deadline)) == (NOW, ORIGIN, True)
        self.races -= 1
        return account if self.races < 0 else None

    async def end_sessions_of_disabled(
        self, account_id: str, now: datetime, origin: Origin, deadline: Deadline
    ) -> bool:
        raise AssertionError((account_id, now, origin, deadline))


def create_user(store: Users, hasher: Hasher | None = None) -> CreateUser:
    return CreateUser(
        accounts=some_accounts(),
        store=store,
        hasher=hasher or Hasher(),
        is_common=lambda text: text == "unbelievable",
        clock=lambda: NOW,
        new_id=lambda prefix: f"{prefix}_00000000000000000000000009",
    )


def update_user(store: Users) -> UpdateUser:
    return UpdateUser(store=store, clock=lambda: NOW)


def update_account(store: ChangingAccount) -> UpdateAccount:
    return UpdateAccount(store=store, clock=lambda: NOW)


def set_password(
    store: Users, limit: NoLimit | None = None, hasher: Hasher | None = None
) -> SetUserPassword:
    return SetUserPassword(
        accounts=some_accounts(),
        store=store,
        hasher=hasher or Hasher(),
        limit_logins=limit or NoLimit(),  # type: ignore[arg-type] # as much of it as is asked for
        is_common=lambda text: text == "unbelievable",
        clock=lambda: NOW,
    )


class NoLimit:
    def __init__(self) -> None:
        self.counted = 0

    async def begin_own(self, *_: object) -> None:
        self.counted += 1

    async def take_back(self, *_: object) -> None:
        self.counted -= 1


def command(**changes: object) -> CreateUserCommand:
    values: dict[str, object] = {
        "email": "Ada@Example.com",
        "display_name": "Ada",
        "role": UserRole.MEMBER,
        "account_id": ACCOUNT_ID,
    }
    return CreateUserCommand(**{**values, **changes})  # type: ignore[arg-type]


async def test_a_new_user_has_what_was_asked_for() -> None:
    store = Users()

    user = await create_user(store)(command(password=Password("correct horse")), a_call(ADMIN))

    assert (user.user_id, user.account_id) == ("user_00000000000000000000000009", ACCOUNT_ID)
    assert (user.email, user.role, user.disabled) == ("Ada@example.com", UserRole.MEMBER, False)
    assert (user.create_time, user.password_change_time) == (NOW, NOW)
    assert store.hashes == ["hash of correct horse"]


async def test_every_violation_is_told_at_once() -> None:
    bad = command(email="x", display_name="", role=None, account_id="", password=Password("x"))

    with pytest.raises(InvalidRequest) as refused:
        await create_user(Users())(bad, a_call(ADMIN))

    assert [violation.field for violation in refused.value.violations] == [
        "account_id",
        "display_name",
        "role",
        "email",
        "password",
    ]


async def test_a_key_of_the_account_makes_no_user() -> None:
    with pytest.raises(CallerNotPermitted):
        await create_user(Users())(command(), a_call(OWNER))


async def test_a_race_with_another_change_is_run_again_on_what_is_there_then() -> None:
    store = Users(races=1)

    changed = await update_user(store)(
        UpdateUserCommand(USER_ID, ("display_name",), display_name="Bob"), a_call(ADMIN)
    )

    assert (changed.display_name, changed.email) == ("Bob", "eve@example.com")


async def test_a_race_with_another_change_is_lost_when_there_is_an_etag() -> None:
    wanted = UpdateUserCommand(USER_ID, ("disabled",), etag=USER.etag, disabled=True)

    with pytest.raises(EtagMismatch):
        await update_user(Users(races=1))(wanted, a_call(ADMIN))


async def test_races_do_not_go_on_for_ever() -> None:
    store, account = Users(races=100), ChangingAccount(races=100)

    with pytest.raises(EtagMismatch):
        await update_user(store)(UpdateUserCommand(USER_ID, ("disabled",)), a_call(ADMIN))
    with pytest.raises(EtagMismatch):
        await update_account(account)(
            UpdateAccountCommand(ACCOUNT_ID, ("display_name",), display_name="x"), a_call(ADMIN)
        )

    assert store.races > 90
    assert account.races > 90


async def test_a_current_password_that_nobody_looked_at_is_not_counted() -> None:
    class Away(Users):
        async def find_password_hash(self, user_id: str, deadline: Deadline) -> str | None:
            assert (user_id, bool(deadline)) == (USER_ID, True)
            raise DatabaseUnavailable

    limit, password = NoLimit(), Password("correct horse")

    with pytest.raises(DatabaseUnavailable):
        await set_password(Away(), limit)(
            SetUserPasswordCommand(USER_ID, password, password), a_call(a_user_caller("*"))
        )

    assert limit.counted == 0


async def test_whoever_is_the_user_must_know_the_password_whatever_else_it_may() -> None:
    store = Users()
    me = a_call(a_user_caller("*"))
    new, wrong, right = Password("correct horse"), Password("not it"), Password("old")

    with pytest.raises(WrongPassword):
        await set_password(store)(SetUserPasswordCommand(USER_ID, new, wrong), me)
    assert store.hashes == []
    await set_password(store)(SetUserPasswordCommand(USER_ID, new, right), me)

    assert store.hashes == ["hash of correct horse"]
    assert store.expected == [USER.password_change_time]


class SlowHasher(Hasher):
    """Each hash takes longer than the database may."""

    def __init__(self) -> None:
        self.elapsed = 0.0

    def new_deadline(self) -> TimeLimit:
        return TimeLimit(10, lambda: self.elapsed)

    async def hash(self, password: Password) -> str:
        self.elapsed += 100
        return await super().hash(password)

    async def verify(self, hashed: str, password: Password) -> Verified:
        self.elapsed += 100
        return await super().verify(hashed, password)


class InTime(Users):
    """A store, and accounts and counts, that need time."""

    async def insert_user(self, user: User, *, deadline: Deadline, **how: Any) -> User:  # noqa: ANN401
        assert deadline.remaining() > 0
        return await super().insert_user(user, deadline=deadline, **how)

    async def set_password(self, user_id: str, *, deadline: Deadline, **how: Any) -> User | None:  # noqa: ANN401
        assert deadline.remaining() > 0
        return await super().set_password(user_id, deadline=deadline, **how)


class LimitInTime(NoLimit):
    async def take_back(self, *counted_and_deadline: object) -> None:
        _, deadline = counted_and_deadline
        assert isinstance(deadline, TimeLimit)
        assert deadline.remaining() > 0
        await super().take_back()


def a_timed_call(hasher: SlowHasher, caller: Caller) -> Call:
    return Call(caller, hasher.new_deadline(), ORIGIN, hasher.new_deadline)


async def test_the_wait_for_a_new_users_hash_is_not_taken_from_the_time_for_the_database() -> None:
    store, hasher = InTime(), SlowHasher()

    await create_user(store, hasher)(
        command(password=Password("correct horse")), a_timed_call(hasher, ADMIN)
    )

    assert store.hashes == ["hash of correct horse"]


async def test_the_wait_for_a_new_passwords_hashes_is_not_either() -> None:
    store, hasher = InTime(), SlowHasher()
    wanted = SetUserPasswordCommand(USER_ID, Password("correct horse"), Password("old"))

    await set_password(store, LimitInTime(), hasher)(
        wanted, a_timed_call(hasher, a_user_caller("*"))
    )

    assert store.hashes == ["hash of correct horse"]


async def test_a_user_that_is_gone_before_its_password_is_set_is_not_found() -> None:
    class Gone(Users):
        async def set_password(self, *_: object, **__: object) -> None:
            return None

    wanted = SetUserPasswordCommand(USER_ID, Password("correct horse"), Password(""))

    with pytest.raises(UserNotFound):
        await set_password(Gone())(wanted, a_call(ADMIN))


def test_commands_do_not_show_passwords() -> None:
    secret = Password("correct horse")

    shown = f"{SetUserPasswordCommand(USER_ID, secret, secret)} {command(password=secret)!r}"

    assert "horse" not in shown
