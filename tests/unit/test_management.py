"""Which methods are management, and what of a request may be written down."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from google.protobuf.message import Message

import orchestrator.auth.v1 as wire
from authsvc.domain.audit import Target, TargetKind
from authsvc.rpc.management import (
    MANAGEMENT,
    NO_MANAGEMENT,
    is_management,
    named_account,
    target_of,
)
from authsvc.rpc.origin import action_of
from orchestrator.auth.v1 import account_service_pb2 as account_pb
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import key_management_pb2 as key_pb
from orchestrator.auth.v1.key_pb2 import Key
from tests.unit.examples import ACCOUNT_ID, FAKE_KEY, KEY_ID

KEY = Target(TargetKind.KEY, KEY_ID)
ACCOUNT = Target(TargetKind.ACCOUNT, ACCOUNT_ID)


def test_every_method_is_classified_once() -> None:
    modules = [
        importlib.import_module(f"{wire.__name__}.{module.name}")
        for module in pkgutil.iter_modules(wire.__path__)
        if module.name.endswith("_pb2")
    ]
    methods = {
        action_of(method)
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }

    assert methods == MANAGEMENT | NO_MANAGEMENT
    assert not MANAGEMENT & NO_MANAGEMENT


def test_a_method_that_was_forgotten_is_management() -> None:
    assert is_management("orchestrator.auth.v1.AuthService/DestroyEverything")
    assert not is_management("orchestrator.auth.v1.AuthService/ValidateCredential")


@pytest.mark.parametrize(
    ("request_message", "target"),
    [
        (key_pb.GetKeyRequest(key_id=KEY_ID), KEY),
        (key_pb.UpdateKeyRequest(key=Key(key_id=KEY_ID)), KEY),
        (pb.CreateKeyRequest(account_id=ACCOUNT_ID, name="ci"), ACCOUNT),
        (pb.RevokeKeyRequest(key_id=KEY_ID), KEY),
        (pb.RevokeKeyRequest(secret=FAKE_KEY), None),
        (account_pb.CreateAccountRequest(display_name="Acme"), None),
        (key_pb.GetKeyRequest(key_id=FAKE_KEY), None),
        (key_pb.GetKeyRequest(key_id=ACCOUNT_ID), None),
        (key_pb.UpdateKeyRequest(key=Key(key_id=FAKE_KEY)), None),
        (pb.CreateKeyRequest(account_id=FAKE_KEY), None),
        (None, None),
    ],
)
def test_the_target_is_what_a_request_names_by_a_well_formed_id(
    request_message: Message | None, target: Target | None
) -> None:
    assert target_of(request_message) == target


@pytest.mark.parametrize(
    ("account_id", "named"), [(ACCOUNT_ID, ACCOUNT_ID), ("", ""), (FAKE_KEY, ""), (KEY_ID, "")]
)
def test_the_account_of_a_request_is_an_accounts_id(account_id: str, named: str) -> None:
    assert named_account(pb.CreateKeyRequest(account_id=account_id)) == named


def test_a_request_that_cannot_be_read_names_no_account() -> None:
    assert named_account(None) == ""
    assert named_account(key_pb.GetKeyRequest(key_id=KEY_ID)) == ""
