"""Reads the responses of ImportKeys, RevokeKeys and ReportLeakedKey. Depends on protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.auth import _bulk_model, _enums, _from_wire
from orchestrator.auth._details import FieldViolation
from orchestrator.auth._error_reasons import ErrorReason
from orchestrator.auth._errors import MalformedResponse
from orchestrator.auth._key_responses import key_of
from orchestrator.auth.v1 import error_reason_pb2, key_revocation_pb2

if TYPE_CHECKING:
    from orchestrator.auth.v1 import key_import_pb2

_ERROR_REASONS: Final = _from_wire.table(
    ErrorReason, error_reason_pb2.ErrorReason.items(), "ERROR_REASON_"
)
_LEAK_REPORT_OUTCOMES: Final = _from_wire.table(
    _enums.LeakReportOutcome, key_revocation_pb2.LeakReportOutcome.items(), "LEAK_REPORT_OUTCOME_"
)


def imported_keys(
    response: key_import_pb2.ImportKeysResponse, asked: int
) -> _bulk_model.ImportedKeys:
    """Read the response of ImportKeys, which was asked for so many keys.

    Raises:
        MalformedResponse: There is not one outcome for each.
    """
    if len(response.results) != asked:
        raise MalformedResponse(f"there are {len(response.results)} results for {asked} keys")
    return _bulk_model.ImportedKeys(
        results=tuple(map(_result, response.results)),
        imported_count=response.imported_count,
        revision=response.revision,
    )


def revoked_keys(response: key_revocation_pb2.RevokeKeysResponse) -> _bulk_model.RevokedKeys:
    """Read the response of RevokeKeys."""
    return _bulk_model.RevokedKeys(response.revoked_count, response.revision)


def reported_key(response: key_revocation_pb2.ReportLeakedKeyResponse) -> _bulk_model.ReportedKey:
    """Read the response of ReportLeakedKey."""
    return _bulk_model.ReportedKey(
        key_id=response.key_id,
        revoke_time=_from_wire.moment(response, "revoke_time", response.revoke_time),
        outcome=_LEAK_REPORT_OUTCOMES.get(response.outcome, _enums.LeakReportOutcome.UNKNOWN),
        revision=response.revision,
    )


def _result(message: key_import_pb2.ImportResult) -> _bulk_model.ImportResult:
    match message.WhichOneof("outcome"):
        case "key":
            return _bulk_model.Imported(key_of(message.key))
        case "existing_key":
            return _bulk_model.AlreadyThere(key_of(message.existing_key))
        case "failure":
            return _failure(message.failure)
        case "withheld":
            return _bulk_model.Withheld()
    raise MalformedResponse("the result of a key has no outcome")


def _failure(message: key_import_pb2.ImportFailure) -> _bulk_model.ImportFailed:
    return _bulk_model.ImportFailed(
        reason=_ERROR_REASONS.get(message.reason, ErrorReason.UNKNOWN),
        field_violations=tuple(
            FieldViolation(violation.field, violation.description)
            for violation in message.violations
        ),
    )
