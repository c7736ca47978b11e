"""Keys, and commands about them, on the wire."""

from __future__ import annotations

from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from authsvc.domain.keys import Key, RevocationReason
from authsvc.domain.rate_limits import RateLimit
from authsvc.rpc import (
    key_conversion,
)
from authsvc.usecases.create_key import CreateKeyCommand
from authsvc.usecases.revoke_key import RevokeKeyCommand
from orchestrator.auth.v1 import (
    auth_service_pb2,
    key_management_pb2,
    key_pb2,
    rate_limit_pb2,
)
from tests.unit.examples import (
    ACCOUNT_ID,
    FAKE_KEY,
    KEY_ID,
    NOW,
    SECOND,
)


def _key(**changes: object) -> Key:
    values: dict[str, object] = {
        "key_id": KEY_ID,
        "account_id": ACCOUNT_ID,
        "name": "ci",
        "scopes": ("a", "b"),
        "hint": "orch_0000…0001",
        "create_time": NOW,
        "expire_time": None,
        "metadata": {"team": "a"},
        "revision": 31,
    }
    return Key(**(values | changes))  # type: ignore[arg-type] # the test names them


def test_a_command_to_create_a_key_is_converted_whole() -> None:
    request = auth_service_pb2.CreateKeyRequest(
        account_id=ACCOUNT_ID,
        name="ci",
        scopes=["a"],
        ttl=Duration(seconds=1),
        metadata={"team": "a"},
        request_id="r",
    )

    assert key_conversion.create_key_command(request) == CreateKeyCommand(
        name="ci",
        account_id=ACCOUNT_ID,
        scopes=("a",),
        ttl=SECOND,
        metadata={"team": "a"},
        request_id="r",
    )


def test_a_ttl_of_nothing_is_not_the_same_as_none() -> None:
    request = auth_service_pb2.CreateKeyRequest(ttl=Duration())

    assert key_conversion.create_key_command(request).ttl == timedelta(0)


def test_a_command_to_revoke_by_secret_is_converted() -> None:
    request = auth_service_pb2.RevokeKeyRequest(
        secret=FAKE_KEY, reason=key_pb2.REVOCATION_REASON_COMPROMISED, note="n"
    )

    assert key_conversion.revoke_key_command(request) == RevokeKeyCommand(
        None, FAKE_KEY, RevocationReason.COMPROMISED, "n"
    )


def test_an_unknown_revocation_reason_is_none() -> None:
    request = auth_service_pb2.RevokeKeyRequest.FromString(b"\x18\x63")

    assert key_conversion.revoke_key_command(request).reason is None


def test_a_command_does_not_show_its_secret() -> None:
    assert FAKE_KEY not in repr(RevokeKeyCommand(secret=FAKE_KEY))


def test_rules_and_a_limit_come_back_as_they_were() -> None:
    key = _key(
        allowed_addresses=("192.0.2.7", "2001:db8::/32"), rate_limit=RateLimit(100, 90 * SECOND)
    )

    message = key_conversion.key_message(key, NOW)
    command = key_conversion.update_key_command(key_management_pb2.UpdateKeyRequest(key=message))

    assert message.rate_limit.period.seconds == 90
    assert command.allowed_addresses == key.allowed_addresses
    assert command.rate_limit == key.rate_limit


def test_a_limit_that_is_empty_is_not_the_same_as_none() -> None:
    request = auth_service_pb2.CreateKeyRequest(rate_limit=rate_limit_pb2.RateLimit())

    assert key_conversion.create_key_command(request).rate_limit == RateLimit(0, timedelta(0))
    assert key_conversion.create_key_command(auth_service_pb2.CreateKeyRequest()).rate_limit is None


@pytest.mark.parametrize("reason", RevocationReason)
def test_every_revocation_reason_has_a_wire_value(reason: RevocationReason) -> None:
    message = key_conversion.key_message(_key(revoke_time=NOW, revoke_reason=reason), NOW)

    assert key_pb2.RevocationReason.Name(message.revoke_reason) == f"REVOCATION_REASON_{reason}"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, key_pb2.KEY_STATE_ACTIVE),
        ({"disabled": True}, key_pb2.KEY_STATE_DISABLED),
        ({"expire_time": NOW}, key_pb2.KEY_STATE_EXPIRED),
        ({"revoke_time": NOW}, key_pb2.KEY_STATE_REVOKED),
    ],
)
def test_every_key_state_has_a_wire_value(changes: dict[str, object], state: int) -> None:
    assert key_conversion.key_message(_key(**changes), NOW).state == state


@pytest.mark.parametrize("field", ["expire_time", "revoke_time", "last_use_time", "rate_limit"])
def test_a_field_that_a_key_does_not_have_is_not_set(field: str) -> None:
    assert not key_conversion.key_message(_key(), NOW).HasField(field)  # type: ignore[arg-type]


def test_a_keys_etag_is_its_revision_quoted() -> None:
    assert key_conversion.key_message(_key(), NOW).etag == '"1f"'
