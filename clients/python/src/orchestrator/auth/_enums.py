"""The closed sets of words that answers use, but for the two long ones. Depends on `_word`."""

from __future__ import annotations

from enum import auto

from orchestrator.auth._word import Word


class PrincipalKind(Word):
    """What kind of credential a principal presented."""

    UNKNOWN = auto()
    API_KEY = auto()
    USER = auto()


class DenialReason(Word):
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


class FreshnessSource(Word):
    """Where the records behind an answer came from."""

    UNKNOWN = auto()
    DATABASE = auto()
    CACHE = auto()
    STALE = auto()


class UsageGranularity(Word):
    """How long an interval of usage is; a day is one in UTC. `UNKNOWN` cannot be asked for."""

    UNKNOWN = auto()
    HOUR = auto()
    DAY = auto()


class KeyState(Word):
    """The state of an API key."""

    UNKNOWN = auto()
    ACTIVE = auto()
    DISABLED = auto()
    EXPIRED = auto()
    REVOKED = auto()


class RevocationReason(Word):
    """Why a key was revoked. `UNKNOWN` is read, never sent."""

    UNKNOWN = auto()
    COMPROMISED = auto()
    SUPERSEDED = auto()
    NO_LONGER_USED = auto()
    PRIVILEGE_WITHDRAWN = auto()


class SigningKeyState(Word):
    """What a key of access tokens does."""

    UNKNOWN = auto()
    PUBLISHED = auto()
    SIGNING = auto()
    VERIFYING = auto()
    RETIRED = auto()


class SigningKeyRotationUrgency(Word):
    """How soon a new key signs, and what becomes of the others. `UNKNOWN` is never sent."""

    UNKNOWN = auto()
    SCHEDULED = auto()
    COMPROMISED = auto()


class ImportMode(Word):
    """What a key that cannot be imported means for the others. `UNKNOWN` is never sent."""

    UNKNOWN = auto()
    EACH_BY_ITSELF = auto()
    ALL_OR_NOTHING = auto()


class LeakReportOutcome(Word):
    """What the report of a leaked key did: it ended the key, or the key was revoked before."""

    UNKNOWN = auto()
    REVOKED = auto()
    ALREADY_ENDED = auto()


class AccountState(Word):
    """Whether an account's credentials are good."""

    UNKNOWN = auto()
    ACTIVE = auto()
    DISABLED = auto()


class UserRole(Word):
    """What a user is to the account. `UNKNOWN` is read, never sent."""

    UNKNOWN = auto()
    OWNER = auto()
    MEMBER = auto()
    VIEWER = auto()


class UserState(Word):
    """Whether a user's tokens are good."""

    UNKNOWN = auto()
    ACTIVE = auto()
    DISABLED = auto()


class ActorKind(Word):
    """What kind of party acts."""

    UNKNOWN = auto()
    KEY = auto()
    USER = auto()
    CERTIFICATE = auto()
    ANONYMOUS = auto()
    OPERATOR = auto()
    DATABASE = auto()
    SERVICE = auto()


class TargetKind(Word):
    """What kind of thing an action is about."""

    UNKNOWN = auto()
    KEY = auto()
    ACCOUNT = auto()
    SIGNING_KEY = auto()
    USER = auto()
    SESSION = auto()


class SessionState(Word):
    """Whether a session can be refreshed."""

    UNKNOWN = auto()
    ACTIVE = auto()
    EXPIRED = auto()
    REVOKED = auto()


class SessionEndReason(Word):
    """Why a session was ended before its time."""

    UNKNOWN = auto()
    REVOKED = auto()
    PASSWORD_CHANGED = auto()
    REFRESH_TOKEN_REUSED = auto()
    USER_DISABLED = auto()
    ACCOUNT_DISABLED = auto()


class OutcomeClass(Word):
    """What became of an action, to ask for. `UNKNOWN` cannot be asked for."""

    UNKNOWN = auto()
    SUCCEEDED = auto()
    DENIED = auto()
