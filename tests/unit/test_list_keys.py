"""ListKeys: whose keys, in which pages, by which time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from authsvc.domain.callers import Caller
from authsvc.domain.clock import Clock
from authsvc.domain.errors import (
    AccountNotFound,
    AuthsvcError,
    CallerNotPermitted,
    InvalidRequest,
)
from authsvc.domain.keys import KeyFilter, KeyState
from authsvc.tokens.page_tokens import PageTokens
from authsvc.usecases.list_keys import (
    KeyPage,
    ListKeys,
    ListKeysQuery,
)
from authsvc.usecases.pages import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from tests.unit.examples import (
    ACCOUNT_ID,
    NOW,
    OTHER_ACCOUNT_ID,
    SECOND,
    SYSTEM_ACCOUNT_ID,
    a_caller,
)
from tests.unit.managed_keys import ManagedKeys, a_key
from tests.unit.stores import (
    ADMIN,
    DISABLED_ACCOUNT_ID,
    KEYS,
    MISSING_ACCOUNT_ID,
    OWNER,
    a_call,
    some_accounts,
)

BAD = ListKeysQuery(
    account_id="x",
    page_size=-1,
    states=(KeyState.ACTIVE, None),
    name_prefix="\n",
)


def some_keys(count: int) -> ManagedKeys:
    return ManagedKeys(*(a_key(f"key_{n:026}") for n in range(1, count + 1)))


async def _list(
    caller: Caller,
    query: ListKeysQuery,
    keys: ManagedKeys | None = None,
    clock: Clock = lambda: NOW,
) -> KeyPage:
    list_keys = ListKeys(
        accounts=some_accounts(),
        keys=keys or some_keys(3),
        page_tokens=PageTokens(b"k" * 32),
        clock=clock,
    )
    return await list_keys(query, a_call(caller))


@pytest.mark.parametrize(
    ("caller", "query", "error"),
    [
        pytest.param(a_caller(), BAD, CallerNotPermitted, id="rights before the request"),
        pytest.param(OWNER, BAD, InvalidRequest, id="the request before the account"),
        pytest.param(KEYS, ListKeysQuery(), InvalidRequest, id="a system caller names no account"),
        pytest.param(KEYS, ListKeysQuery(MISSING_ACCOUNT_ID), AccountNotFound, id="no account"),
        pytest.param(OWNER, ListKeysQuery(OTHER_ACCOUNT_ID), AccountNotFound, id="another's"),
        pytest.param(KEYS, ListKeysQuery(SYSTEM_ACCOUNT_ID), AccountNotFound, id="the system's"),
        pytest.param(
            OWNER, ListKeysQuery(ACCOUNT_ID, page_token="x"), InvalidRequest, id="no token of ours"
        ),
    ],
)
async def test_a_listing_is_refused_for_the_first_of_its_reasons(
    caller: Caller, query: ListKeysQuery, error: type[AuthsvcError]
) -> None:
    with pytest.raises(error):
        await _list(caller, query)


@pytest.mark.parametrize(
    ("caller", "account_id", "listed"),
    [
        (OWNER, "", ACCOUNT_ID),
        (OWNER, ACCOUNT_ID, ACCOUNT_ID),
        (KEYS, OTHER_ACCOUNT_ID, OTHER_ACCOUNT_ID),
        (KEYS, DISABLED_ACCOUNT_ID, DISABLED_ACCOUNT_ID),
        (ADMIN, SYSTEM_ACCOUNT_ID, SYSTEM_ACCOUNT_ID),
    ],
)
async def test_the_keys_of_the_account_meant_are_listed(
    caller: Caller, account_id: str, listed: str
) -> None:
    keys = some_keys(1)

    await _list(caller, ListKeysQuery(account_id), keys)

    assert keys.wanted[0].account_id == listed


async def test_every_violation_of_a_query_is_told() -> None:
    with pytest.raises(InvalidRequest) as caught:
        await _list(OWNER, BAD)

    assert [violation.field for violation in caught.value.violations] == [
        "account_id",
        "page_size",
        "states[1]",
        "name_prefix",
    ]


async def test_too_many_states_are_one_violation() -> None:
    with pytest.raises(InvalidRequest) as caught:
        await _list(OWNER, ListKeysQuery(states=(KeyState.ACTIVE,) * 11))

    assert [violation.field for violation in caught.value.violations] == ["states"]


async def test_every_filter_reaches_the_store() -> None:
    keys = some_keys(1)
    query = ListKeysQuery(
        states=(KeyState.ACTIVE, KeyState.EXPIRED),
        name_prefix="c",
        last_used_before=NOW,
        expiring_before=NOW + SECOND,
    )

    await _list(OWNER, query, keys)

    assert keys.wanted == [
        KeyFilter(
            account_id=ACCOUNT_ID,
            as_of=NOW,
            states=(KeyState.ACTIVE, KeyState.EXPIRED),
            name_prefix="c",
            last_used_before=NOW,
            expiring_before=NOW + SECOND,
        )
    ]


@pytest.mark.parametrize(
    ("asked", "given"),
    [(0, DEFAULT_PAGE_SIZE), (1, 1), (MAX_PAGE_SIZE, MAX_PAGE_SIZE), (5000, MAX_PAGE_SIZE)],
)
async def test_a_page_has_as_many_keys_as_asked_within_bounds(asked: int, given: int) -> None:
    page = await _list(OWNER, ListKeysQuery(page_size=asked), some_keys(MAX_PAGE_SIZE + 1))

    assert len(page.keys) == given
    assert page.next_page_token


@pytest.mark.parametrize("count", [0, 2])
async def test_a_page_that_nothing_follows_is_the_last(count: int) -> None:
    page = await _list(OWNER, ListKeysQuery(page_size=2), some_keys(count))

    assert (len(page.keys), page.next_page_token) == (count, "")


async def test_pages_follow_each_other_by_the_time_of_the_first() -> None:
    keys, now = some_keys(3), NOW

    def clock() -> datetime:
        return now

    first = await _list(OWNER, ListKeysQuery(page_size=2), keys, clock)
    now += SECOND
    second = await _list(
        OWNER, ListKeysQuery(page_size=2, page_token=first.next_page_token), keys, clock
    )

    assert [*first.keys, *second.keys] == list(keys.keys.values())
    assert [first.as_of, second.as_of] == [NOW, NOW]
    assert [wanted.as_of for wanted in keys.wanted] == [NOW, NOW]


FIRST = ListKeysQuery(
    ACCOUNT_ID,
    page_size=1,
    states=(KeyState.ACTIVE, KeyState.EXPIRED),
    name_prefix="c",
    last_used_before=NOW,
    expiring_before=NOW,
)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(FIRST, account_id=OTHER_ACCOUNT_ID), id="account"),
        pytest.param(replace(FIRST, states=(KeyState.ACTIVE,)), id="states"),
        pytest.param(replace(FIRST, states=()), id="any state"),
        pytest.param(replace(FIRST, name_prefix=""), id="name"),
        pytest.param(replace(FIRST, last_used_before=None), id="last use"),
        pytest.param(replace(FIRST, expiring_before=NOW + SECOND), id="end"),
        pytest.param(
            replace(FIRST, last_used_before=None, expiring_before=None), id="neither time"
        ),
    ],
)
async def test_a_token_is_for_its_own_listing(other: ListKeysQuery) -> None:
    token = (await _list(KEYS, FIRST)).next_page_token

    with pytest.raises(InvalidRequest) as caught:
        await _list(KEYS, replace(other, page_token=token))

    assert [violation.field for violation in caught.value.violations] == ["page_token"]


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(replace(FIRST, page_size=2), id="page size"),
        pytest.param(replace(FIRST, states=(KeyState.EXPIRED, KeyState.ACTIVE)), id="order"),
        pytest.param(
            replace(FIRST, states=(KeyState.ACTIVE, KeyState.EXPIRED, KeyState.ACTIVE)), id="twice"
        ),
    ],
)
async def test_the_same_listing_said_otherwise_goes_on(same: ListKeysQuery) -> None:
    token = (await _list(KEYS, FIRST)).next_page_token

    page = await _list(KEYS, replace(same, page_token=token))

    assert page.keys[0].key_id == f"key_{2:026}"


async def test_an_owner_may_name_the_own_account_or_not() -> None:
    token = (await _list(OWNER, ListKeysQuery(page_size=1))).next_page_token

    page = await _list(OWNER, ListKeysQuery(ACCOUNT_ID, page_size=1, page_token=token))

    assert page.keys[0].key_id == f"key_{2:026}"
