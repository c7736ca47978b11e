"""Python client of authsvc: validate credentials, create and revoke API keys, over gRPC.

Example:
    >>> from orchestrator.auth import AuthClient, CredentialDenied
    >>> with AuthClient() as client:  # AUTHSVC_ADDRESS and AUTHSVC_API_KEY
    ...     try:
    ...         principal = client.validate(header)
    ...     except CredentialDenied as refused:
    ...         status, body = refused.denial.http_status, refused.denial.http_body()

The modules whose names begin with an underscore may change without notice; what is listed here
does not. The generated stubs are in `orchestrator.auth.v1`.
"""

from orchestrator.auth._async_client import AsyncAuthClient
from orchestrator.auth._client import AuthClient
from orchestrator.auth._details import FieldViolation
from orchestrator.auth._enums import (
    AccountState,
    DenialReason,
    ErrorReason,
    FreshnessSource,
    KeyState,
    PrincipalKind,
    RevocationReason,
)
from orchestrator.auth._errors import (
    AlreadyExists,
    AuthError,
    AuthServiceError,
    ConfigurationError,
    CredentialDenied,
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    MalformedResponse,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from orchestrator.auth._model import (
    Account,
    CreatedKey,
    Denial,
    Freshness,
    HttpBody,
    Key,
    Principal,
    RequestContext,
    RevokedKey,
    Verdict,
)
from orchestrator.auth._secret import Secret

__all__ = [
    "Account",
    "AccountState",
    "AlreadyExists",
    "AsyncAuthClient",
    "AuthClient",
    "AuthError",
    "AuthServiceError",
    "ConfigurationError",
    "CreatedKey",
    "CredentialDenied",
    "DeadlineExceeded",
    "Denial",
    "DenialReason",
    "ErrorReason",
    "FailedPrecondition",
    "FieldViolation",
    "Freshness",
    "FreshnessSource",
    "HttpBody",
    "Internal",
    "InvalidArgument",
    "Key",
    "KeyState",
    "MalformedResponse",
    "NotFound",
    "PermissionDenied",
    "Principal",
    "PrincipalKind",
    "RequestContext",
    "ResourceExhausted",
    "RevocationReason",
    "RevokedKey",
    "Secret",
    "Unauthenticated",
    "Unavailable",
    "Verdict",
]
