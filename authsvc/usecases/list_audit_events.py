"""ListAuditEvents: the audit log in pages, newest first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from authsvc.domain import ids
from authsvc.domain.audit import AuditEvent, AuditFilter, AuditPosition, OutcomeClass
from authsvc.domain.bounds import Violations
from authsvc.domain.clock import Deadline
from authsvc.usecases.call import Call
from authsvc.usecases.managed_keys import Accounts, get_managed_account
from authsvc.usecases.pages import PageTokens, check_page_size, get_position, length_of_page

MAX_ACTIONS: Final = 20
MAX_TEXT_LENGTH: Final = 200


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """The page that is asked for."""

    account_id: str = ""
    """Empty: the caller's own account; to a caller with `authsvc:admin`, all of them."""
    actor_id: str = ""
    target_id: str = ""
    actions: tuple[str, ...] = ()
    outcome: OutcomeClass | None = OutcomeClass.ANY
    """None: a value that this version does not know."""
    start_time: datetime | None = None
    end_time: datetime | None = None
    page_size: int = 0
    page_token: str = ""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some events, and where the next ones begin."""

    events: list[AuditEvent]
    next_page_token: str
    """Empty on the last page."""


class AuditLog(Protocol):
    """Where the audit log is read."""

    async def list_events(
        self, wanted: AuditFilter, *, after: AuditPosition | None, limit: int, deadline: Deadline
    ) -> list[AuditEvent]:
        """Return up to `limit` events, newest first, that are older than the one at `after`."""
        ...


class ListAuditEvents:
    """Returns the audit log of an account, or of all of them."""

    def __init__(self, *, accounts: Accounts, log: AuditLog, page_tokens: PageTokens) -> None:
        """Take where accounts and the log are read, and the maker of tokens."""
        self._accounts = accounts
        self._log = log
        self._page_tokens = page_tokens

    async def __call__(self, query: AuditQuery, call: Call) -> AuditPage:
        """Return a page.

        Raises:
            CallerNotPermitted: The caller may manage no keys.
            InvalidRequest: The query breaks bounds, or the token belongs to another listing.
            AccountNotFound: There is no such account, or the caller may not manage its keys.
            DatabaseUnavailable: The database did not answer before the deadline.
        """
        caller = call.caller
        caller.require_key_management()
        account_id = query.account_id or caller.own_account_id()
        _check(query, account_id, may_be_any=caller.sees_all_accounts())
        wanted = AuditFilter(
            account_id=account_id,
            actor_id=query.actor_id,
            target_id=query.target_id,
            actions=tuple(sorted(set(query.actions))),
            outcome=query.outcome or OutcomeClass.ANY,
            start_time=query.start_time,
            end_time=query.end_time,
            shown_to="" if caller.principal.is_system else account_id,
        )
        listing = _listing(wanted)
        after = self._position(query.page_token, listing)
        # Of an account that is gone the log remains, for those who see all.
        if not caller.sees_all_accounts():
            await get_managed_account(self._accounts, account_id, call)
        size = length_of_page(query.page_size)
        events = await self._log.list_events(
            wanted, after=after, limit=size + 1, deadline=call.deadline
        )
        page, token = events[:size], ""
        if len(events) > size:
            last = page[-1]
            position = f"{last.event_time.isoformat()} {last.event_id}"
            token = self._page_tokens.make(position, listing)
        if wanted.shown_to:
            page = [event.as_shown_to(wanted.shown_to) for event in page]
        return AuditPage(page, token)

    def _position(self, token: str, listing: str) -> AuditPosition | None:
        if not token:
            return None
        position = get_position(self._page_tokens, token, listing)
        event_time, _, event_id = position.partition(" ")
        return AuditPosition(datetime.fromisoformat(event_time), event_id)


def _check(query: AuditQuery, account_id: str, *, may_be_any: bool) -> None:
    violations = Violations()
    if account_id or not may_be_any:
        violations.check_id("account_id", account_id, ids.ACCOUNT)
    violations.check_text("actor_id", query.actor_id, MAX_TEXT_LENGTH)
    violations.check_text("target_id", query.target_id, MAX_TEXT_LENGTH)
    if len(query.actions) > MAX_ACTIONS:
        violations.add("actions", f"has at most {MAX_ACTIONS} entries")
    for index, action in enumerate(query.actions[:MAX_ACTIONS]):
        if not action:
            violations.add(f"actions[{index}]", "is not empty")
        violations.check_text(f"actions[{index}]", action, MAX_TEXT_LENGTH)
    if query.outcome is None:
        violations.add("outcome", "is one of the values of OutcomeClass")
    if query.start_time and query.end_time and query.end_time <= query.start_time:
        violations.add("end_time", "lies after start_time")
    check_page_size(violations, query.page_size)
    violations.raise_if_any()


def _listing(wanted: AuditFilter) -> str:
    return json.dumps(
        [
            "audit",
            wanted.account_id,
            wanted.actor_id,
            wanted.target_id,
            wanted.actions,
            wanted.outcome,
            *(moment and moment.isoformat() for moment in (wanted.start_time, wanted.end_time)),
        ]
    )
