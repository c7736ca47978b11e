"""Python client of authsvc: validate credentials; manage API keys, accounts and users.

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

from orchestrator.auth._account_model import Account, UpdatedAccount
from orchestrator.auth._async_client import AsyncAuthClient
from orchestrator.auth._async_token_verifier import AsyncTokenVerifier
from orchestrator.auth._audit_model import AuditActor, AuditEvent, AuditTarget
from orchestrator.auth._bulk_model import (
    AlreadyThere,
    Imported,
    ImportedKeys,
    ImportFailed,
    ImportResult,
    KeyToImport,
    ReportedKey,
    RevokedKeys,
    Withheld,
)
from orchestrator.auth._client import AuthClient
from orchestrator.auth._details import FieldViolation
from orchestrator.auth._enums import (
    AccountState,
    ActorKind,
    DenialReason,
    FreshnessSource,
    ImportMode,
    KeyState,
    LeakReportOutcome,
    OutcomeClass,
    PrincipalKind,
    RevocationReason,
    SessionEndReason,
    SessionState,
    SigningKeyRotationUrgency,
    SigningKeyState,
    TargetKind,
    UsageGranularity,
    UserRole,
    UserState,
)
from orchestrator.auth._error_reasons import ErrorReason
from orchestrator.auth._errors import (
    Aborted,
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
from orchestrator.auth._events import (
    AccountChanged,
    Event,
    Heartbeat,
    KeyChanged,
    KeyRevoked,
    Reset,
    SessionRevoked,
    UserChanged,
)
from orchestrator.auth._finding_codes import FindingCode
from orchestrator.auth._key_model import (
    CreatedKey,
    Key,
    RateLimit,
    RevokedKey,
    RotatedKey,
    UpdatedKey,
)
from orchestrator.auth._model import (
    ANONYMOUS,
    UNSET,
    Anonymous,
    Denial,
    Explanation,
    Finding,
    Freshness,
    HttpBody,
    Principal,
    Question,
    RequestContext,
    Undecided,
    Unset,
    Verdict,
)
from orchestrator.auth._secret import Secret
from orchestrator.auth._session_model import (
    GrantedSession,
    RevokedSession,
    RevokedSessions,
    Session,
)
from orchestrator.auth._signing_key_model import (
    JsonWebKey,
    Jwks,
    RotatedSigningKey,
    SigningKey,
)
from orchestrator.auth._token_verifier import TokenVerifier
from orchestrator.auth._usage_model import (
    AccountUsage,
    CallerUsage,
    ClientAddressUsage,
    KeyUsage,
    UsageInterval,
)
from orchestrator.auth._user_model import ChangedUser, User
from orchestrator.auth._watch import AsyncWatch, Watch

__all__ = [
    "ANONYMOUS",
    "UNSET",
    "Aborted",
    "Account",
    "AccountChanged",
    "AccountState",
    "AccountUsage",
    "ActorKind",
    "AlreadyExists",
    "AlreadyThere",
    "Anonymous",
    "AsyncAuthClient",
    "AsyncTokenVerifier",
    "AsyncWatch",
    "AuditActor",
    "AuditEvent",
    "AuditTarget",
    "AuthClient",
    "AuthError",
    "AuthServiceError",
    "CallerUsage",
    "ChangedUser",
    "ClientAddressUsage",
    "ConfigurationError",
    "CreatedKey",
    "CredentialDenied",
    "DeadlineExceeded",
    "Denial",
    "DenialReason",
    "ErrorReason",
    "Event",
    "Explanation",
    "FailedPrecondition",
    "FieldViolation",
    "Finding",
    "FindingCode",
    "Freshness",
    "FreshnessSource",
    "GrantedSession",
    "Heartbeat",
    "HttpBody",
    "ImportFailed",
    "ImportMode",
    "ImportResult",
    "Imported",
    "ImportedKeys",
    "Internal",
    "InvalidArgument",
    "JsonWebKey",
    "Jwks",
    "Key",
    "KeyChanged",
    "KeyRevoked",
    "KeyState",
    "KeyToImport",
    "KeyUsage",
    "LeakReportOutcome",
    "MalformedResponse",
    "NotFound",
    "OutcomeClass",
    "PermissionDenied",
    "Principal",
    "PrincipalKind",
    "Question",
    "RateLimit",
    "ReportedKey",
    "RequestContext",
    "Reset",
    "ResourceExhausted",
    "RevocationReason",
    "RevokedKey",
    "RevokedKeys",
    "RevokedSession",
    "RevokedSessions",
    "RotatedKey",
    "RotatedSigningKey",
    "Secret",
    "Session",
    "SessionEndReason",
    "SessionRevoked",
    "SessionState",
    "SigningKey",
    "SigningKeyRotationUrgency",
    "SigningKeyState",
    "TargetKind",
    "TokenVerifier",
    "Unauthenticated",
    "Unavailable",
    "Undecided",
    "Unset",
    "UpdatedAccount",
    "UpdatedKey",
    "UsageGranularity",
    "UsageInterval",
    "User",
    "UserChanged",
    "UserRole",
    "UserState",
    "Verdict",
    "Watch",
    "Withheld",
]
