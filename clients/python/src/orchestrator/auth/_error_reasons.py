"""Why calls fail. Depends on `_word`."""

from __future__ import annotations

from enum import auto

from orchestrator.auth._word import Word


class ErrorReason(Word):
    """Why a call failed with a gRPC error status."""

    UNKNOWN = auto()
    INTERNAL = auto()
    INVALID_REQUEST = auto()
    CALLER_CREDENTIAL_MISSING = auto()
    CALLER_CREDENTIAL_INVALID = auto()
    CALLER_NOT_PERMITTED = auto()
    SCOPE_NOT_GRANTABLE = auto()
    ACCOUNT_NOT_FOUND = auto()
    KEY_NOT_FOUND = auto()
    KEY_NAME_TAKEN = auto()
    ACCOUNT_DISABLED = auto()
    DATABASE_UNAVAILABLE = auto()
    TOO_MANY_LOOKUPS = auto()
    TOO_MANY_STREAMS = auto()
    SERVER_STOPPING = auto()
    REVISION_NOT_REACHED = auto()
    ETAG_MISMATCH = auto()
    KEY_REVOKED = auto()
    KEY_SUPERSEDED = auto()
    KEY_ENDED = auto()
    REQUEST_ID_REUSED = auto()
    RATE_LIMITED = auto()
    TOO_MANY_LOGINS = auto()
    USER_NOT_FOUND = auto()
    EMAIL_TAKEN = auto()
    WRONG_PASSWORD = auto()
    LAST_OWNER = auto()
    LOGIN_REFUSED = auto()
    TOO_MANY_FAILED_LOGINS = auto()
    REFRESH_TOKEN_REUSED = auto()
    REFRESH_TOKEN_INVALID = auto()
    SESSION_ENDED = auto()
    SESSION_NOT_FOUND = auto()
    TOO_MANY_REPORTS = auto()
    ISSUER_UNAVAILABLE = auto()
    CALLER_CERTIFICATE_NOT_MAPPED = auto()
    OVERLOADED = auto()
