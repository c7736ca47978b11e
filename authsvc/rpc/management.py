"""Which methods manage something, so that the audit log tells of refused attempts at them."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message

from authsvc.domain import ids
from authsvc.domain.audit import Target, TargetKind

_AUTH: Final = "orchestrator.auth.v1.AuthService"
_ACCOUNTS: Final = "orchestrator.auth.v1.AccountService"
_SESSIONS: Final = "orchestrator.auth.v1.SessionService"
_AUDIT: Final = "orchestrator.auth.v1.AuditService"

MANAGEMENT: Final = frozenset(
    {
        f"{_AUTH}/CreateKey",
        f"{_AUTH}/GetKey",
        f"{_AUTH}/ListKeys",
        f"{_AUTH}/UpdateKey",
        f"{_AUTH}/RotateKey",
        f"{_AUTH}/RevokeKey",
        f"{_AUTH}/GetKeyUsage",
        f"{_AUTH}/GetAccountUsage",
        f"{_AUTH}/ImportKeys",
        f"{_AUTH}/RevokeKeys",
        f"{_AUTH}/ReportLeakedKey",
        f"{_ACCOUNTS}/CreateAccount",
        f"{_ACCOUNTS}/GetAccount",
        f"{_ACCOUNTS}/ListAccounts",
        f"{_ACCOUNTS}/UpdateAccount",
        f"{_ACCOUNTS}/CreateUser",
        f"{_ACCOUNTS}/GetUser",
        f"{_ACCOUNTS}/ListUsers",
        f"{_ACCOUNTS}/UpdateUser",
        f"{_ACCOUNTS}/SetUserPassword",
        f"{_AUDIT}/ListAuditEvents",
        f"{_SESSIONS}/CreateSession",
        f"{_SESSIONS}/RefreshSession",
        f"{_SESSIONS}/RevokeSession",
        f"{_SESSIONS}/RevokeAllSessions",
        f"{_SESSIONS}/ListSessions",
        f"{_SESSIONS}/RotateSigningKey",
    }
)
"""Refused attempts at these are audited. A test asserts that every method is here or below."""
NO_MANAGEMENT: Final = frozenset(
    {
        f"{_AUTH}/ValidateCredential",
        f"{_AUTH}/BatchValidateCredentials",
        f"{_AUTH}/ExplainCredential",
        f"{_AUTH}/WatchRevocations",
        f"{_SESSIONS}/GetJwks",
    }
)
"""These judge credentials or help to, at a rate at which nothing is written."""

_TARGETS: Final = (
    ("key_id", ids.KEY, TargetKind.KEY),
    ("session_id", ids.SESSION, TargetKind.SESSION),
    ("user_id", ids.USER, TargetKind.USER),
    ("account_id", ids.ACCOUNT, TargetKind.ACCOUNT),
)
# The fields in which requests hold a whole resource.
_RESOURCES: Final = ("key", "user", "account")


def is_management(action: str) -> bool:
    """Tell whether refused attempts at a method are audited. When in doubt they are."""
    return action not in NO_MANAGEMENT


def target_of(request: Message | None) -> Target | None:
    """Return what a request is about, as far as it says so by a well-formed id.

    Anything else in the place of an id may be what must not be written down, such as a secret.
    """
    for message in (request, *(_part(request, name) for name in _RESOURCES)):
        for field, prefix, kind in _TARGETS:
            if ids.is_id(value := _text(message, field), prefix):
                return Target(kind, value)
    return None


def named_account(request: Message | None) -> str:
    """Return the account that a request names; empty when it names none."""
    account_id = _text(request, "account_id")
    return account_id if ids.is_id(account_id, ids.ACCOUNT) else ""


def _part(message: Message | None, field: str) -> Message | None:
    part = getattr(message, field, None)
    return part if isinstance(part, Message) else None


def _text(message: Message | None, field: str) -> str:
    value = getattr(message, field, None)
    return value if isinstance(value, str) else ""
