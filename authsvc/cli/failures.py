"""What went wrong, in words for the person at the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from authsvc.cli.output import wait_text
from authsvc.domain.errors import AuthsvcError, DatabaseUnavailable, InvalidRequest
from orchestrator.auth import (
    AuthError,
    AuthServiceError,
    DeadlineExceeded,
    DenialReason,
    ErrorReason,
    InvalidArgument,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)

_WHERE: Final = "in AUTHSVC_API_KEY or with --api-key-file."
_KEY_ENDED: Final = ("The caller's key has ended.", f"Give another one {_WHERE}")
_TOKEN_ENDED: Final = ("The caller's token has ended.", f"Give another one, or a key, {_WHERE}")
# By the reason of the denial; of any other, the caller gave none or the wrong one.
_MENDING: Final[Mapping[str, tuple[str, ...]]] = {
    DenialReason.ADDRESS_NOT_ALLOWED: (
        "The caller's key is not good from this address.",
        "Another key, or this one elsewhere, can allow it: `authsvc key update --allow-address`.",
    ),
    DenialReason.KEY_DISABLED: (
        "The caller's key is disabled.",
        "Another key can enable it: `authsvc key update --enable`.",
    ),
    DenialReason.ACCOUNT_DISABLED: (
        "The account of the caller's key is disabled.",
        "A key of another account can enable it: `authsvc account enable`.",
    ),
    DenialReason.KEY_EXPIRED: _KEY_ENDED,
    DenialReason.KEY_REVOKED: _KEY_ENDED,
    DenialReason.TOKEN_EXPIRED: _TOKEN_ENDED,
    DenialReason.TOKEN_REVOKED: _TOKEN_ENDED,
}
# With the other reasons a password or a refresh token was refused, and no caller.
_OF_THE_CALLER: Final = {
    ErrorReason.CALLER_CREDENTIAL_MISSING,
    ErrorReason.CALLER_CREDENTIAL_INVALID,
    None,
}


class Failure(Exception):
    """A command cannot be done; the text says what is wrong and what to do."""


def explain(error: Exception) -> str | None:
    """Return what to tell the person, or None for a fault of this program."""
    match error:
        case DatabaseUnavailable():
            text = (
                f"the database cannot be reached ({_cause(error)}); check that it runs, and "
                "AUTHSVC_DATABASE_URL"
            )
        case InvalidRequest():
            text = "; ".join(f"{v.field} {v.description}" for v in error.violations)
        case AuthServiceError():
            text = _explain_status(error)
        case OSError() if error.filename:
            text = f"{error.filename}: {error.strerror}"
        case Failure() | AuthsvcError() | AuthError() | OSError():
            text = str(error) or type(error).__name__
        case _:
            return _explain_failed_start(error)
    return text


def _explain_failed_start(error: Exception) -> str | None:
    # Loaded late, as they take long and most commands make no use of them.
    from authsvc.config import InvalidSettings  # noqa: PLC0415
    from authsvc.postgres.embedded import EmbeddedPostgresError  # noqa: PLC0415

    match error:
        case InvalidSettings():
            problems = "\n".join(f"  {problem}" for problem in error.problems)
            return f"some settings are missing or wrong:\n{problems}"
        case EmbeddedPostgresError():
            return str(error)
    return None


def _cause(error: DatabaseUnavailable) -> str:
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    # A TimeoutError has no text.
    return str(cause or "") or str(error)


def _denial_reason(error: AuthServiceError) -> str:
    return error.metadata.get("denial_reason", "").removeprefix("DENIAL_REASON_")


def _mend_caller(error: Unauthenticated) -> tuple[str, ...]:
    if error.reason is ErrorReason.CALLER_CERTIFICATE_NOT_MAPPED:
        return (
            "The server's AUTHSVC_CERTIFICATE_CALLERS_FILE has to name it.",
            f"Or give a key {_WHERE}",
        )
    if error.reason not in _OF_THE_CALLER:
        return ()
    return _MENDING.get(_denial_reason(error), (f"Give the caller's key {_WHERE}",))


def _explain_status(error: AuthServiceError) -> str:
    if isinstance(error, Unavailable | DeadlineExceeded) and error.reason is None:
        return (
            "no server answers there. Check the address, and that the server runs. A server "
            "without TLS, such as `authsvc dev`, needs --plaintext; one with TLS must not have it; "
            "and a port that asks for a certificate needs --client-certificate-file."
            f"\n  {error.message} [{error.code.name}]"
        )
    message = error.message
    if isinstance(error, InvalidArgument) and error.field_violations:
        message = "the server cannot take these values."
    lines = [f"{message} [{error.code.name}]"]
    lines += [f"  {field} {description}" for field, description in error.field_violations]
    if error.reason is not None:
        lines.append(f"  reason: {error.reason}")
    for name, value in sorted(error.metadata.items()):
        if name == "denial_reason":
            lines.append(f"  denial reason: {_denial_reason(error)}")
        else:
            lines.append(f"  {name}: {value}")
    if isinstance(error, ResourceExhausted) and error.retry_delay is not None:
        lines.append(f"  try again in {wait_text(error.retry_delay)}")
    if isinstance(error, Unauthenticated):
        lines += [f"  {line}" for line in _mend_caller(error)]
    if error.request_id:
        lines.append(f"  request id: {error.request_id}")
    return "\n".join(lines)
