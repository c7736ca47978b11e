"""What the server says of credentials, and tells a watch."""
# A script may hold any message.
# ruff: noqa: ANN401

from __future__ import annotations

from typing import Any

from clients.python.tests.examples import AT
from orchestrator.auth.v1 import (
    auth_service_pb2,
    denial_pb2,
    freshness_pb2,
    principal_pb2,
)


class ValidationAnswers:
    """What the server says of credentials, and tells a watch."""

    @staticmethod
    def fresh(source: int = freshness_pb2.FRESHNESS_SOURCE_DATABASE) -> freshness_pb2.Freshness:
        return freshness_pb2.Freshness(source=source, as_of=AT)  # type: ignore[arg-type]

    @staticmethod
    def good(**changes: Any) -> auth_service_pb2.ValidateCredentialResponse:
        principal = principal_pb2.Principal(
            kind=principal_pb2.PRINCIPAL_KIND_API_KEY,
            account_id="acct_1",
            key_id="key_1",
            key_name="ci",
            scopes=["sessions:read", "sessions:write"],
            metadata={"team": "core"},
        )
        principal.MergeFrom(principal_pb2.Principal(**changes))
        return auth_service_pb2.ValidateCredentialResponse(
            principal=principal, freshness=ValidationAnswers.fresh()
        )

    @staticmethod
    def refused(**changes: Any) -> auth_service_pb2.ValidateCredentialResponse:
        denial = denial_pb2.Denial(
            reason=denial_pb2.DENIAL_REASON_KEY_REVOKED,
            message="API key revoked",
            http_status=401,
            error="UNAUTHORIZED",
            www_authenticate='Bearer realm="orchestrator", error="invalid_token"',
        )
        denial.MergeFrom(denial_pb2.Denial(**changes))
        return auth_service_pb2.ValidateCredentialResponse(
            denial=denial, freshness=ValidationAnswers.fresh()
        )

    @staticmethod
    def batch(*responses: Any) -> auth_service_pb2.BatchValidateCredentialsResponse:
        return auth_service_pb2.BatchValidateCredentialsResponse(responses=responses)

    @staticmethod
    def explained(
        answer: auth_service_pb2.ValidateCredentialResponse | None = None, **changes: Any
    ) -> auth_service_pb2.ExplainCredentialResponse:
        answer = answer or ValidationAnswers.good()
        response = auth_service_pb2.ExplainCredentialResponse(
            freshness=answer.freshness, hint="The credential is good."
        )
        if answer.HasField("principal"):
            response.principal.CopyFrom(answer.principal)
        else:
            response.denial.CopyFrom(answer.denial)
        response.MergeFrom(auth_service_pb2.ExplainCredentialResponse(**changes))
        return response

    @staticmethod
    def told(revision: int, **event: Any) -> auth_service_pb2.WatchRevocationsResponse:
        return auth_service_pb2.WatchRevocationsResponse(revision=revision, **event)

    @staticmethod
    def beat(revision: int) -> auth_service_pb2.WatchRevocationsResponse:
        return ValidationAnswers.told(revision, heartbeat=auth_service_pb2.Heartbeat(as_of=AT))

    @staticmethod
    def ended(revision: int) -> auth_service_pb2.WatchRevocationsResponse:
        event = auth_service_pb2.KeyRevoked(key_id=f"key_{revision}", account_id="acct_1")
        return ValidationAnswers.told(revision, key_revoked=event)
