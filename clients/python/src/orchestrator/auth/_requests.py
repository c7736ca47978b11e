"""Builds the request messages of the calls that judge credentials. Depends on protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.auth import _to_wire
from orchestrator.auth._model import Question
from orchestrator.auth._secret import Secret, revealed
from orchestrator.auth.v1 import auth_service_pb2, freshness_pb2

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from orchestrator.auth._model import RequestContext


def validate_credential(question: Question) -> auth_service_pb2.ValidateCredentialRequest:
    """Build the request of ValidateCredential; None and "" mean that there was no header."""
    authoritative, at_least_revision = question.authoritative, question.at_least_revision
    if authoritative and at_least_revision is not None:
        raise ValueError("at_least_revision and authoritative exclude each other")
    request = auth_service_pb2.ValidateCredentialRequest(
        credential=_credential(question.authorization),
        required_scopes=_to_wire.scopes(question.required_scopes, "required_scopes"),
    )
    if question.context is not None:
        request.context.CopyFrom(_to_wire.context(question.context))
    if at_least_revision is not None:
        requirement = freshness_pb2.FreshnessRequirement(at_least_revision=at_least_revision)
        request.freshness.CopyFrom(requirement)
    elif authoritative:
        request.freshness.authoritative = True
    return request


def batch_validate_credentials(
    questions: Iterable[Question | Secret | str | None],
) -> auth_service_pb2.BatchValidateCredentialsRequest:
    """Build the request of BatchValidateCredentials; a bare credential has no demands."""
    # A str is a sequence of its characters; taken as one, each would be judged.
    if isinstance(questions, str):
        raise TypeError("questions is a sequence of credentials or Questions, not a str")
    return auth_service_pb2.BatchValidateCredentialsRequest(
        requests=[
            validate_credential(one if isinstance(one, Question) else Question(one))
            for one in questions
        ]
    )


def explain_credential(
    authorization: Secret | str | None,
    *,
    required_scopes: Collection[str],
    context: RequestContext | None,
) -> auth_service_pb2.ExplainCredentialRequest:
    """Build the request of ExplainCredential; None and "" mean that there was no header."""
    request = auth_service_pb2.ExplainCredentialRequest(
        credential=_credential(authorization),
        required_scopes=_to_wire.scopes(required_scopes, "required_scopes"),
    )
    if context is not None:
        request.context.CopyFrom(_to_wire.context(context))
    return request


def _credential(authorization: Secret | str | None) -> str:
    if authorization is not None and not isinstance(authorization, Secret | str):
        raise TypeError(
            f"authorization is a str, a Secret or None, not {type(authorization).__name__}"
        )
    return _to_wire.encodable(None if authorization is None else revealed(authorization))
