"""The closed sets of words that answers use. Depends on nothing.

Each mirrors the proto enum of the same name, without the prefix. A value that a newer server sends
and this version of the client does not know reads as `UNKNOWN`.
"""

from __future__ import annotations

from enum import StrEnum, auto
from typing import Self


class _Word(StrEnum):
    """Values equal their names: `DenialReason.KEY_REVOKED == "KEY_REVOKED"`."""

    @staticmethod
    def _generate_next_value_(name: str, *_: object) -> str:
        return name

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return None if value == "UNKNOWN" else cls("UNKNOWN")


class PrincipalKind(_Word):
    """What kind of credential a principal presented."""

    UNKNOWN = auto()
    API_KEY = auto()
    USER = auto()


class DenialReason(_Word):
    """Why a credential is refused. Treat `UNKNOWN` by the denial's `http_status`."""

    UNKNOWN = auto()
    MISSING_CREDENTIAL = auto()
    UNSUPPORTED_SCHEME = auto()
    INVALID_KEY_FORMAT = auto()
    KEY_NOT_FOUND = auto()
    KEY_REVOKED = auto()
    KEY_EXPIRED = auto()
    KEY_DISABLED = auto()
    TOKEN_INVALID = auto()
    TOKEN_EXPIRED = auto()
    TOKEN_REVOKED = auto()
    ACCOUNT_DISABLED = auto()
    INSUFFICIENT_SCOPE = auto()
    ADDRESS_NOT_ALLOWED = auto()
    RATE_LIMITED = auto()


class FreshnessSource(_Word):
    """Where the records behind an answer came from."""

    UNKNOWN = auto()
    DATABASE = auto()
    CACHE = auto()
    STALE = auto()


class UsageGranularity(_Word):
    """How long an interval of usage is; a day is one in UTC. `UNKNOWN` cannot be asked for."""

    UNKNOWN = auto()
    HOUR = auto()
    DAY = auto()


class FindingCode(_Word):
    """What can be found about a credential. Show the finding's `text` of one that is `UNKNOWN`."""

    UNKNOWN = auto()
    NOTHING_SENT = auto()
    ONLY_SCHEME = auto()
    OVER_LIMIT = auto()
    HEADER_NAME = auto()
    SCHEME_DOUBLED = auto()
    OTHER_SCHEME = auto()
    BLANK_MISSING = auto()
    QUOTED = auto()
    WHITE_SPACE_BEFORE = auto()
    WHITE_SPACE_BEHIND = auto()
    LINE_BREAK_BEHIND = auto()
    PUNCTUATION_BEHIND = auto()
    NOT_ASCII = auto()
    VARIABLE = auto()
    PLACEHOLDER = auto()
    HINT = auto()
    KEY_ID = auto()
    PERCENT_ENCODED = auto()
    PREFIX_UPPER_CASE = auto()
    PREFIX_MISSING = auto()
    PREFIX_WRONG = auto()
    PREFIX_DOUBLED = auto()
    TRUNCATED = auto()
    TOO_LONG = auto()
    NOT_HEXADECIMAL = auto()
    UPPER_CASE_HEXADECIMAL = auto()
    TOKEN_SEGMENTS = auto()
    TOKEN_NOT_BASE64URL = auto()
    UNRECOGNISED = auto()
    MENDED_IS_GOOD = auto()
    LOWER_CASE_IS_KNOWN = auto()
    MENDED_IS_KNOWN = auto()
    KEY_UNKNOWN = auto()
    KEY_REVOKED = auto()
    KEY_DISABLED = auto()
    KEY_EXPIRED = auto()
    ACCOUNT_DISABLED = auto()
    SCOPES_MISSING = auto()
    TOKEN_ENCRYPTED = auto()
    TOKEN_HEADER_UNREADABLE = auto()
    TOKEN_HEADER_MEMBERS = auto()
    TOKEN_PAYLOAD_UNREADABLE = auto()
    TOKEN_TYPE = auto()
    TOKEN_UNSIGNED = auto()
    TOKEN_ALGORITHM = auto()
    TOKEN_KID_MISSING = auto()
    TOKEN_KID_UNKNOWN = auto()
    TOKEN_SIGNATURE = auto()
    TOKEN_EXPIRED = auto()
    TOKEN_NOT_YET_VALID = auto()
    TOKEN_ISSUER = auto()
    TOKEN_AUDIENCE = auto()
    TOKEN_CLAIM_MISSING = auto()
    TOKEN_CLAIM_MALFORMED = auto()
    TOKEN_ACCOUNT_UNKNOWN = auto()
    ADDRESS_NOT_ALLOWED = auto()
    ADDRESS_MISSING = auto()
    RATE_LIMIT_REACHED = auto()
    TOKEN_USER_UNKNOWN = auto()
    TOKEN_USER_DISABLED = auto()
    TOKEN_SESSION_ENDED = auto()
    TOKEN_FOREIGN = auto()
    TOKEN_TYPE_NOT_ACCEPTED = auto()
    TOKEN_CRITICAL = auto()
    TOKEN_ALGORITHM_NOT_ACCEPTED = auto()
    TOKEN_KEY_NOT_OF_ISSUER = auto()
    TOKEN_KEY_UNCLEAR = auto()
    TOKEN_LIFETIME = auto()
    TOKEN_ACCOUNT_UNMAPPED = auto()


class KeyState(_Word):
    """The state of an API key."""

    UNKNOWN = auto()
    ACTIVE = auto()
    DISABLED = auto()
    EXPIRED = auto()
    REVOKED = auto()


class RevocationReason(_Word):
    """Why a key was revoked. `UNKNOWN` is read, never sent."""

    UNKNOWN = auto()
    COMPROMISED = auto()
    SUPERSEDED = auto()
    NO_LONGER_USED = auto()
    PRIVILEGE_WITHDRAWN = auto()


class SigningKeyState(_Word):
    """What a key of access tokens does."""

    UNKNOWN = auto()
    PUBLISHED = auto()
    SIGNING = auto()
    VERIFYING = auto()
    RETIRED = auto()


class SigningKeyRotationUrgency(_Word):
    """How soon a new key signs, and what becomes of the others. `UNKNOWN` is never sent."""

    UNKNOWN = auto()
    SCHEDULED = auto()
    COMPROMISED = auto()


class ImportMode(_Word):
    """What a key that cannot be imported means for the others. `UNKNOWN` is never sent."""

    UNKNOWN = auto()
    EACH_BY_ITSELF = auto()
    ALL_OR_NOTHING = auto()


class LeakReportOutcome(_Word):
    """What the report of a leaked key did: it ended the key, or the key was revoked before."""

    UNKNOWN = auto()
    REVOKED = auto()
    ALREADY_ENDED = auto()


class AccountState(_Word):
    """Whether an account's credentials are good."""

    UNKNOWN = auto()
    ACTIVE = auto()
    DISABLED = auto()


class UserRole(_Word):
    """What a user is to the account. `UNKNOWN` is read, never sent."""

    UNKNOWN = auto()
    OWNER = auto()
    MEMBER = auto()
    VIEWER = auto()


class UserState(_Word):
    """Whether a user's tokens are good."""

    UNKNOWN = auto()
    ACTIVE = auto()
    DISABLED = auto()


class ActorKind(_Word):
    """What kind of party acts."""

    UNKNOWN = auto()
    KEY = auto()
    USER = auto()
    CERTIFICATE = auto()
    ANONYMOUS = auto()
    OPERATOR = auto()
    DATABASE = auto()
    SERVICE = auto()


class TargetKind(_Word):
    """What kind of thing an action is about."""

    UNKNOWN = auto()
    KEY = auto()
    ACCOUNT = auto()
    SIGNING_KEY = auto()
    USER = auto()
    SESSION = auto()


class SessionState(_Word):
    """Whether a session can be refreshed."""

    UNKNOWN = auto()
    ACTIVE = auto()
    EXPIRED = auto()
    REVOKED = auto()


class SessionEndReason(_Word):
    """Why a session was ended before its time."""

    UNKNOWN = auto()
    REVOKED = auto()
    PASSWORD_CHANGED = auto()
    REFRESH_TOKEN_REUSED = auto()
    USER_DISABLED = auto()
    ACCOUNT_DISABLED = auto()


class OutcomeClass(_Word):
    """What became of an action, to ask for. `UNKNOWN` cannot be asked for."""

    UNKNOWN = auto()
    SUCCEEDED = auto()
    DENIED = auto()


class ErrorReason(_Word):
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
