"""ListKeys: the keys of an account, in pages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from authsvc.domain import ids
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Clock, Deadline
from authsvc.domain.keys import Key, KeyFilter, KeyState
from authsvc.usecases.call import Call
from authsvc.usecases.managed_keys import Accounts, get_managed_account
from authsvc.usecases.pages import PageTokens, check_page_size, get_position, length_of_page

MAX_STATES: Final = 10


@dataclass(frozen=True, slots=True)
class ListKeysQuery:
    """The page that is asked for."""

    account_id: str = ""
    """Empty: the caller's own account."""
    page_size: int = 0
    page_token: str = ""
    states: tuple[KeyState | None, ...] = ()
    """None stands for a value that is no state. Empty: any."""
    name_prefix: str = ""
    last_used_before: datetime | None = None
    expiring_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyPage:
    """Some keys, and where the next ones begin."""

    keys: list[Key]
    next_page_token: str
    """Empty on the last page."""
    as_of: datetime
    """The moment by which states are told."""


class Keys(Protocol):
    """Where keys are read."""

    async def list_keys(
        self, wanted: KeyFilter, *, after_key_id: str, limit: int, deadline: Deadline
    ) -> list[Key]:
        """Return up to `limit` keys whose ids sort after `after_key_id`, in order."""
        ...


class ListKeys:
    """Returns the keys of an account in pages, oldest first."""

    def __init__(
        self, *, accounts: Accounts, keys: Keys, page_tokens: PageTokens, clock: Clock
    ) -> None:
        """Take where accounts and keys are read, the maker of tokens and the source of time."""
        self._accounts = accounts
        self._keys = keys
        self._page_tokens = page_tokens
        self._clock = clock

    async def __call__(self, query: ListKeysQuery, call: Call) -> KeyPage:
        """Return a page.

        Raises:
            CallerNotPermitted: The caller may manage no keys.
            InvalidRequest: The query breaks bounds, or the token belongs to another listing.
            AccountNotFound: There is no such account, or the caller may not manage its keys.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        call.caller.require_key_management()
        account_id = query.account_id or call.caller.own_account_id()
        _check(query, account_id)
        listing = _listing(query, account_id)
        after, as_of = self._position(query.page_token, listing)
        await get_managed_account(self._accounts, account_id, call)
        size = length_of_page(query.page_size)
        wanted = KeyFilter(
            account_id=account_id,
            as_of=as_of,
            states=tuple(state for state in query.states if state is not None),
            name_prefix=query.name_prefix,
            last_used_before=query.last_used_before,
            expiring_before=query.expiring_before,
        )
        keys = await self._keys.list_keys(
            wanted, after_key_id=after, limit=size + 1, deadline=call.deadline
        )
        page, token = keys[:size], ""
        if len(keys) > size:
            position = f"{page[-1].key_id} {as_of.isoformat()}"
            token = self._page_tokens.make(position, listing)
        return KeyPage(page, token, as_of)

    def _position(self, token: str, listing: str) -> tuple[str, datetime]:
        if not token:
            return "", self._clock()
        position = get_position(self._page_tokens, token, listing)
        after, _, as_of = position.partition(" ")
        return after, datetime.fromisoformat(as_of)


def _check(query: ListKeysQuery, account_id: str) -> None:
    violations = Violations()
    violations.check_id("account_id", account_id, ids.ACCOUNT)
    check_page_size(violations, query.page_size)
    if len(query.states) > MAX_STATES:
        violations.add("states", f"has at most {MAX_STATES} entries")
    for index, state in enumerate(query.states[:MAX_STATES]):
        if state is None:
            violations.add(f"states[{index}]", "is one of the values of KeyState")
    violations.check_name_prefix("name_prefix", query.name_prefix)
    violations.raise_if_any()


def _listing(query: ListKeysQuery, account_id: str) -> str:
    moments = (query.last_used_before, query.expiring_before)
    return json.dumps(
        [
            account_id,
            sorted({str(state) for state in query.states}),
            query.name_prefix,
            *(moment and moment.isoformat() for moment in moments),
        ]
    )
