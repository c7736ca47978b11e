"""Values that many unit tests build on. Every key here is obviously nobody's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from authsvc.domain.accounts import Account, AccountState
from authsvc.domain.callers import Caller
from authsvc.domain.origin import ActorKind, Origin
from authsvc.domain.principals import Principal, PrincipalKind

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)

FAKE_KEY = "orch_" + "0" * 39 + "1"
ACCOUNT_ID = "acct_00000000000000000000000001"
OTHER_ACCOUNT_ID = "acct_00000000000000000000000002"
SYSTEM_ACCOUNT_ID = "acct_00000000000000000000000003"
KEY_ID = "key_00000000000000000000000001"
USER_ID = "user_00000000000000000000000001"
SESSION_ID = "sess_01h2xcejqtf2nbrexx3vqjhp41"
ORIGIN = Origin(ActorKind.KEY, "example.v1.Service/Method", KEY_ID, ACCOUNT_ID, "request-1")


def an_account(
    account_id: str = ACCOUNT_ID,
    *,
    state: AccountState = AccountState.ACTIVE,
    is_system: bool = False,
) -> Account:
    return Account(
        account_id=account_id,
        display_name="Example",
        state=state,
        create_time=NOW,
        is_system=is_system,
    )


def a_caller(*scopes: str, account_id: str = ACCOUNT_ID, is_system: bool = False) -> Caller:
    return Caller(
        Principal(
            kind=PrincipalKind.API_KEY,
            account_id=account_id,
            scopes=frozenset(scopes),
            is_system=is_system,
            expire_time=None,
            key_id=KEY_ID,
        )
    )


def a_user_caller(
    *scopes: str, user_id: str = USER_ID, account_id: str = ACCOUNT_ID, is_system: bool = False
) -> Caller:
    return Caller(
        Principal(
            kind=PrincipalKind.USER,
            account_id=account_id,
            scopes=frozenset(scopes),
            is_system=is_system,
            expire_time=NOW,
            user_id=user_id,
        )
    )


def a_system_caller(*scopes: str) -> Caller:
    return a_caller(*scopes, account_id=SYSTEM_ACCOUNT_ID, is_system=True)


class NoHurry:
    """A deadline that never comes."""

    def remaining(self) -> float:
        return 60.0
