"""The audit log: what is asked for, and what is read."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.auth import (
    ActorKind,
    AuditActor,
    AuditEvent,
    AuditTarget,
    ErrorReason,
    MalformedResponse,
    OutcomeClass,
    TargetKind,
)
from orchestrator.auth.v1 import audit_pb2, audit_service_pb2

EXAMPLE = AuditEvent(
    event_id="evt_1",
    event_time=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
    actor=AuditActor(ActorKind.KEY, "key_2", "acct_1"),
    action="orchestrator.auth.v1.AuthService/UpdateKey",
    target=AuditTarget(TargetKind.KEY, "key_1"),
    account_id="acct_1",
    request_id="request-1",
    address="192.0.2.1",
    outcome="OK",
    before={"name": "ci", "expire_time": None},
    after={
        "name": "deploy",
        "expire_time": "2026-01-02T03:04:05+00:00",
        "rate_limit_requests": 5,
    },
)


async def test_an_event_is_read_whole(client: Any) -> None:
    (event,) = await client.list_audit_events()

    assert event == EXAMPLE
    assert event.succeeded
    # As JSON would have it: a whole number, which the wire does not know.
    assert event.after is not None
    assert repr(event.after["rate_limit_requests"]) == "5"


async def test_every_filter_is_sent(client: Any, server: Any) -> None:
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)

    await client.list_audit_events(
        account_id="acct_1",
        actor_id="key_2",
        target_id="key_1",
        actions=["CreateKey", "RevokeKey"],
        outcome=OutcomeClass.DENIED,
        start_time=start,
        end_time=end,
        page_size=10,
    )

    sent = audit_service_pb2.ListAuditEventsRequest(
        account_id="acct_1",
        actor_id="key_2",
        target_id="key_1",
        actions=["CreateKey", "RevokeKey"],
        outcome=audit_pb2.OUTCOME_CLASS_DENIED,
        page_size=10,
    )
    sent.start_time.FromDatetime(start)
    sent.end_time.FromDatetime(end)
    assert server.calls[0].request == sent


async def test_all_pages_are_read_in_order_under_the_same_filters(
    client: Any, server: Any, answers: Any
) -> None:
    server.script(
        "ListAuditEvents",
        answers.audited(answers.event(event_id="evt_3"), token="2"),
        answers.audited(token="3"),
        answers.audited(answers.event(event_id="evt_1")),
    )

    events = await client.list_audit_events(actor_id="key_2")

    assert [event.event_id for event in events] == ["evt_3", "evt_1"]
    assert [call.request.page_token for call in server.calls] == ["", "2", "3"]
    assert {call.request.actor_id for call in server.calls} == {"key_2"}


async def test_a_page_that_follows_itself_does_not_go_on_for_ever(
    client: Any, server: Any, answers: Any
) -> None:
    server.script("ListAuditEvents", answers.audited(token="again"))

    with pytest.raises(MalformedResponse, match="names itself"):
        await client.list_audit_events()


async def test_a_refusal_says_why_as_an_error_would(client: Any, server: Any, answers: Any) -> None:
    refused = answers.event(outcome="ERROR_REASON_KEY_NOT_FOUND")
    server.script("ListAuditEvents", answers.audited(refused))

    (event,) = await client.list_audit_events()

    assert event.outcome == ErrorReason.KEY_NOT_FOUND
    assert not event.succeeded


async def test_what_is_not_there_is_none_and_what_is_unknown_says_so(
    client: Any, server: Any, answers: Any
) -> None:
    event = answers.event()
    for field in ("target", "before", "after"):
        event.ClearField(field)
    event.actor.kind = 99
    odd = answers.event()
    odd.target.kind = 99
    server.script("ListAuditEvents", answers.audited(event, odd))

    bare, other = await client.list_audit_events()

    assert (bare.target, bare.before, bare.after) == (None, None, None)
    assert bare.actor.kind is ActorKind.UNKNOWN
    assert other.target == AuditTarget(TargetKind.UNKNOWN, "key_1")


@pytest.mark.parametrize("field", ["actor", "event_time"])
async def test_what_is_always_set_and_is_not_is_malformed(
    client: Any, server: Any, answers: Any, field: str
) -> None:
    event = answers.event()
    event.ClearField(field)
    server.script("ListAuditEvents", answers.audited(event))

    with pytest.raises(MalformedResponse, match=f"AuditEvent has no {field}"):
        await client.list_audit_events()


async def test_a_single_action_in_place_of_a_collection_is_refused(client: Any) -> None:
    with pytest.raises(TypeError, match="actions"):
        await client.list_audit_events(actions="CreateKey")


async def test_what_is_unknown_cannot_be_asked_for(client: Any) -> None:
    with pytest.raises(ValueError, match="UNKNOWN"):
        await client.list_audit_events(outcome=OutcomeClass.UNKNOWN)


@pytest.mark.parametrize("argument", ["start_time", "end_time"])
async def test_a_naive_time_is_refused(client: Any, argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument} has no time zone"):
        await client.list_audit_events(**{argument: datetime(2026, 1, 1)})  # noqa: DTZ001
