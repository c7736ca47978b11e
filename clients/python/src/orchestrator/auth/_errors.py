"""Every exception of the clients, and how a gRPC error becomes one.

`CredentialDenied` says that the credential is no good: answer 401, 403 or 429. `AuthServiceError`
says that nobody could tell: answer 503. Neither is a kind of the other.

Depends on grpc, `_model` and `_details`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, cast

import grpc

from orchestrator.auth._details import Details, FieldViolation, parse_details
from orchestrator.auth._error_reasons import ErrorReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from orchestrator.auth._model import Denial, Freshness

_DOMAIN: Final = "auth.orchestratorhq.com"


class AuthError(Exception):
    """The root of every error that the clients raise on purpose, bar wrong arguments."""


class ConfigurationError(AuthError):
    """The client cannot be used as it is set up; the text says what to set."""


class CredentialDenied(AuthError):
    """The credential is refused. Answer with `denial`: it is ready for an HTTP response.

    Attributes:
        denial: Why, with the HTTP status, body and header fields.
        freshness: How old the answer is; None when it is not known.
    """

    def __init__(self, denial: Denial, freshness: Freshness | None = None) -> None:
        super().__init__(denial, freshness)
        self.denial = denial
        self.freshness = freshness

    def __str__(self) -> str:
        return f"{self.denial.message} ({self.denial.reason}, {self.denial.http_status})"


class AuthServiceError(AuthError):
    """The service could not decide, or this caller may not ask; says nothing of the credential.

    Subclasses stand for the usual status codes; a code without one comes as this class.

    Attributes:
        code: The gRPC status code.
        message: The status' text.
        reason: The cause as the service names it; None when the status did not come from the
            service itself but from the library or a proxy.
        request_id: Under what the server's log has the call; None when it is not known.
        field_violations: Which fields of the request break which bounds.
        retry_delay: How long to wait before trying again, when the service says so.
        metadata: More about the reason, such as `required_scope`.
    """

    status_code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode | None = None,
        reason: ErrorReason | None = None,
        request_id: str | None = None,
        field_violations: tuple[FieldViolation, ...] = (),
        retry_delay: timedelta | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.status_code if code is None else code
        self.reason = reason
        self.request_id = request_id
        self.field_violations = field_violations
        self.retry_delay = retry_delay
        self.metadata: Mapping[str, str] = metadata or {}

    def __str__(self) -> str:
        text = f"{self.code.name}: {self.message}"
        for field, description in self.field_violations:
            text += f"; {field}: {description}"
        known = [f"reason {self.reason}"] if self.reason else []
        known += [f"request {self.request_id}"] if self.request_id else []
        return f"{text} ({', '.join(known)})" if known else text


class InvalidArgument(AuthServiceError):
    """The request breaks documented bounds: see `field_violations`."""

    status_code = grpc.StatusCode.INVALID_ARGUMENT


class DeadlineExceeded(AuthServiceError):
    """No answer came in time. What the call would have changed may have been changed."""

    status_code = grpc.StatusCode.DEADLINE_EXCEEDED


class NotFound(AuthServiceError):
    """There is no such key or account, or this caller may not see it."""

    status_code = grpc.StatusCode.NOT_FOUND


class AlreadyExists(AuthServiceError):
    """A key of the account that is not revoked has this name."""

    status_code = grpc.StatusCode.ALREADY_EXISTS


class PermissionDenied(AuthServiceError):
    """This caller may not do that: see `metadata["required_scope"]`."""

    status_code = grpc.StatusCode.PERMISSION_DENIED


class ResourceExhausted(AuthServiceError):
    """A limit is reached, or the server is overloaded: see `retry_delay`.

    `code` is CANCELLED where the server had not even read the call, or stopped while it was under
    way; only in the second case can a change have been made.
    """

    status_code = grpc.StatusCode.RESOURCE_EXHAUSTED


class FailedPrecondition(AuthServiceError):
    """The state of things forbids it, as a disabled account does."""

    status_code = grpc.StatusCode.FAILED_PRECONDITION


class Aborted(AuthServiceError):
    """The key has changed since its etag was read: read it again."""

    status_code = grpc.StatusCode.ABORTED


class Internal(AuthServiceError):
    """A fault of the server; its log has the cause under `request_id`."""

    status_code = grpc.StatusCode.INTERNAL


class Unavailable(AuthServiceError):
    """The service, or its database, could not be reached: see `retry_delay`."""

    status_code = grpc.StatusCode.UNAVAILABLE


class Unauthenticated(AuthServiceError):
    """This client's own API key is missing or no good: see `metadata["denial_reason"]`."""

    status_code = grpc.StatusCode.UNAUTHENTICATED


class MalformedResponse(Internal):
    """The server's answer breaks its contract, so it is not acted upon."""


_BY_CODE: Final[dict[grpc.StatusCode, type[AuthServiceError]]] = {
    error.status_code: error
    for error in (
        InvalidArgument,
        DeadlineExceeded,
        NotFound,
        AlreadyExists,
        PermissionDenied,
        ResourceExhausted,
        FailedPrecondition,
        Aborted,
        Internal,
        Unavailable,
        Unauthenticated,
    )
}


def from_rpc_error(error: grpc.RpcError) -> AuthServiceError:
    """Return the error of ours that a gRPC error stands for, sync or async."""
    code = error.code()
    trailers = _trailers(error)
    details = _details(trailers)
    reason = _reason(details)
    if code is grpc.StatusCode.CANCELLED and not trailers and error.details() == "CANCELLED":
        # These clients cancel nothing that they wait for: it was the server's gRPC, which says no
        # more than this when too many calls wait to be taken up, and when it stops.
        return ResourceExhausted(
            "the server is overloaded and has not read the call, or it stopped", code=code
        )
    request_id = details.request_id or trailers.get("x-request-id", "")
    return _BY_CODE.get(code, AuthServiceError)(
        error.details() or "no text",
        code=code,
        reason=reason,
        request_id=request_id if isinstance(request_id, str) and request_id else None,
        field_violations=details.field_violations,
        retry_delay=details.retry_delay,
        metadata=details.metadata if reason else None,
    )


def _trailers(error: grpc.RpcError) -> dict[str, str | bytes]:
    # The sync and the async library have types of their own for metadata; both iterate as pairs.
    pairs = cast("Iterable[tuple[str, str | bytes]] | None", error.trailing_metadata())
    return dict(pairs or ())


def _details(trailers: Mapping[str, str | bytes]) -> Details:
    status = trailers.get("grpc-status-details-bin")
    return parse_details(status) if isinstance(status, bytes) else Details()


def _reason(details: Details) -> ErrorReason | None:
    if details.domain != _DOMAIN:
        return None
    return ErrorReason(details.reason.removeprefix("ERROR_REASON_"))
