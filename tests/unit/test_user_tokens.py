"""Access tokens of users: judged by the record of the user that they name."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.access_tokens import AccessTokenClaims
from authsvc.domain.accounts import AccountState
from authsvc.domain.changes import Change, ChangeKind, Watermark
from authsvc.domain.denials import Denial, DenialReason
from authsvc.domain.freshness import NO_DEMAND
from authsvc.domain.judgement import judge_token
from authsvc.domain.principals import Principal
from authsvc.domain.scopes import covers, narrowed
from authsvc.domain.users import ROLE_SCOPES, UserRecord, UserRole
from authsvc.usecases.followed_log import FollowedLog
from tests.unit.examples import (
    ACCOUNT_ID,
    NOW,
    OTHER_ACCOUNT_ID,
    SECOND,
    USER_ID,
    NoHurry,
    an_account,
)
from tests.unit.judges import some_records
from tests.unit.stores import UserRecords


def claims_of(subject: str = USER_ID, *scopes: str) -> AccessTokenClaims:
    return AccessTokenClaims(
        subject=subject,
        account_id=ACCOUNT_ID,
        scopes=scopes,
        expire_time=NOW + SECOND,
        issue_time=NOW,
        token_id="jti_1",
    )


def a_record(
    role: UserRole = UserRole.OWNER, *, account_id: str = ACCOUNT_ID, disabled: bool = False
) -> UserRecord:
    return UserRecord(USER_ID, account_id, role, disabled)


def outcome(record: UserRecord | None, *scopes: str, required: tuple[str, ...] = ()) -> object:
    verdict = judge_token(claims_of(USER_ID, *scopes), an_account(), record, required)
    return verdict.reason if isinstance(verdict, Denial) else verdict.scopes


@pytest.mark.parametrize(
    ("subject", "user_id"),
    [
        (USER_ID, USER_ID),
        ("user_dev", ""),
        ("user_", ""),
        ("User_00000000000000000000000001", ""),
        ("acct_00000000000000000000000001", ""),
        (USER_ID + "x", ""),
    ],
)
def test_a_subject_in_the_form_of_a_users_id_is_one(subject: str, user_id: str) -> None:
    assert claims_of(subject).user_id == user_id


def test_the_token_of_an_owner_may_do_what_it_says() -> None:
    assert outcome(a_record(), "*") == {"*"}
    assert outcome(a_record(), "sessions:read") == {"sessions:read"}


def test_a_token_of_a_user_that_is_not_known_is_invalid() -> None:
    assert outcome(None, "*") is DenialReason.TOKEN_INVALID


def test_a_token_for_another_account_than_its_users_is_invalid() -> None:
    assert outcome(a_record(account_id=OTHER_ACCOUNT_ID), "*") is DenialReason.TOKEN_INVALID


def test_a_token_of_a_disabled_user_is_revoked() -> None:
    assert outcome(a_record(disabled=True), "*") is DenialReason.TOKEN_REVOKED


def test_a_disabled_user_comes_before_a_disabled_account_and_before_scopes() -> None:
    account = an_account(state=AccountState.DISABLED)
    record = a_record(disabled=True)

    verdict = judge_token(claims_of(USER_ID, "a"), account, record, ["b"])

    assert isinstance(verdict, Denial)
    assert verdict.reason is DenialReason.TOKEN_REVOKED


@pytest.mark.parametrize(
    ("role", "says", "does"),
    [
        (UserRole.MEMBER, ["*"], {"sessions:*"}),
        (UserRole.VIEWER, ["*"], {"sessions:read"}),
        (UserRole.VIEWER, ["sessions:*", "keys:*"], {"sessions:read"}),
        (UserRole.MEMBER, ["sessions:read", "keys:*"], {"sessions:read"}),
        (UserRole.VIEWER, ["keys:*"], set()),
    ],
)
def test_a_token_does_no_more_than_its_users_role_allows_now(
    role: UserRole, says: list[str], does: set[str]
) -> None:
    assert outcome(a_record(role), *says) == does


def test_a_token_that_was_narrowed_lacks_what_its_role_lacks() -> None:
    refused = outcome(a_record(UserRole.VIEWER), "*", required=("sessions:write",))

    assert refused is DenialReason.INSUFFICIENT_SCOPE


def test_a_token_of_somebody_that_development_made_up_needs_no_record() -> None:
    verdict = judge_token(claims_of("user_dev", "*"), an_account(), None, [])

    assert isinstance(verdict, Principal)
    assert verdict.user_id == "user_dev"
    assert verdict.scopes == {"*"}


words = st.sampled_from(["a", "b", "sessions"])
scopes = st.frozensets(
    st.one_of(
        st.just("*"),
        words,
        st.builds("{}:{}".format, words, st.sampled_from(["read", "write", "*"])),
    ),
    max_size=4,
)


@given(scopes, scopes, st.sampled_from(["a", "a:read", "b:write", "sessions:read", "x"]))
def test_what_is_narrowed_covers_what_both_cover(
    granted: frozenset[str], most: frozenset[str], required: str
) -> None:
    both = covers(granted, required) and covers(most, required)

    assert covers(narrowed(granted, most), required) is both


def test_every_role_has_its_scopes() -> None:
    assert set(ROLE_SCOPES) == set(UserRole)


async def test_a_change_of_a_user_drops_its_record_and_nothing_else() -> None:
    log = FollowedLog(max_staleness=timedelta(seconds=5), monotonic=lambda: 0.0)
    log.on_caught_up(Watermark(1, NOW, 0.0))
    records = some_records(users=UserRecords(a_record()), log=log)
    await records.users.find(USER_ID, NoHurry())
    await records.accounts.find(ACCOUNT_ID, NoHurry())

    records.on_changes([Change(2, ChangeKind.USER_CHANGED, ACCOUNT_ID, "", USER_ID)])

    assert records.users.find_now(USER_ID, NO_DEMAND) is None
    assert records.accounts.find_now(ACCOUNT_ID, NO_DEMAND) is not None


async def test_a_user_that_comes_to_exist_is_no_longer_known_to_be_absent() -> None:
    log = FollowedLog(max_staleness=timedelta(seconds=5), monotonic=lambda: 0.0)
    log.on_caught_up(Watermark(1, NOW, 0.0))
    users = UserRecords()
    records = some_records(users=users, log=log)
    assert (await records.users.find(USER_ID, NoHurry())).record is None

    users.users[USER_ID] = a_record()
    records.on_changes([Change(2, ChangeKind.USER_CREATED, ACCOUNT_ID, "", USER_ID)])

    assert (await records.users.find(USER_ID, NoHurry())).record == a_record()


async def test_a_gap_drops_users_too() -> None:
    log = FollowedLog(max_staleness=timedelta(seconds=5), monotonic=lambda: 0.0)
    log.on_caught_up(Watermark(1, NOW, 0.0))
    records = some_records(users=UserRecords(a_record()), log=log)
    await records.users.find(USER_ID, NoHurry())

    records.on_gap()

    assert records.users.find_now(USER_ID, NO_DEMAND) is None
