"""The details of an error status (AIP-193)."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details_pb2
from google.rpc import status_pb2

from authsvc.domain import errors
from authsvc.domain.denials import DenialReason
from authsvc.domain.errors import Violation
from authsvc.domain.scopes import VALIDATE
from authsvc.rpc.error_table import row_of
from authsvc.rpc.status import trailing_metadata
from orchestrator.auth.v1.denial_pb2 import DenialReason as WireReason
from orchestrator.auth.v1.error_reason_pb2 import ErrorReason

Detail = TypeVar("Detail", bound=Message)

VIOLATIONS = (Violation("name", "is required"), Violation("scopes[1]", "is a scope"))
ERRORS = [
    errors.InvalidRequest(VIOLATIONS),
    errors.CallerCredentialMissing(),
    errors.CallerCredentialInvalid(DenialReason.KEY_REVOKED),
    errors.CallerNotPermitted(VALIDATE),
    errors.ScopeNotGrantable(),
    errors.AccountNotFound(),
    errors.KeyNotFound(),
    errors.KeyNameTaken(),
    errors.AccountIsDisabled(),
    errors.TooManyLookups(),
    errors.TooManyStreams(),
    errors.ServerStopping(),
    errors.RevisionNotReached(),
    errors.DatabaseUnavailable("hidden cause"),
    errors.IssuerUnavailable("hidden cause"),
    ValueError("hidden cause"),
]
RETRIED = {
    errors.TooManyLookups,
    errors.TooManyStreams,
    errors.ServerStopping,
    errors.RevisionNotReached,
    errors.DatabaseUnavailable,
    errors.IssuerUnavailable,
}
each_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)


def _metadata(error: Exception) -> dict[str, str | bytes]:
    return dict(trailing_metadata(error, row_of(error), "request-1"))


def _status(error: Exception) -> status_pb2.Status:
    data = _metadata(error)["grpc-status-details-bin"]
    assert isinstance(data, bytes)
    return status_pb2.Status.FromString(data)


def _details(error: Exception, kind: type[Detail]) -> list[Detail]:
    found = []
    for packed in _status(error).details:
        detail = kind()
        if packed.Unpack(detail):
            found.append(detail)
    return found


@each_error
def test_the_request_id_is_in_the_trailing_metadata(error: Exception) -> None:
    assert _metadata(error)["x-request-id"] == "request-1"


@each_error
def test_the_request_id_is_in_the_details(error: Exception) -> None:
    assert [info.request_id for info in _details(error, details_pb2.RequestInfo)] == ["request-1"]


@each_error
def test_the_status_repeats_the_code(error: Exception) -> None:
    assert _status(error).code == row_of(error).code.value[0]


@each_error
def test_the_status_repeats_the_text(error: Exception) -> None:
    assert _status(error).message == row_of(error).text


@each_error
def test_there_is_exactly_one_error_info(error: Exception) -> None:
    assert len(_details(error, details_pb2.ErrorInfo)) == 1


@each_error
def test_the_reason_is_a_name_of_the_enum(error: Exception) -> None:
    [info] = _details(error, details_pb2.ErrorInfo)

    assert ErrorReason.Value(info.reason) == row_of(error).reason


@each_error
def test_the_domain_is_ours(error: Exception) -> None:
    [info] = _details(error, details_pb2.ErrorInfo)

    assert info.domain == "auth.orchestratorhq.com"


@each_error
def test_no_text_of_the_cause_is_sent(error: Exception) -> None:
    assert b"hidden cause" not in _status(error).SerializeToString()


@each_error
def test_only_what_may_go_well_later_says_when_to_try_again(error: Exception) -> None:
    delays = [info.retry_delay.ToTimedelta() for info in _details(error, details_pb2.RetryInfo)]

    expected = [timedelta(seconds=1)] if type(error) in RETRIED else []
    assert delays == expected


@each_error
def test_only_an_invalid_request_has_violations(error: Exception) -> None:
    found = [
        Violation(violation.field, violation.description)
        for bad_request in _details(error, details_pb2.BadRequest)
        for violation in bad_request.field_violations
    ]

    assert found == (list(VIOLATIONS) if isinstance(error, errors.InvalidRequest) else [])


def test_who_reports_too_much_learns_how_long_to_wait() -> None:
    error = errors.TooManyReports(timedelta(seconds=42))

    [info] = _details(error, details_pb2.RetryInfo)

    assert info.retry_delay.ToTimedelta() == timedelta(seconds=42)


def test_what_was_done_before_time_was_up_is_told() -> None:
    error = errors.DatabaseUnavailable()
    error.revoked_count = 1500

    [info] = _details(error, details_pb2.ErrorInfo)

    assert dict(info.metadata) == {"revoked_count": "1500"}


def test_an_unreadable_request_has_no_violations_to_name() -> None:
    assert _details(errors.InvalidRequest(()), details_pb2.BadRequest) == []


@pytest.mark.parametrize("reason", DenialReason)
def test_a_refused_caller_learns_why(reason: DenialReason) -> None:
    [info] = _details(errors.CallerCredentialInvalid(reason), details_pb2.ErrorInfo)

    assert WireReason.Value(info.metadata["denial_reason"]) != 0


def test_a_caller_without_the_right_learns_what_it_needs() -> None:
    [info] = _details(errors.CallerNotPermitted(VALIDATE), details_pb2.ErrorInfo)

    assert dict(info.metadata) == {"required_scope": "authsvc:validate"}
