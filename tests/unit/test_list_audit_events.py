"""ListAuditEvents: who sees what, what is asked for, and how the pages go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from authsvc.domain.accounts import Account
from authsvc.domain.audit import (
    AuditEvent,
    AuditFilter,
    AuditPosition,
    OutcomeClass,
    TargetKind,
)
from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline
from authsvc.domain.errors import AccountNotFound, CallerNotPermitted, InvalidRequest
from authsvc.domain.origin import ActorKind
from authsvc.tokens.page_tokens import PageTokens
from authsvc.usecases.list_audit_events import AuditPage, AuditQuery, ListAuditEvents
from tests.unit.examples import (
    ACCOUNT_ID,
    KEY_ID,
    NOW,
    OTHER_ACCOUNT_ID,
    SYSTEM_ACCOUNT_ID,
    a_caller,
    a_system_caller,
)
from tests.unit.stores import ADMIN, KEYS, MISSING_ACCOUNT_ID, OWNER, a_call, some_accounts


def an_event(number: int = 1, **changes: object) -> AuditEvent:
    event = AuditEvent(
        event_id=f"evt_{number:026}",
        event_time=NOW + timedelta(seconds=number),
        actor_kind=ActorKind.KEY,
        actor_id=KEY_ID,
        actor_account_id=ACCOUNT_ID,
        action="orchestrator.auth.v1.AuthService/CreateKey",
        target_kind=TargetKind.KEY,
        target_id=KEY_ID,
        account_id=ACCOUNT_ID,
        request_id="request-1",
        address="192.0.2.1",
        outcome="OK",
        before=None,
        after={},
    )
    return replace(event, **changes)  # type: ignore[arg-type]


class Log:
    """A log in memory, newest first, that remembers what was asked of it."""

    def __init__(self, *events: AuditEvent) -> None:
        self.events = events
        self.wanted: list[AuditFilter] = []

    async def list_events(
        self, wanted: AuditFilter, *, after: AuditPosition | None, limit: int, deadline: Deadline
    ) -> list[AuditEvent]:
        assert deadline
        self.wanted.append(wanted)
        older = [
            event
            for event in self.events
            if after is None
            or (event.event_time, event.event_id) < (after.event_time, after.event_id)
        ]
        return older[:limit]


class NoAccounts:
    """Nowhere to look."""

    async def find_account(self, account_id: str, deadline: Deadline) -> Account | None:
        raise AssertionError(account_id, deadline)


async def _list(caller: Caller, query: AuditQuery, log: Log | None = None) -> AuditPage:
    list_events = ListAuditEvents(
        accounts=some_accounts(), log=log or Log(), page_tokens=PageTokens(bytes(32))
    )
    return await list_events(query, a_call(caller))


@pytest.mark.parametrize(
    ("caller", "account_id", "listed"),
    [
        (OWNER, "", ACCOUNT_ID),
        (OWNER, ACCOUNT_ID, ACCOUNT_ID),
        (KEYS, ACCOUNT_ID, ACCOUNT_ID),
        (ADMIN, "", ""),
        (ADMIN, SYSTEM_ACCOUNT_ID, SYSTEM_ACCOUNT_ID),
        (ADMIN, MISSING_ACCOUNT_ID, MISSING_ACCOUNT_ID),
    ],
)
async def test_a_caller_sees_the_account_that_it_may_see(
    caller: Caller, account_id: str, listed: str
) -> None:
    log = Log()

    await _list(caller, AuditQuery(account_id), log)

    assert [wanted.account_id for wanted in log.wanted] == [listed]


@pytest.mark.parametrize(
    ("caller", "account_id", "error"),
    [
        (a_caller("sessions:*"), ACCOUNT_ID, CallerNotPermitted),
        (a_system_caller("authsvc:validate"), ACCOUNT_ID, CallerNotPermitted),
        (OWNER, OTHER_ACCOUNT_ID, AccountNotFound),
        (OWNER, MISSING_ACCOUNT_ID, AccountNotFound),
        (KEYS, "", InvalidRequest),
        (KEYS, SYSTEM_ACCOUNT_ID, AccountNotFound),
        (KEYS, MISSING_ACCOUNT_ID, AccountNotFound),
        (ADMIN, "x", InvalidRequest),
    ],
)
async def test_nobody_sees_more(caller: Caller, account_id: str, error: type[Exception]) -> None:
    log = Log()

    with pytest.raises(error):
        await _list(caller, AuditQuery(account_id), log)

    assert log.wanted == []


async def test_rights_come_before_the_request() -> None:
    with pytest.raises(CallerNotPermitted):
        await _list(a_caller(), AuditQuery("x", page_size=-1))


async def test_every_broken_bound_is_told_at_once() -> None:
    query = AuditQuery(
        account_id="x",
        actor_id="a" * 201,
        target_id="\x00",
        actions=("", "b" * 201, *(["c"] * 19)),
        outcome=None,
        start_time=NOW,
        end_time=NOW,
        page_size=-1,
    )

    with pytest.raises(InvalidRequest) as caught:
        await _list(ADMIN, query)

    assert [violation.field for violation in caught.value.violations] == [
        "account_id",
        "actor_id",
        "target_id",
        "actions",
        "actions[0]",
        "actions[1]",
        "outcome",
        "end_time",
        "page_size",
    ]


async def test_every_filter_is_passed_on() -> None:
    log = Log()
    end = NOW + timedelta(days=1)

    await _list(
        ADMIN,
        AuditQuery(
            ACCOUNT_ID,
            KEY_ID,
            OTHER_ACCOUNT_ID,
            ("RevokeKey", "CreateKey", "CreateKey"),
            OutcomeClass.DENIED,
            NOW,
            end,
        ),
        log,
    )

    assert log.wanted == [
        AuditFilter(
            ACCOUNT_ID,
            KEY_ID,
            OTHER_ACCOUNT_ID,
            ("CreateKey", "RevokeKey"),
            OutcomeClass.DENIED,
            NOW,
            end,
        )
    ]


async def test_pages_follow_each_other_and_end() -> None:
    log = Log(*(an_event(number) for number in (3, 2, 1)))

    first = await _list(ADMIN, AuditQuery(page_size=2), log)
    second = await _list(ADMIN, AuditQuery(page_size=2, page_token=first.next_page_token), log)

    assert [event.event_id[-1] for event in first.events] == ["3", "2"]
    assert [event.event_id[-1] for event in second.events] == ["1"]
    assert second.next_page_token == ""


@pytest.mark.parametrize(
    "query",
    [
        AuditQuery(ACCOUNT_ID),
        AuditQuery(actor_id=KEY_ID),
        AuditQuery(target_id=KEY_ID),
        AuditQuery(actions=("CreateKey",)),
        AuditQuery(outcome=OutcomeClass.DENIED),
        AuditQuery(start_time=NOW),
        AuditQuery(end_time=NOW),
    ],
)
async def test_a_token_is_good_for_its_own_listing_only(query: AuditQuery) -> None:
    log = Log(an_event(2), an_event(1))
    token = (await _list(ADMIN, AuditQuery(page_size=1), log)).next_page_token

    with pytest.raises(InvalidRequest) as caught:
        await _list(ADMIN, replace(query, page_token=token), log)

    assert [violation.field for violation in caught.value.violations] == ["page_token"]


async def test_an_account_sees_its_own_events_whole() -> None:
    assert (await _list(OWNER, AuditQuery(), Log(an_event()))).events == [an_event()]


async def test_an_account_sees_which_key_of_others_acted_but_not_from_where() -> None:
    log = Log(an_event(actor_account_id=SYSTEM_ACCOUNT_ID))

    (event,) = (await _list(OWNER, AuditQuery(), log)).events

    assert event == an_event(actor_account_id=SYSTEM_ACCOUNT_ID, address="")


@pytest.mark.parametrize("kind", [ActorKind.OPERATOR, ActorKind.DATABASE, None])
async def test_an_account_does_not_see_names_of_logins(kind: ActorKind | None) -> None:
    log = Log(an_event(actor_kind=kind, actor_id="root", actor_account_id=""))

    (event,) = (await _list(OWNER, AuditQuery(), log)).events

    assert (event.actor_id, event.address) == ("", "")


@pytest.mark.parametrize("caller", [ADMIN, KEYS])
async def test_callers_of_the_system_see_all_of_an_event(caller: Caller) -> None:
    event = an_event(actor_kind=ActorKind.DATABASE, actor_id="root", actor_account_id="")

    assert (await _list(caller, AuditQuery(ACCOUNT_ID), Log(event))).events == [event]


async def test_who_sees_everything_need_not_wait_for_an_account_to_be_found() -> None:
    list_events = ListAuditEvents(
        accounts=NoAccounts(), log=Log(an_event()), page_tokens=PageTokens(bytes(32))
    )

    page = await list_events(AuditQuery(MISSING_ACCOUNT_ID), a_call(ADMIN))

    assert page.events == [an_event()]
