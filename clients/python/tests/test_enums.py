"""The client's closed sets of words are the protos', both ways."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.auth._word import Word
from orchestrator.auth.v1 import (
    account_pb2,
    audit_pb2,
    denial_pb2,
    error_reason_pb2,
    explanation_pb2,
    freshness_pb2,
    key_import_pb2,
    key_pb2,
    key_revocation_pb2,
    principal_pb2,
    session_pb2,
    signing_key_pb2,
    usage_pb2,
    user_pb2,
)

PROTOS = (
    account_pb2,
    audit_pb2,
    denial_pb2,
    error_reason_pb2,
    explanation_pb2,
    freshness_pb2,
    key_import_pb2,
    key_pb2,
    key_revocation_pb2,
    principal_pb2,
    usage_pb2,
    user_pb2,
    session_pb2,
    signing_key_pb2,
)
WORDS = {word.__name__: word for word in Word.__subclasses__()}
PREFIXES = {
    "AccountState": "ACCOUNT_STATE_",
    "ActorKind": "ACTOR_KIND_",
    "DenialReason": "DENIAL_REASON_",
    "ErrorReason": "ERROR_REASON_",
    "FindingCode": "FINDING_CODE_",
    "FreshnessSource": "FRESHNESS_SOURCE_",
    "ImportMode": "IMPORT_MODE_",
    "KeyState": "KEY_STATE_",
    "LeakReportOutcome": "LEAK_REPORT_OUTCOME_",
    "OutcomeClass": "OUTCOME_CLASS_",
    "PrincipalKind": "PRINCIPAL_KIND_",
    "RevocationReason": "REVOCATION_REASON_",
    "SessionEndReason": "SESSION_END_REASON_",
    "SessionState": "SESSION_STATE_",
    "UserRole": "USER_ROLE_",
    "UserState": "USER_STATE_",
    "TargetKind": "TARGET_KIND_",
    "UsageGranularity": "USAGE_GRANULARITY_",
    "SigningKeyRotationUrgency": "SIGNING_KEY_ROTATION_URGENCY_",
    "SigningKeyState": "SIGNING_KEY_STATE_",
}


def proto_enums() -> dict[str, Any]:
    return {
        name: enum for proto in PROTOS for name, enum in proto.DESCRIPTOR.enum_types_by_name.items()
    }


def test_every_enum_has_its_mirror() -> None:
    assert set(WORDS) == set(PREFIXES) == set(proto_enums())


@pytest.mark.parametrize("name", PREFIXES)
def test_a_mirror_has_the_values_of_its_enum(name: str) -> None:
    values = {value.removeprefix(PREFIXES[name]) for value in proto_enums()[name].values_by_name}

    assert {word.value for word in WORDS[name]} - {"UNKNOWN"} == values - {"UNSPECIFIED"}
    assert "UNKNOWN" in WORDS[name].__members__
