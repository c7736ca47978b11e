"""Between the wire messages of ExplainCredential and domain values, and nothing else."""

from __future__ import annotations

from datetime import datetime

from authsvc.domain.denials import Denial
from authsvc.domain.principals import Principal
from authsvc.rpc import key_conversion, verdict_conversion
from authsvc.usecases.explain_credential import Explanation
from authsvc.usecases.question import Question
from orchestrator.auth.v1 import auth_service_pb2, explanation_pb2


def explain_question(request: auth_service_pb2.ExplainCredentialRequest) -> Question:
    """Convert a request of ExplainCredential."""
    return Question(
        request.credential,
        tuple(request.required_scopes),
        client_address=request.context.client_ip,
    )


def explain_credential_response(
    explanation: Explanation, now: datetime
) -> auth_service_pb2.ExplainCredentialResponse:
    """Convert an explanation; the key is in the state that it has at a moment."""
    outcome, freshness = explanation.verdict
    return auth_service_pb2.ExplainCredentialResponse(
        principal=verdict_conversion.principal_message(outcome)
        if isinstance(outcome, Principal)
        else None,
        denial=verdict_conversion.denial_message(outcome) if isinstance(outcome, Denial) else None,
        freshness=verdict_conversion.freshness_message(freshness),
        findings=[
            explanation_pb2.Finding(
                code=explanation_pb2.FindingCode.Value(f"FINDING_CODE_{finding.code.name}"),
                position=finding.position,
                length=finding.length,
                text=finding.text,
                claim=finding.claim or "",
                issuer=finding.issuer or "",
            )
            for finding in explanation.findings
        ],
        hint=explanation.hint,
        key=None if explanation.key is None else key_conversion.key_message(explanation.key, now),
        missing_scopes=explanation.missing_scopes,
    )
