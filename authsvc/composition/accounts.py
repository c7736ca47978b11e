"""Accounts and their users: built here, joined with the rest in `authsvc.app`."""

from __future__ import annotations

from authsvc.composition.login_limits import limit_logins
from authsvc.composition.signing import page_tokens
from authsvc.config import Settings
from authsvc.domain import ids
from authsvc.domain.clock import Clock
from authsvc.passwords.common import is_common_password
from authsvc.postgres.accounts import PostgresAccounts
from authsvc.postgres.database import Database
from authsvc.postgres.users import PostgresUsers
from authsvc.rpc.account_servicer import AccountServicer
from authsvc.usecases.accounts import CreateAccount, GetAccount, ListAccounts
from authsvc.usecases.create_user import CreateUser
from authsvc.usecases.list_users import GetUser, ListUsers
from authsvc.usecases.passwords import PasswordHasher
from authsvc.usecases.set_user_password import SetUserPassword
from authsvc.usecases.update_account import UpdateAccount
from authsvc.usecases.update_user import UpdateUser


def account_servicer(
    settings: Settings, database: Database, *, hasher: PasswordHasher, clock: Clock
) -> AccountServicer:
    """Build what serves accounts and users over gRPC."""
    accounts, users = PostgresAccounts(database), PostgresUsers(database)
    return AccountServicer(
        create_account=CreateAccount(store=accounts, clock=clock, new_id=ids.new_id),
        get_account=GetAccount(accounts),
        list_accounts=ListAccounts(accounts),
        update_account=UpdateAccount(store=accounts, clock=clock),
        create_user=CreateUser(
            accounts=accounts,
            store=users,
            hasher=hasher,
            is_common=is_common_password,
            clock=clock,
            new_id=ids.new_id,
        ),
        get_user=GetUser(users),
        list_users=ListUsers(accounts=accounts, users=users, page_tokens=page_tokens(settings)),
        update_user=UpdateUser(store=users, clock=clock),
        set_user_password=SetUserPassword(
            accounts=accounts,
            store=users,
            hasher=hasher,
            limit_logins=limit_logins(settings, database, clock=clock),
            is_common=is_common_password,
            clock=clock,
        ),
    )
