"""What a call's origin says of who calls, and from where."""

from __future__ import annotations

from dataclasses import replace

import pytest

from authsvc.domain.callers import Caller
from authsvc.domain.ids import SESSION, new_id
from authsvc.domain.origin import ActorKind, Origin
from authsvc.domain.principals import Principal, PrincipalKind
from authsvc.rpc.origin import action_of, address_of, call_origin
from orchestrator.auth.v1 import auth_service_pb2
from tests.unit.examples import ACCOUNT_ID, KEY_ID, a_caller

ACTION = "orchestrator.auth.v1.AuthService/CreateKey"


def test_an_action_is_the_method_as_grpc_names_it() -> None:
    service = auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"]

    assert action_of(service.methods_by_name["CreateKey"]) == ACTION


def test_a_key_acts_by_its_id_and_for_its_account() -> None:
    origin = call_origin(a_caller("*"), ACTION, "request-1", "192.0.2.1")

    assert origin == Origin(
        ActorKind.KEY, ACTION, KEY_ID, ACCOUNT_ID, "request-1", "192.0.2.1", actor_scopes=("*",)
    )


def test_a_user_acts_by_the_subject_of_the_token() -> None:
    key = a_caller("*").principal
    user = replace(key, kind=PrincipalKind.USER, key_id="", user_id="user_1")

    origin = call_origin(Caller(user), ACTION, "request-1", "")

    assert (origin.actor_kind, origin.actor_id) == (ActorKind.USER, "user_1")


def test_a_session_of_another_issuer_is_none_that_is_known_here() -> None:
    key, session_id = a_caller("*").principal, new_id(SESSION)
    user = replace(key, kind=PrincipalKind.USER, key_id="", user_id="user_1")

    ours = call_origin(Caller(replace(user, session_id=session_id)), ACTION, "request-1", "")
    foreign = call_origin(Caller(replace(user, session_id="sid-1")), ACTION, "request-1", "")

    assert (ours.actor_session_id, foreign.actor_session_id) == (session_id, "")


def test_a_certificate_acts_by_its_name_and_for_no_account() -> None:
    caller = Caller(
        Principal(
            kind=PrincipalKind.CERTIFICATE,
            account_id="",
            scopes=frozenset({"authsvc:keys"}),
            is_system=True,
            expire_time=None,
            certificate_name="spiffe://example.org/job",
        )
    )

    origin = call_origin(caller, ACTION, "request-1", "192.0.2.1")

    assert origin == replace(
        origin,
        actor_kind=ActorKind.CERTIFICATE,
        actor_id="spiffe://example.org/job",
        actor_account_id="",
    )


def test_who_proved_nothing_is_nobody() -> None:
    origin = call_origin(None, ACTION, "request-1", "192.0.2.1")

    assert (origin.actor_kind, origin.actor_id) == (ActorKind.ANONYMOUS, "")


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:50000", "192.0.2.1"),
        ("ipv6:%5B2001:db8::1%5D:50000", "2001:db8::1"),
        ("unix:/run/authsvc.sock", ""),
        ("unix:", ""),
    ],
)
def test_an_address_is_that_of_the_peer_without_its_port(peer: str, address: str) -> None:
    assert address_of(peer) == address
