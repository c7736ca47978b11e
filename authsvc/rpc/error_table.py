"""What each domain error is on the wire: status code, reason, text and log level.

Texts are constant per reason and name nothing internal; causes go to the log under the request
id. A test asserts that every error class is in the table.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import grpc

from authsvc.domain import errors
from orchestrator.auth.v1 import error_reason_pb2 as reasons


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table."""

    code: grpc.StatusCode
    reason: reasons.ErrorReason.ValueType
    text: str
    log_level: int

    @property
    def short_reason(self) -> str:
        """The reason's name as logs and metrics have it."""
        return reasons.ErrorReason.Name(self.reason).removeprefix("ERROR_REASON_")


INTERNAL: Final = Row(
    grpc.StatusCode.INTERNAL,
    reasons.ERROR_REASON_INTERNAL,
    "The service failed; its log has the cause under the request id.",
    logging.ERROR,
)

ERROR_TABLE: Final = MappingProxyType(
    {
        errors.InvalidRequest: Row(
            grpc.StatusCode.INVALID_ARGUMENT,
            reasons.ERROR_REASON_INVALID_REQUEST,
            "The request is invalid; see the field violations in the status details.",
            logging.INFO,
        ),
        errors.CallerCredentialMissing: Row(
            grpc.StatusCode.UNAUTHENTICATED,
            reasons.ERROR_REASON_CALLER_CREDENTIAL_MISSING,
            "The call carries no credential: send 'authorization: Bearer <API key>' as metadata.",
            logging.INFO,
        ),
        errors.CallerCredentialInvalid: Row(
            grpc.StatusCode.UNAUTHENTICATED,
            reasons.ERROR_REASON_CALLER_CREDENTIAL_INVALID,
            "The credential of the caller is refused; the status details say why.",
            logging.WARNING,
        ),
        errors.CallerCertificateNotMapped: Row(
            grpc.StatusCode.UNAUTHENTICATED,
            reasons.ERROR_REASON_CALLER_CERTIFICATE_NOT_MAPPED,
            "The client certificate is good, but the server's configuration maps none of its "
            "names to a caller, and the call carries no other credential.",
            logging.WARNING,
        ),
        errors.CallerNotPermitted: Row(
            grpc.StatusCode.PERMISSION_DENIED,
            reasons.ERROR_REASON_CALLER_NOT_PERMITTED,
            "The caller may not call this method; the status details name the scope it needs.",
            logging.WARNING,
        ),
        errors.ScopeNotGrantable: Row(
            grpc.StatusCode.PERMISSION_DENIED,
            reasons.ERROR_REASON_SCOPE_NOT_GRANTABLE,
            "The caller may not grant one of these scopes: a key passes on no more than it has, "
            "and authsvc: scopes go to keys of the system account only. Name narrower scopes.",
            logging.WARNING,
        ),
        errors.AccountNotFound: Row(
            grpc.StatusCode.NOT_FOUND,
            reasons.ERROR_REASON_ACCOUNT_NOT_FOUND,
            "Account not found.",
            logging.INFO,
        ),
        errors.KeyNotFound: Row(
            grpc.StatusCode.NOT_FOUND,
            reasons.ERROR_REASON_KEY_NOT_FOUND,
            "API key not found.",
            logging.INFO,
        ),
        errors.KeyNameTaken: Row(
            grpc.StatusCode.ALREADY_EXISTS,
            reasons.ERROR_REASON_KEY_NAME_TAKEN,
            "The account has a key of this name already; revoke it or choose another name.",
            logging.INFO,
        ),
        errors.EtagMismatch: Row(
            grpc.StatusCode.ABORTED,
            reasons.ERROR_REASON_ETAG_MISMATCH,
            "It has changed in the meantime; read it again and repeat the change.",
            logging.INFO,
        ),
        errors.KeyRevoked: Row(
            grpc.StatusCode.FAILED_PRECONDITION,
            reasons.ERROR_REASON_KEY_REVOKED,
            "The API key is revoked, which is final; create another one.",
            logging.INFO,
        ),
        errors.KeySuperseded: Row(
            grpc.StatusCode.FAILED_PRECONDITION,
            reasons.ERROR_REASON_KEY_SUPERSEDED,
            "The API key has a successor already; the status details name it.",
            logging.INFO,
        ),
        errors.KeyEnded: Row(
            grpc.StatusCode.FAILED_PRECONDITION,
            reasons.ERROR_REASON_KEY_ENDED,
            "The API key has expired or is disabled and cannot be rotated; create a new one.",
            logging.INFO,
        ),
        errors.RequestIdReused: Row(
            grpc.StatusCode.FAILED_PRECONDITION,
            reasons.ERROR_REASON_REQUEST_ID_REUSED,
            "The request id was used for another request; make a new one for each request.",
            logging.INFO,
        ),
        errors.AccountIsDisabled: Row(
            grpc.StatusCode.FAILED_PRECONDITION,
            reasons.ERROR_REASON_ACCOUNT_DISABLED,
            "The account is disabled.",
            logging.INFO,
        ),
        errors.CallerRateLimited: Row(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            reasons.ERROR_REASON_RATE_LIMITED,
            "Over a rate limit: that of the caller's own key, of refreshes of one session, or of "
            "unknown refresh tokens from one address; wait as long as the retry delay says.",
            logging.INFO,
        ),
        errors.UserNotFound: Row(
            grpc.StatusCode.NOT_FOUND,
            reasons.ERROR_REASON_USER_NOT_FOUND,
            "User not found.",
            logging.INFO,
        ),
        errors.EmailTaken: Row(
            grpc.StatusCode.ALREADY_EXISTS,
            reasons.ERROR_REASON_EMAIL_TAKEN,
            "There is a user with this email address already.",
            logging.INFO,
        ),
        errors.WrongPassword: Row(
            grpc.StatusCode.PERMISSION_DENIED,
            reasons.ERROR_REASON_WRONG_PASSWORD,
            "The current password is another one.",
            logging.WARNING,
        ),
        errors.LastOwner: Row(
            grpc.StatusCode.FAILED_PRECONDITION,
            reasons.ERROR_REASON_LAST_OWNER,
            "The user is the last active owner of its account; make another one first.",
            logging.INFO,
        ),
        errors.LoginRefused: Row(
            grpc.StatusCode.UNAUTHENTICATED,
            reasons.ERROR_REASON_LOGIN_REFUSED,
            "Email address and password do not belong together, or the login is switched off.",
            logging.WARNING,
        ),
        errors.TooManyFailedLogins: Row(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            reasons.ERROR_REASON_TOO_MANY_FAILED_LOGINS,
            "Too many attempts to log in have failed; wait as long as the status details say.",
            logging.WARNING,
        ),
        errors.RefreshTokenReused: Row(
            grpc.StatusCode.UNAUTHENTICATED,
            reasons.ERROR_REASON_REFRESH_TOKEN_REUSED,
            "The refresh token had been used before, so its session was ended; log in anew.",
            logging.WARNING,
        ),
        errors.RefreshTokenInvalid: Row(
            grpc.StatusCode.UNAUTHENTICATED,
            reasons.ERROR_REASON_REFRESH_TOKEN_INVALID,
            "The refresh token is none that is known; log in anew.",
            logging.WARNING,
        ),
        errors.SessionEnded: Row(
            grpc.StatusCode.UNAUTHENTICATED,
            reasons.ERROR_REASON_SESSION_ENDED,
            "The session is over; log in anew.",
            logging.INFO,
        ),
        errors.SessionNotFound: Row(
            grpc.StatusCode.NOT_FOUND,
            reasons.ERROR_REASON_SESSION_NOT_FOUND,
            "Session not found.",
            logging.INFO,
        ),
        errors.TooManyLogins: Row(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            reasons.ERROR_REASON_TOO_MANY_LOGINS,
            "Too many passwords are being set or checked at once; try again.",
            logging.WARNING,
        ),
        errors.Overloaded: Row(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            reasons.ERROR_REASON_OVERLOADED,
            "The server has as many calls under way as it may have; wait as long as the retry "
            "delay says, or try another replica.",
            logging.WARNING,
        ),
        errors.TooManyLookups: Row(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            reasons.ERROR_REASON_TOO_MANY_LOOKUPS,
            "Too many credentials are being looked up at once; try again.",
            logging.WARNING,
        ),
        errors.TooManyStreams: Row(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            reasons.ERROR_REASON_TOO_MANY_STREAMS,
            "The server has as many streams as it may have; try again, or another replica.",
            logging.WARNING,
        ),
        errors.TooManyReports: Row(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            reasons.ERROR_REASON_TOO_MANY_REPORTS,
            "Too many reports come from this address; wait as long as the retry delay says.",
            logging.WARNING,
        ),
        errors.RevisionNotReached: Row(
            grpc.StatusCode.UNAVAILABLE,
            reasons.ERROR_REASON_REVISION_NOT_REACHED,
            "The database does not have the revision yet that was asked for; try again.",
            logging.WARNING,
        ),
        errors.ServerStopping: Row(
            grpc.StatusCode.UNAVAILABLE,
            reasons.ERROR_REASON_SERVER_STOPPING,
            "The server is stopping; resume elsewhere.",
            logging.INFO,
        ),
        errors.DatabaseUnavailable: Row(
            grpc.StatusCode.UNAVAILABLE,
            reasons.ERROR_REASON_DATABASE_UNAVAILABLE,
            "The database cannot be asked right now; try again.",
            logging.WARNING,
        ),
        errors.IssuerUnavailable: Row(
            grpc.StatusCode.UNAVAILABLE,
            reasons.ERROR_REASON_ISSUER_UNAVAILABLE,
            "The keys of the token's issuer cannot be fetched right now; try again.",
            logging.WARNING,
        ),
    }
)


def row_of(error: Exception) -> Row:
    """Return the row of an error; whatever is not in the table is INTERNAL."""
    return ERROR_TABLE.get(type(error), INTERNAL)
