"""What can go wrong, named as facts.

A refused credential is not among them: that is a `Denial`, an answer like any other. These errors
carry data, not texts for the wire: `authsvc.rpc.error_table` gives each its status and words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from authsvc.domain.denials import DenialReason

# Who has a certificate signed may have written much into it.
_SHOWN_NAMES: Final = 5
_SHOWN_LENGTH: Final = 200


class AuthsvcError(Exception):
    """Any of the errors that a use case raises."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken bound of a request."""

    field: str
    """The field's name in the proto, with an index or key where it repeats."""
    description: str
    """What is asked for. It never repeats what was sent."""


class InvalidRequest(AuthsvcError):
    """The request breaks bounds; `violations` has every one of them."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        """Carry at least one violation."""
        super().__init__(", ".join(violation.field for violation in violations))
        self.violations = violations


class CallerCredentialMissing(AuthsvcError):
    """The caller sent no credential of its own."""


class CallerCredentialInvalid(AuthsvcError):
    """The caller's own credential is refused."""

    def __init__(self, reason: DenialReason, key_id: str = "", account_id: str = "") -> None:
        """Carry why; and of a key that is known, whose it is, for the audit log only."""
        super().__init__(reason.name)
        self.reason = reason
        self.key_id = key_id
        self.account_id = account_id


class CallerCertificateNotMapped(AuthsvcError):
    """The caller's certificate is good but stands for nobody, and it sent no other credential."""

    def __init__(self, names: Sequence[str]) -> None:
        """Carry the certificate's names, for the log only."""
        shown = ", ".join(name[:_SHOWN_LENGTH] for name in names[:_SHOWN_NAMES])
        super().__init__(f"no rule for {shown}" if shown else "it has no name")


class CallerNotPermitted(AuthsvcError):
    """The caller may not call this method."""

    def __init__(self, required_scope: str) -> None:
        """Carry the scope that would allow it."""
        super().__init__(required_scope)
        self.required_scope = required_scope


class ScopeNotGrantable(AuthsvcError):
    """The caller asked to grant a scope that it may not grant."""


class AccountNotFound(AuthsvcError):
    """There is no such account, or the caller may not see it."""


class KeyNotFound(AuthsvcError):
    """There is no such key, or the caller may not see it."""


class KeyNameTaken(AuthsvcError):
    """A key of the account that is neither revoked nor superseded has this name."""


class KeyRevoked(AuthsvcError):
    """The key is revoked, which is final: it is neither changed nor rotated."""


class KeySuperseded(AuthsvcError):
    """The key has a successor already, so it cannot be rotated."""

    def __init__(self, superseded_by: str) -> None:
        """Carry the successor's id."""
        super().__init__(superseded_by)
        self.superseded_by = superseded_by


class KeyEnded(AuthsvcError):
    """The key is expired or disabled, so it cannot be rotated."""


class RequestIdReused(AuthsvcError):
    """The caller sent this request id before, with other arguments."""


class EtagMismatch(AuthsvcError):
    """What is to be changed is no longer as the caller saw it."""


class AccountIsDisabled(AuthsvcError):
    """The account is disabled."""


class UserNotFound(AuthsvcError):
    """There is no such user, or the caller may not see it."""


class EmailTaken(AuthsvcError):
    """A user has this email address already, of this account or of another one."""


class WrongPassword(AuthsvcError):
    """The current password is another one, or there is none."""


class LastOwner(AuthsvcError):
    """The user is the last active owner of its account."""


class LoginRefused(AuthsvcError):
    """Email address and password open no account, for whatever reason."""


class RefreshTokenInvalid(AuthsvcError):
    """The refresh token is malformed, or not known."""


class RefreshTokenReused(AuthsvcError):
    """The refresh token had been used, and it is too late for an honest repeat."""

    def __init__(self, session_id: str, account_id: str) -> None:
        """Carry the session that ends for it, and the account of its user."""
        super().__init__(session_id)
        self.session_id = session_id
        self.account_id = account_id


class SessionEnded(AuthsvcError):
    """The session cannot be refreshed: it is over, or its user or account is disabled."""


class SessionNotFound(AuthsvcError):
    """There is no such session, or the caller may not see it."""


class Retriable(AuthsvcError):
    """What may go well a little later."""

    retry_delay = timedelta(seconds=1)
    """How long to wait before trying again."""


class CallerRateLimited(Retriable):
    """The caller is over a limit: of its own key, of the session it refreshes, or of guesses."""

    def __init__(self, retry_after: timedelta) -> None:
        """Carry how long until one request will pass."""
        super().__init__(f"passes in {retry_after}")
        self.retry_delay = retry_after


class Overloaded(Retriable):
    """So many calls are under way that one more would only make all of them later."""

    def __init__(self, retry_delay: timedelta) -> None:
        """Carry when to come again."""
        super().__init__(f"comes again in {retry_delay}")
        self.retry_delay = retry_delay


class TooManyLookups(Retriable):
    """Too many records are being read from the database already."""


class TooManyStreams(Retriable):
    """There are as many streams as there may be."""


class TooManyLogins(Retriable):
    """Too many passwords are being hashed or compared already."""


class TooManyFailedLogins(Retriable):
    """Too many attempts to log in have failed: this one was not looked at."""

    def __init__(self, wait: timedelta) -> None:
        """Carry how long until the next attempt is looked at."""
        super().__init__(f"for another {wait}")
        self.retry_delay = wait


class RevisionNotReached(Retriable):
    """The database does not have the revision yet that the answer must reflect."""


class ServerStopping(Retriable):
    """The server is stopping."""


class TooManyReports(Retriable):
    """Too many leaked keys, or too many unknown secrets, were reported from one address."""

    def __init__(self, wait: timedelta) -> None:
        """Carry how long until the address is heard again."""
        super().__init__(f"heard again in {wait}")
        self.retry_delay = wait


class DatabaseUnavailable(Retriable):
    """The database could not be reached, or did not answer in time."""

    revoked_count = 0
    """How many keys had been ended by then, where many were to be."""


class IssuerUnavailable(Retriable):
    """The keys of a token's issuer could not be fetched, so nobody can tell whether it is good."""

    def __init__(self, alias: str) -> None:
        """Carry what the issuer is called in the configuration."""
        super().__init__(alias)
        self.alias = alias
