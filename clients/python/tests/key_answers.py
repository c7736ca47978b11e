"""What the server says of keys, their use and signing keys."""
# A script may hold any message.
# ruff: noqa: ANN401

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration

from clients.python.tests.examples import AT, EXAMPLE_KEY
from orchestrator.auth.v1 import (
    auth_service_pb2,
    denial_pb2,
    jwks_pb2,
    key_import_pb2,
    key_management_pb2,
    key_pb2,
    key_revocation_pb2,
    key_rotation_pb2,
    signing_key_pb2,
    usage_pb2,
)


class KeyAnswers:
    """What the server says of keys, their use and signing keys."""

    @staticmethod
    def key(**changes: Any) -> key_pb2.Key:
        message = key_pb2.Key(
            key_id="key_1",
            account_id="acct_1",
            name="ci",
            scopes=["*"],
            state=key_pb2.KEY_STATE_ACTIVE,
            hint="orch_0000…0000",
            create_time=AT,
            metadata={"team": "core"},
            etag="e1",
        )
        message.MergeFrom(key_pb2.Key(**changes))
        return message

    @staticmethod
    def created() -> auth_service_pb2.CreateKeyResponse:
        return auth_service_pb2.CreateKeyResponse(
            key=KeyAnswers.key(), secret=EXAMPLE_KEY, revision=7
        )

    @staticmethod
    def page(*key_ids: str, token: str = "") -> key_management_pb2.ListKeysResponse:
        keys = [KeyAnswers.key(key_id=key_id) for key_id in key_ids]
        return key_management_pb2.ListKeysResponse(keys=keys, next_page_token=token)

    @staticmethod
    def updated(**changes: Any) -> key_management_pb2.UpdateKeyResponse:
        return key_management_pb2.UpdateKeyResponse(key=KeyAnswers.key(**changes), revision=9)

    @staticmethod
    def rotated(**changes: Any) -> key_rotation_pb2.RotateKeyResponse:
        response = key_rotation_pb2.RotateKeyResponse(
            key=KeyAnswers.key(key_id="key_2", supersedes="key_1"),
            secret=EXAMPLE_KEY,
            retired_key=KeyAnswers.key(expire_time=AT, superseded_by="key_2"),
            revision=9,
        )
        response.MergeFrom(key_rotation_pb2.RotateKeyResponse(**changes))
        return response

    @staticmethod
    def revoked(**changes: Any) -> auth_service_pb2.RevokeKeyResponse:
        ended = KeyAnswers.key(state=key_pb2.KEY_STATE_REVOKED, revoke_time=AT, **changes)
        return auth_service_pb2.RevokeKeyResponse(key=ended, revision=8)

    @staticmethod
    def key_usage(**changes: Any) -> usage_pb2.GetKeyUsageResponse:
        response = usage_pb2.GetKeyUsageResponse(
            intervals=[
                usage_pb2.UsageInterval(start_time=AT, granted=5),
                usage_pb2.UsageInterval(
                    start_time=AT,
                    denials=[
                        usage_pb2.DenialCount(reason=denial_pb2.DENIAL_REASON_KEY_REVOKED, count=2)
                    ],
                ),
            ],
            granted_count=5,
            denied_count=2,
            last_use_time=AT,
            client_addresses=[
                usage_pb2.ClientAddressUsage(
                    address="192.0.2.1",
                    first_seen_time=AT,
                    last_seen_time=AT,
                    call_count=7,
                    is_new=True,
                )
            ],
            callers=[
                usage_pb2.CallerUsage(
                    key_id="key_9",
                    name="sessions",
                    first_seen_time=AT,
                    last_seen_time=AT,
                    call_count=6,
                ),
                usage_pb2.CallerUsage(first_seen_time=AT, last_seen_time=AT, call_count=1),
                usage_pb2.CallerUsage(
                    certificate_name="spiffe://example.org/gateway",
                    first_seen_time=AT,
                    last_seen_time=AT,
                    call_count=2,
                ),
            ],
        )
        response.MergeFrom(usage_pb2.GetKeyUsageResponse(**changes))
        return response

    @staticmethod
    def imported(*results: Any) -> key_import_pb2.ImportKeysResponse:
        results = results or (key_import_pb2.ImportResult(key=KeyAnswers.key()),)
        return key_import_pb2.ImportKeysResponse(results=results, imported_count=1, revision=9)

    @staticmethod
    def reported(**changes: Any) -> key_revocation_pb2.ReportLeakedKeyResponse:
        response = key_revocation_pb2.ReportLeakedKeyResponse(
            key_id="key_1",
            revoke_time=AT,
            outcome=key_revocation_pb2.LEAK_REPORT_OUTCOME_REVOKED,
            revision=9,
        )
        response.MergeFrom(key_revocation_pb2.ReportLeakedKeyResponse(**changes))
        return response

    @staticmethod
    def jwks(**changes: Any) -> jwks_pb2.GetJwksResponse:
        key = jwks_pb2.JsonWebKey(
            kid="jwk_1", kty="OKP", alg="EdDSA", use="sig", crv="Ed25519", x="AAAA"
        )
        return jwks_pb2.GetJwksResponse(
            **{"keys": [key], "max_age": Duration(seconds=300), **changes}
        )

    @staticmethod
    def rotated_signing_key(**changes: Any) -> signing_key_pb2.RotateSigningKeyResponse:
        key = signing_key_pb2.SigningKey(
            kid="jwk_2",
            algorithm="EdDSA",
            state=signing_key_pb2.SIGNING_KEY_STATE_PUBLISHED,
            create_time=AT,
            activate_time=AT,
        )
        return signing_key_pb2.RotateSigningKeyResponse(**{"key": key, **changes})
