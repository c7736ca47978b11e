"""What went wrong, in words for the person at the terminal."""

from __future__ import annotations

from authsvc.config import InvalidSettings
from authsvc.domain.errors import (
    AuthsvcError,
    DatabaseUnavailable,
    InvalidRequest,
)
from authsvc.postgres.embedded import EmbeddedPostgresError
from orchestrator.auth import AuthError, AuthServiceError, Unauthenticated, Unavailable


class Failure(Exception):
    """A command cannot be done; the text says what is wrong and what to do."""


def explain(error: Exception) -> str | None:
    """Return what to tell the person, or None for a fault of this program."""
    match error:
        case InvalidSettings():
            problems = "\n".join(f"  {problem}" for problem in error.problems)
            text = f"some settings are missing or wrong:\n{problems}"
        case DatabaseUnavailable():
            text = (
                f"the database cannot be reached ({error.__cause__ or error}); check that it "
                "runs, and AUTHSVC_DATABASE_URL"
            )
        case InvalidRequest():
            text = "; ".join(f"{v.field} {v.description}" for v in error.violations)
        case AuthServiceError():
            text = _explain_status(error)
        case OSError() if error.filename:
            text = f"{error.strerror}: {error.filename}"
        case Failure() | AuthsvcError() | AuthError() | EmbeddedPostgresError() | OSError():
            text = str(error)
        case _:
            return None
    return text


def _explain_status(error: AuthServiceError) -> str:
    lines = [f"{error.message} [{error.code.name}]"]
    lines += [f"  {field} {description}" for field, description in error.field_violations]
    lines += [f"  {name}: {value}" for name, value in sorted(error.metadata.items())]
    if isinstance(error, Unavailable) and error.reason is None:
        lines.append(
            "  Check that the server runs at this address. A server without TLS, such as "
            "`authsvc dev`, needs --plaintext."
        )
    if isinstance(error, Unauthenticated):
        lines.append("  Give the caller's key in AUTHSVC_API_KEY or with --api-key-file.")
    if error.request_id:
        lines.append(f"  request id: {error.request_id}")
    return "\n".join(lines)
