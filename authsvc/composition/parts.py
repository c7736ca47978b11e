"""What stands between the wire and the database, on an open pool."""

from __future__ import annotations

from dataclasses import dataclass

from authsvc.composition.judging import Judging, build_judging, outage_max_staleness
from authsvc.composition.keys import key_issuer
from authsvc.composition.signing import Signing, build_signing
from authsvc.composition.traces import Traces
from authsvc.composition.usage import usage_counter
from authsvc.config import Settings
from authsvc.domain import ids
from authsvc.domain.clock import Clock
from authsvc.passwords.argon2_hasher import Argon2Hasher
from authsvc.postgres.accounts import PostgresAccounts
from authsvc.postgres.audit import PostgresAuditLog
from authsvc.postgres.database import Database
from authsvc.postgres.keys import PostgresKeys
from authsvc.postgres.users import PostgresUsers
from authsvc.rate_limits.opening import RateLimits
from authsvc.usecases.bootstrap import Bootstrap
from authsvc.usecases.issue_key import IssueKey
from authsvc.usecases.usage import UsageCounter


@dataclass(frozen=True, slots=True)
class Parts:
    """What stands between the wire and the database."""

    settings: Settings
    traces: Traces | None
    database: Database
    accounts: PostgresAccounts
    users: PostgresUsers
    hasher: Argon2Hasher
    keys: PostgresKeys
    audit_log: PostgresAuditLog
    signing: Signing
    rate_limits: RateLimits
    usage: UsageCounter
    judging: Judging
    issue_key: IssueKey
    bootstrap: Bootstrap


def build_parts(
    settings: Settings,
    database: Database,
    rate_limits: RateLimits,
    hasher: Argon2Hasher,
    traces: Traces | None,
    *,
    clock: Clock,
) -> Parts:
    """Build them on an open pool."""
    accounts = PostgresAccounts(database)
    signing = build_signing(
        settings, database, outage_max_age=outage_max_staleness(settings), clock=clock
    )
    usage = usage_counter(database, clock=clock)
    issue_key = key_issuer(database, clock=clock)
    return Parts(
        settings=settings,
        traces=traces,
        database=database,
        accounts=accounts,
        users=PostgresUsers(database),
        hasher=hasher,
        keys=PostgresKeys(database),
        audit_log=PostgresAuditLog(database),
        signing=signing,
        rate_limits=rate_limits,
        usage=usage,
        judging=build_judging(
            settings,
            database,
            keyring=signing.keyring,
            usage=usage,
            rate_limits=rate_limits,
            clock=clock,
        ),
        issue_key=issue_key,
        bootstrap=Bootstrap(
            accounts=accounts,
            signing_keys=signing.rotation,
            issue_key=issue_key,
            clock=clock,
            new_id=ids.new_id,
        ),
    )
