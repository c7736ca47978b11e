"""Status errors with details (AIP-193): ErrorInfo, BadRequest, RetryInfo and the request id."""

from __future__ import annotations

from typing import Final

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from authsvc.domain import errors
from authsvc.rpc.error_table import Row
from orchestrator.auth.v1.denial_pb2 import DenialReason
from orchestrator.auth.v1.error_reason_pb2 import ErrorReason

DOMAIN: Final = "auth.orchestratorhq.com"
REQUEST_ID_KEY: Final = "x-request-id"
DETAILS_KEY: Final = "grpc-status-details-bin"


def trailing_metadata(
    error: Exception, row: Row, request_id: str
) -> tuple[tuple[str, str | bytes], ...]:
    """Return the trailing metadata that goes with an error status.

    Args:
        error: What happened.
        row: Its row of the error table.
        request_id: Under which the log has the cause.
    """
    details: list[Message] = [
        error_details_pb2.ErrorInfo(
            reason=ErrorReason.Name(row.reason), domain=DOMAIN, metadata=_metadata(error)
        ),
        error_details_pb2.RequestInfo(request_id=request_id),
    ]
    if isinstance(error, errors.InvalidRequest) and error.violations:
        bad_request = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad_request.field_violations.add(
                field=violation.field, description=violation.description
            )
        details.append(bad_request)
    if isinstance(error, errors.Retriable):
        retry_info = error_details_pb2.RetryInfo()
        retry_info.retry_delay.FromTimedelta(error.retry_delay)
        details.append(retry_info)
    status = status_pb2.Status(code=row.code.value[0], message=row.text)
    for detail in details:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    return ((REQUEST_ID_KEY, request_id), (DETAILS_KEY, status.SerializeToString()))


def _metadata(error: Exception) -> dict[str, str]:
    if isinstance(error, errors.CallerCredentialInvalid):
        reason = DenialReason.Value(f"DENIAL_REASON_{error.reason.name}")
        return {"denial_reason": DenialReason.Name(reason)}
    if isinstance(error, errors.CallerNotPermitted):
        return {"required_scope": error.required_scope}
    if isinstance(error, errors.KeySuperseded):
        return {"superseded_by": error.superseded_by}
    if isinstance(error, errors.DatabaseUnavailable) and error.revoked_count:
        return {"revoked_count": str(error.revoked_count)}
    return {}
