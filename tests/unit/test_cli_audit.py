"""How events of the audit log look on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from authsvc.cli.audit_output import audit_row, change_text
from orchestrator.auth import ActorKind, AuditActor, AuditEvent, AuditTarget, TargetKind
from tests.unit.examples import ACCOUNT_ID, KEY_ID, NOW

EVENT = AuditEvent(
    event_id="evt_1",
    event_time=NOW,
    actor=AuditActor(ActorKind.KEY, KEY_ID, ACCOUNT_ID),
    action="orchestrator.auth.v1.AuthService/UpdateKey",
    target=AuditTarget(TargetKind.KEY, KEY_ID),
    account_id=ACCOUNT_ID,
    request_id="request-1",
    address="192.0.2.1",
    outcome="OK",
    before={"name": "ci"},
    after={"name": "deploy"},
)


def test_an_event_is_one_row_with_the_actions_last_word() -> None:
    assert audit_row(EVENT) == (NOW, "UpdateKey", "OK", KEY_ID, KEY_ID, "name: ci -> deploy")


def test_an_attempt_that_named_nothing_has_no_target() -> None:
    assert audit_row(replace(EVENT, target=None))[4] == ""


@pytest.mark.parametrize(
    ("actor", "shown"),
    [
        (AuditActor(ActorKind.USER, "user_1", ACCOUNT_ID), "user_1"),
        (AuditActor(ActorKind.ANONYMOUS, "", ""), "nobody at 192.0.2.1"),
        (AuditActor(ActorKind.OPERATOR, "deploy", ""), "operator deploy"),
        (AuditActor(ActorKind.DATABASE, "authsvc", ""), "database authsvc"),
        (AuditActor(ActorKind.DATABASE, "", ""), "database"),
        (AuditActor(ActorKind.SERVICE, "", ""), "service"),
    ],
)
def test_an_actor_is_told_so_that_one_sees_what_it_is(actor: AuditActor, shown: str) -> None:
    assert audit_row(replace(EVENT, actor=actor))[3] == shown


def test_nobody_without_an_address_is_just_nobody() -> None:
    actor = AuditActor(ActorKind.ANONYMOUS, "", "")

    assert audit_row(replace(EVENT, actor=actor, address=""))[3] == "nobody"


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (None, {"name": "ci", "scopes": ["*"], "hint": "orch_"}, "new: name: ci, scopes: *"),
        (
            None,
            {"name": "ci", "allowed_addresses": ["192.0.2.1"], "rate_limit_requests": 5},
            "new: name: ci, allowed_addresses: 192.0.2.1, rate_limit_requests: 5",
        ),
        (None, {"name": "ci", "allowed_addresses": []}, "new: name: ci"),
        ({"name": "ci"}, None, "gone: name: ci"),
        ({"rate_limit_requests": 5}, {"rate_limit_requests": 9}, "rate_limit_requests: 5 -> 9"),
        (None, None, "nothing changed"),
        (
            {"expire_time": None},
            {"expire_time": "2026-01-02T03:04:05.678+00:00"},
            "expire_time: - -> 2026-01-02T03:04:05Z",
        ),
        ({"scopes": ["a", "b"]}, {"scopes": ["a"]}, "scopes: a b -> a"),
        ({"disabled": False}, {"disabled": True}, "disabled: false -> true"),
        ({"revoke_note": ""}, {"revoke_note": "one\ntwo"}, r'revoke_note: "" -> "one\ntwo"'),
        ({"name": "x"}, {"name": "\x1b[31mred"}, r'name: x -> "\u001b[31mred"'),
        ({"x_time": "a"}, {"x_time": "soon"}, 'x_time: "a" -> "soon"'),
        ({"metadata": {"a": "b"}}, {"metadata": {}}, 'metadata: {"a": "b"} -> {}'),
    ],
)
def test_a_change_is_told_on_one_line(
    before: Mapping[str, object] | None, after: Mapping[str, object] | None, shown: str
) -> None:
    assert change_text(replace(EVENT, before=before, after=after)) == shown


def test_a_refusal_changed_nothing_and_does_not_say_so() -> None:
    assert change_text(replace(EVENT, outcome="KEY_NOT_FOUND", before=None, after=None)) == ""
