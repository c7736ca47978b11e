"""The audit log as its readers get it: filters, pages, and who sees what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.auth import (
    ActorKind,
    AsyncAuthClient,
    AuditEvent,
    InvalidArgument,
    NotFound,
    OutcomeClass,
    PermissionDenied,
)
from orchestrator.auth.v1 import audit_service_pb2 as audit_pb
from tests.conftest import Service
from tests.integration.support import Stubs, bearer, connected, mint, refused
from tests.integration.support_audit import SERVICES

FILL = """
SELECT authsvc.append_audit_event(
    jsonb_build_object(
        'actor_kind', 'KEY', 'actor_id', 'key_' || n % 2, 'action', 'X/Method' || n % 3),
    'KEY', 'key_' || n, 'acct_' || n % 5, CASE WHEN n % 4 = 0 THEN 'NO' ELSE 'OK' END, NULL, NULL)
  FROM generate_series(1, 60) n
"""


async def listed(client: AsyncAuthClient, **filters: object) -> list[AuditEvent]:
    return [event async for event in client.list_audit_events(**filters)]  # type: ignore[arg-type]


def numbers(events: list[AuditEvent]) -> list[int]:
    return [int(event.target.target_id[4:]) for event in events if event.target]


@pytest.mark.parametrize("kind", ["OPERATOR", "DATABASE", "OF_A_LATER_VERSION"])
async def test_no_filter_of_an_account_finds_the_names_of_logins(
    service: Service, client: AsyncAuthClient, kind: str
) -> None:
    await service.execute(
        "SELECT authsvc.append_audit_event("
        f"jsonb_build_object('actor_kind', '{kind}', 'actor_id', 'alice'), "
        f"'KEY', 'key_1', '{service.account.account_id}', 'OK', NULL, NULL)"
    )

    async with service.client(await service.create_key("*")) as of_account:
        seen = await listed(of_account, actor_id="alice")

    assert seen == []
    assert len(await listed(client, actor_id="alice")) == 1


@pytest.mark.parametrize("page_size", [0, 1, 7, 1000])
async def test_pages_of_any_size_have_every_event_once_newest_first(
    service: Service, client: AsyncAuthClient, page_size: int
) -> None:
    await service.execute(FILL)

    events = await listed(client, actions=["Method0", "Method1", "Method2"], page_size=page_size)

    assert numbers(events) == list(range(60, 0, -1))
    assert sorted(events, key=lambda e: (e.event_time, e.event_id), reverse=True) == events


async def test_what_comes_while_pages_are_read_is_not_in_them(
    service: Service, client: AsyncAuthClient
) -> None:
    await service.execute(FILL)
    pages = client.list_audit_events(actions=["Method0", "Method1", "Method2"], page_size=10)
    first = [await anext(pages) for _ in range(10)]

    await service.execute(FILL)
    rest = [event async for event in pages]

    assert numbers([*first, *rest]) == list(range(60, 0, -1))


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"actor_id": "key_1"}, lambda n: n % 2 == 1),
        ({"target_id": "key_7"}, lambda n: n == 7),
        ({"actions": ["X/Method2"]}, lambda n: n % 3 == 2),
        ({"actions": ["Method2", "X/Method1"]}, lambda n: n % 3 != 0),
        ({"actions": ["method2"]}, lambda _: False),
        (
            {"actor_id": "key_0", "outcome": OutcomeClass.DENIED},
            lambda n: n % 2 == 0 and n % 4 == 0,
        ),
        (
            {"actions": ["Method0"], "outcome": OutcomeClass.SUCCEEDED},
            lambda n: n % 3 == 0 and n % 4 != 0,
        ),
    ],
)
async def test_filters_leave_what_matches_all_of_them(
    service: Service, client: AsyncAuthClient, filters: dict[str, object], wanted: object
) -> None:
    await service.execute(FILL)

    events = await listed(client, page_size=7, **filters)

    assert callable(wanted)
    assert numbers(events) == [n for n in range(60, 0, -1) if wanted(n)]


async def test_a_span_of_time_has_its_beginning_and_not_its_end(
    service: Service, client: AsyncAuthClient
) -> None:
    await service.execute(FILL)
    everything = await listed(client)
    times = sorted({event.event_time for event in everything})
    start, end = times[3], times[-4]

    events = await listed(client, start_time=start, end_time=end)

    assert events == [event for event in everything if start <= event.event_time < end]
    assert len(events) > 10


async def test_the_future_and_the_time_before_are_empty(client: AsyncAuthClient) -> None:
    now = datetime.now(UTC)

    assert await listed(client, start_time=now + timedelta(days=1)) == []
    assert await listed(client, end_time=now - timedelta(days=40)) == []


@pytest.mark.parametrize("caller", ["*", "keys:*", "token"])
async def test_an_account_sees_what_concerns_it_and_nothing_else(
    service: Service, client: AsyncAuthClient, caller: str
) -> None:
    other = await service.create_account()
    api_key = await mint(service) if caller == "token" else await service.create_key(caller)
    await client.create_key("made for it", account_id=service.account.account_id)
    await client.create_key("made for another", account_id=other.account_id)

    async with service.client(api_key) as own:
        events = await listed(own)
        by_name = await listed(own, account_id=service.account.account_id)
        with pytest.raises(NotFound) as hidden:
            await listed(own, account_id=other.account_id)
        with pytest.raises(NotFound) as missing:
            await listed(own, account_id="acct_01h2xcejqtf2nbrexx3vqjhp41")

    assert {event.account_id for event in events} == {service.account.account_id}
    assert "made for it" in {(event.after or {}).get("name") for event in events}
    assert by_name == events
    assert hidden.value.message == missing.value.message


async def test_an_account_learns_which_caller_acted_but_not_from_where(
    service: Service, client: AsyncAuthClient
) -> None:
    created = await client.create_key("made for it", account_id=service.account.account_id)
    api_key = await service.create_key("*")

    async with service.client(api_key) as own:
        (event,) = await listed(own, target_id=created.key.key_id)
        made = await listed(own, actions=["authsvc test"])

    principal = await client.validate(service.admin_key)
    assert event.actor.kind is ActorKind.KEY
    assert event.actor.actor_id == principal.key_id
    assert event.address == ""
    assert {(e.actor.kind, e.actor.actor_id) for e in made} <= {(ActorKind.OPERATOR, "")}


async def test_an_account_sees_its_own_refused_attempts(service: Service) -> None:
    other = await service.create_account()
    api_key = await service.create_key("*")

    async with service.client(api_key) as own:
        with pytest.raises(NotFound):
            await own.create_key("stolen", account_id=other.account_id)
        (event,) = await listed(own, outcome=OutcomeClass.DENIED)

    assert event.action == f"{SERVICES}.AuthService/CreateKey"
    assert event.address == "127.0.0.1"


async def test_the_keys_scope_sees_the_account_that_it_names(
    service: Service, client: AsyncAuthClient
) -> None:
    await client.create_key("made for it", account_id=service.account.account_id)
    api_key = await service.create_key("authsvc:keys", account=service.system)

    async with service.client(api_key) as keys:
        events = await listed(keys, account_id=service.account.account_id)
        with pytest.raises(InvalidArgument):
            await listed(keys)
        with pytest.raises(NotFound):
            await listed(keys, account_id=service.system.account_id)

    assert {event.account_id for event in events} == {service.account.account_id}
    assert "127.0.0.1" in {event.address for event in events}


@pytest.mark.parametrize("scope", ["sessions:*", "authsvc:validate"])
async def test_who_manages_no_keys_sees_nothing(service: Service, scope: str) -> None:
    account = service.system if scope == "authsvc:validate" else service.account
    api_key = await service.create_key(scope, account=account)

    async with service.client(api_key) as narrow:
        with pytest.raises(PermissionDenied):
            await listed(narrow)


async def test_the_admin_sees_what_concerns_an_account_that_is_gone(
    service: Service, client: AsyncAuthClient
) -> None:
    gone = await service.create_account()
    await service.execute(f"DELETE FROM authsvc.accounts WHERE account_id = '{gone.account_id}'")

    events = await listed(client, account_id=gone.account_id)

    assert [(event.before is None, event.after is None) for event in events] == [
        (False, True),
        (True, False),
    ]


async def test_kinds_of_a_later_version_are_told_as_unknown(
    service: Service, client: AsyncAuthClient
) -> None:
    await service.execute(
        """
        SELECT authsvc.append_audit_event(
            '{"actor_kind": "ROBOT", "action": "Later"}', 'PLANET', 'mars', '', 'OK', NULL, NULL)
        """
    )

    (event,) = await listed(client, actions=["Later"])

    assert event.actor.kind is ActorKind.UNKNOWN
    assert event.target is not None
    assert (event.target.kind, event.target.target_id) == ("UNKNOWN", "mars")


async def test_a_page_token_that_was_altered_or_has_other_filters_is_refused(
    service: Service, stubs: Stubs
) -> None:
    await service.execute(FILL)
    admin = bearer(service.admin_key)
    first = await stubs.audit.ListAuditEvents(
        audit_pb.ListAuditEventsRequest(page_size=1), metadata=admin
    )
    token = first.next_page_token
    assert token

    for request in (
        audit_pb.ListAuditEventsRequest(page_token=token[:-1]),
        audit_pb.ListAuditEventsRequest(page_token=token, actor_id="key_1"),
    ):
        refusal = await refused(stubs.audit.ListAuditEvents(request, metadata=admin))
        assert refusal.violated_fields == ["page_token"]


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ("account_id = 'acct_1'", "account_id"),
        ("actor_id = 'key_1'", "actor_id"),
        ("target_id = 'key_1'", "target_id"),
        ("(outcome = 'OK') IS NOT TRUE", "event_time_event_id"),
        ("true", "pkey"),
    ],
)
async def test_each_filter_has_an_index_in_the_order_of_the_pages(
    database_url: str, filters: str, index: str
) -> None:
    async with connected(database_url) as connection:
        await connection.execute("SET enable_sort = off; SET enable_seqscan = off")
        plan = await connection.fetch(
            f"EXPLAIN SELECT * FROM authsvc.audit_events WHERE {filters}"
            " ORDER BY event_time DESC, event_id DESC LIMIT 51"
        )

    text = "\n".join(row[0] for row in plan)
    assert "Merge Append" in text
    assert "->  Sort" not in text
    assert index in text
