"""A gRPC error status becomes an error of ours, whatever its details look like."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import copy
import pickle
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from orchestrator import auth
from orchestrator.auth import AuthServiceError, CredentialDenied, ErrorReason
from orchestrator.auth.v1 import error_reason_pb2

DETAILS = "grpc-status-details-bin"


def packed(*details: Any) -> bytes:
    """Build a true google.rpc.Status, as the server does."""
    status = status_pb2.Status(code=3, message="scripted")
    for detail in details:
        status.details.add().Pack(detail)
    return bytes(status.SerializeToString())


def info(reason: str, domain: str = "auth.orchestratorhq.com", **metadata: str) -> Any:
    return error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata)


async def failure_of(client: Any) -> AuthServiceError:
    with pytest.raises(AuthServiceError) as caught:
        await client.create_key("ci")
    return caught.value


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, auth.InvalidArgument),
        (grpc.StatusCode.DEADLINE_EXCEEDED, auth.DeadlineExceeded),
        (grpc.StatusCode.NOT_FOUND, auth.NotFound),
        (grpc.StatusCode.ALREADY_EXISTS, auth.AlreadyExists),
        (grpc.StatusCode.PERMISSION_DENIED, auth.PermissionDenied),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, auth.ResourceExhausted),
        (grpc.StatusCode.ABORTED, auth.Aborted),
        (grpc.StatusCode.FAILED_PRECONDITION, auth.FailedPrecondition),
        (grpc.StatusCode.INTERNAL, auth.Internal),
        (grpc.StatusCode.UNAVAILABLE, auth.Unavailable),
        (grpc.StatusCode.UNAUTHENTICATED, auth.Unauthenticated),
        (grpc.StatusCode.UNIMPLEMENTED, AuthServiceError),
    ],
)
async def test_each_status_code_has_its_class(
    client: Any, server: Any, answers: Any, code: grpc.StatusCode, kind: type[AuthServiceError]
) -> None:
    server.script("CreateKey", answers.Failure(code))

    error = await failure_of(client)

    assert type(error) is kind
    assert error.code is code
    assert error.message == "scripted"
    assert str(error) == f"{code.name}: scripted"
    assert not isinstance(error, CredentialDenied)


async def test_a_call_that_an_overloaded_server_left_unread_is_told_as_such(
    client: Any, server: Any, answers: Any
) -> None:
    server.script("CreateKey", answers.Failure(grpc.StatusCode.CANCELLED, "CANCELLED"))

    error = await failure_of(client)

    assert type(error) is auth.ResourceExhausted
    assert str(error) == (
        "CANCELLED: the server is overloaded and has not read the call, or it stopped"
    )


async def test_a_validation_that_fails_is_no_denial(client: Any, server: Any, answers: Any) -> None:
    server.script("ValidateCredential", answers.Failure(grpc.StatusCode.UNAUTHENTICATED))

    with pytest.raises(auth.Unauthenticated):
        await client.check("x")


async def test_the_details_are_read(client: Any, server: Any, answers: Any) -> None:
    violation = error_details_pb2.BadRequest.FieldViolation(field="name", description="too long")
    details = packed(
        info("ERROR_REASON_INVALID_REQUEST", limit="100"),
        error_details_pb2.BadRequest(field_violations=[violation]),
        error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000)),
        error_details_pb2.RequestInfo(request_id="r-1", serving_data="unread"),
        error_details_pb2.Help(),
    )
    failure = answers.Failure(
        grpc.StatusCode.INVALID_ARGUMENT, "The request is invalid", ((DETAILS, details),)
    )
    server.script("CreateKey", failure)

    error = await failure_of(client)

    assert error.reason is ErrorReason.INVALID_REQUEST
    assert error.metadata == {"limit": "100"}
    assert error.field_violations == (("name", "too long"),)
    assert error.field_violations[0].field == "name"
    assert error.retry_delay == timedelta(seconds=1.5)
    assert error.request_id == "r-1"
    assert str(error) == (
        "INVALID_ARGUMENT: The request is invalid; name: too long "
        "(reason INVALID_REQUEST, request r-1)"
    )


async def test_the_request_id_is_found_in_the_trailers_too(
    client: Any, server: Any, answers: Any
) -> None:
    trailers = (("x-request-id", "r-2"),)
    server.script("CreateKey", answers.Failure(grpc.StatusCode.INTERNAL, "x", trailers))

    assert (await failure_of(client)).request_id == "r-2"


@pytest.mark.parametrize("name", error_reason_pb2.ErrorReason.keys()[1:])
async def test_every_reason_of_the_contract_has_its_member(
    client: Any, server: Any, answers: Any, name: str
) -> None:
    trailers = ((DETAILS, packed(info(name))),)
    server.script("CreateKey", answers.Failure(grpc.StatusCode.INTERNAL, "x", trailers))

    assert f"ERROR_REASON_{(await failure_of(client)).reason}" == name


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        (info("KEY_NAME_TAKEN", a="b"), (ErrorReason.KEY_NAME_TAKEN, {"a": "b"})),
        (info("ERROR_REASON_FROM_THE_FUTURE", a="b"), (ErrorReason.UNKNOWN, {"a": "b"})),
        (info("ERROR_REASON_INTERNAL", domain="proxy.example", a="b"), (None, {})),
    ],
)
async def test_a_reason_counts_when_it_is_the_services_own(
    client: Any, server: Any, answers: Any, detail: Any, told: Any
) -> None:
    trailers = ((DETAILS, packed(detail)),)
    server.script("CreateKey", answers.Failure(grpc.StatusCode.INTERNAL, "x", trailers))

    error = await failure_of(client)

    assert (error.reason, error.metadata) == told


def broken_detail() -> bytes:
    """Build a status with one detail that cannot be parsed before one that can."""
    name = "type.googleapis.com/google.rpc.RetryInfo"
    broken = AnyMessage(type_url=name, value=b"\xff\xff")
    status = status_pb2.Status(details=[broken])
    status.details.add().Pack(error_details_pb2.RequestInfo(request_id="r-3"))
    return bytes(status.SerializeToString())


@pytest.mark.parametrize(
    ("details", "request_id"),
    [
        (b"\xff\xff\xff", None),
        (b"", None),
        (packed(info("ERROR_REASON_INTERNAL"))[:-4], None),
        (broken_detail(), "r-3"),
    ],
    ids=["garbage", "empty", "cut off", "one of two"],
)
async def test_malformed_details_cost_nothing_but_themselves(
    client: Any, server: Any, answers: Any, details: bytes, request_id: str | None
) -> None:
    trailers = ((DETAILS, details),)
    server.script("CreateKey", answers.Failure(grpc.StatusCode.NOT_FOUND, "gone", trailers))

    error = await failure_of(client)

    assert type(error) is auth.NotFound
    assert error.message == "gone"
    assert error.reason is None
    assert error.retry_delay is None
    assert error.request_id == request_id


@pytest.mark.parametrize("seconds", [-1, 1 << 62])
async def test_a_retry_delay_that_makes_no_sense_is_none(
    client: Any, server: Any, answers: Any, seconds: int
) -> None:
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=seconds))
    trailers = ((DETAILS, packed(retry)),)
    server.script("CreateKey", answers.Failure(grpc.StatusCode.UNAVAILABLE, "x", trailers))

    assert (await failure_of(client)).retry_delay is None


async def test_errors_survive_pickling_and_copying(client: Any, server: Any, answers: Any) -> None:
    trailers = ((DETAILS, packed(info("ERROR_REASON_KEY_NOT_FOUND"))),)
    server.script("CreateKey", answers.Failure(grpc.StatusCode.NOT_FOUND, "x", trailers))
    error = await failure_of(client)

    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is auth.NotFound
        assert vars(twin) == vars(error)
        assert str(twin) == str(error)


async def test_denials_survive_pickling(client: Any, server: Any, answers: Any) -> None:
    server.script("ValidateCredential", answers.refused())
    with pytest.raises(CredentialDenied) as caught:
        await client.validate("x")

    twin = pickle.loads(pickle.dumps(caught.value))

    assert twin.denial == caught.value.denial
    assert twin.freshness == caught.value.freshness


def test_an_error_made_by_hand_has_the_code_of_its_class() -> None:
    assert auth.Unavailable("down").code is grpc.StatusCode.UNAVAILABLE
    assert AuthServiceError("odd").code is grpc.StatusCode.UNKNOWN
