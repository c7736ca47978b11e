"""Every error has a status, a reason and a text of its own."""

from __future__ import annotations

import inspect
import logging

import grpc
import pytest

from authsvc.domain import errors
from authsvc.domain.denials import DenialReason
from authsvc.domain.errors import AuthsvcError
from authsvc.rpc.error_table import ERROR_TABLE, INTERNAL, row_of
from authsvc.tokens.sealing import SealBroken
from orchestrator.auth.v1.error_reason_pb2 import ErrorReason

ROWS = [*ERROR_TABLE.values(), INTERNAL]
CLIENT_FAULTS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
}

# The contract, as error_reason.proto documents it.
CODES = {
    "ERROR_REASON_INTERNAL": grpc.StatusCode.INTERNAL,
    "ERROR_REASON_INVALID_REQUEST": grpc.StatusCode.INVALID_ARGUMENT,
    "ERROR_REASON_CALLER_CREDENTIAL_MISSING": grpc.StatusCode.UNAUTHENTICATED,
    "ERROR_REASON_CALLER_CREDENTIAL_INVALID": grpc.StatusCode.UNAUTHENTICATED,
    "ERROR_REASON_CALLER_CERTIFICATE_NOT_MAPPED": grpc.StatusCode.UNAUTHENTICATED,
    "ERROR_REASON_CALLER_NOT_PERMITTED": grpc.StatusCode.PERMISSION_DENIED,
    "ERROR_REASON_SCOPE_NOT_GRANTABLE": grpc.StatusCode.PERMISSION_DENIED,
    "ERROR_REASON_ACCOUNT_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "ERROR_REASON_KEY_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "ERROR_REASON_KEY_NAME_TAKEN": grpc.StatusCode.ALREADY_EXISTS,
    "ERROR_REASON_ACCOUNT_DISABLED": grpc.StatusCode.FAILED_PRECONDITION,
    "ERROR_REASON_KEY_REVOKED": grpc.StatusCode.FAILED_PRECONDITION,
    "ERROR_REASON_KEY_SUPERSEDED": grpc.StatusCode.FAILED_PRECONDITION,
    "ERROR_REASON_KEY_ENDED": grpc.StatusCode.FAILED_PRECONDITION,
    "ERROR_REASON_REQUEST_ID_REUSED": grpc.StatusCode.FAILED_PRECONDITION,
    "ERROR_REASON_DATABASE_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "ERROR_REASON_TOO_MANY_LOOKUPS": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "ERROR_REASON_TOO_MANY_REPORTS": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "ERROR_REASON_TOO_MANY_STREAMS": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "ERROR_REASON_SERVER_STOPPING": grpc.StatusCode.UNAVAILABLE,
    "ERROR_REASON_REVISION_NOT_REACHED": grpc.StatusCode.UNAVAILABLE,
    "ERROR_REASON_RATE_LIMITED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "ERROR_REASON_ISSUER_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "ERROR_REASON_OVERLOADED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "ERROR_REASON_ETAG_MISMATCH": grpc.StatusCode.ABORTED,
    "ERROR_REASON_TOO_MANY_LOGINS": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "ERROR_REASON_USER_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "ERROR_REASON_EMAIL_TAKEN": grpc.StatusCode.ALREADY_EXISTS,
    "ERROR_REASON_WRONG_PASSWORD": grpc.StatusCode.PERMISSION_DENIED,
    "ERROR_REASON_LAST_OWNER": grpc.StatusCode.FAILED_PRECONDITION,
    "ERROR_REASON_LOGIN_REFUSED": grpc.StatusCode.UNAUTHENTICATED,
    "ERROR_REASON_TOO_MANY_FAILED_LOGINS": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "ERROR_REASON_REFRESH_TOKEN_REUSED": grpc.StatusCode.UNAUTHENTICATED,
    "ERROR_REASON_REFRESH_TOKEN_INVALID": grpc.StatusCode.UNAUTHENTICATED,
    "ERROR_REASON_SESSION_ENDED": grpc.StatusCode.UNAUTHENTICATED,
    "ERROR_REASON_SESSION_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
}


def _error_classes() -> set[type[AuthsvcError]]:
    return {
        found
        for _, found in inspect.getmembers(errors, inspect.isclass)
        if issubclass(found, AuthsvcError) and found not in {AuthsvcError, errors.Retriable}
    }


def test_every_error_class_has_a_row() -> None:
    assert set(ERROR_TABLE) == _error_classes()


def test_every_reason_is_used_once() -> None:
    assert sorted(row.reason for row in ROWS) == sorted(set(ErrorReason.values()) - {0})


def test_every_text_is_used_once() -> None:
    assert len({row.text for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: ErrorReason.Name(row.reason))
def test_every_reason_has_its_documented_code(row: object) -> None:
    [found] = [one for one in ROWS if one is row]

    assert found.code is CODES[ErrorReason.Name(found.reason)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: ErrorReason.Name(row.reason))
def test_a_fault_of_the_caller_is_not_logged_as_an_error_of_ours(row: object) -> None:
    [found] = [one for one in ROWS if one is row]

    assert (found.log_level < logging.ERROR) == (found is not INTERNAL)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ValueError("text"), id="a library's"),
        pytest.param(SealBroken("label"), id="one of ours that no call should meet"),
        pytest.param(AuthsvcError(), id="the root of ours"),
        pytest.param(errors.Retriable(), id="a root of some"),
        pytest.param(type("Other", (errors.KeyNotFound,), {})(), id="an unlisted subclass"),
    ],
)
def test_whatever_is_not_in_the_table_is_internal(error: Exception) -> None:
    assert row_of(error) is INTERNAL


def test_what_is_to_be_tried_again_says_when() -> None:
    retried = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}

    found = {error for error, row in ERROR_TABLE.items() if row.code in retried}

    assert found == {error for error in ERROR_TABLE if issubclass(error, errors.Retriable)}


def test_a_listed_error_has_its_own_row() -> None:
    error = errors.CallerCredentialInvalid(DenialReason.KEY_REVOKED)

    assert row_of(error) is ERROR_TABLE[errors.CallerCredentialInvalid]


def test_only_what_is_in_the_table_blames_the_caller() -> None:
    assert INTERNAL.code not in CLIENT_FAULTS
