"""What limits guesses at passwords, whichever method they come by."""

from __future__ import annotations

from authsvc.composition.signing import encryption_keys
from authsvc.config import Settings
from authsvc.domain.clock import Clock
from authsvc.postgres.database import Database
from authsvc.postgres.login_counts import PostgresLoginCounts
from authsvc.tokens.login_digests import LoginDigests
from authsvc.usecases.limit_logins import LimitLogins


def limit_logins(settings: Settings, database: Database, *, clock: Clock) -> LimitLogins:
    """Build what lets attempts to log in pass, or makes them wait."""
    encryption_key, _ = encryption_keys(settings)
    return LimitLogins(
        counts=PostgresLoginCounts(database), digests=LoginDigests(encryption_key), clock=clock
    )
