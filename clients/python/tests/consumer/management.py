"""A service that manages keys, accounts, users and sessions; read by mypy --strict, never run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import assert_never, assert_type

from orchestrator.auth import (
    ANONYMOUS,
    Account,
    AccountState,
    AccountUsage,
    AlreadyThere,
    AuthClient,
    CallerUsage,
    ChangedUser,
    ClientAddressUsage,
    DenialReason,
    ErrorReason,
    FieldViolation,
    GrantedSession,
    Imported,
    ImportedKeys,
    ImportFailed,
    ImportMode,
    ImportResult,
    Key,
    KeyToImport,
    KeyUsage,
    LeakReportOutcome,
    RateLimit,
    ReportedKey,
    RequestContext,
    RevocationReason,
    RevokedKeys,
    RevokedSession,
    RevokedSessions,
    RotatedKey,
    RotatedSigningKey,
    Secret,
    Session,
    SessionEndReason,
    SessionState,
    SigningKeyRotationUrgency,
    UpdatedAccount,
    UsageGranularity,
    UsageInterval,
    User,
    UserRole,
    Withheld,
)


def manage_users(client: AuthClient) -> None:
    disabled = client.update_account("acct_1", state=AccountState.DISABLED)
    assert_type(disabled, UpdatedAccount)
    assert_type(disabled.account, Account)
    created = client.create_user(
        "ada@example.com", display_name="Ada", role=UserRole.OWNER, password=Secret("x")
    )
    assert_type(created, ChangedUser)
    assert_type(created.user, User)
    assert_type(created.user.role, UserRole)
    assert_type(created.user.last_login_time, datetime | None)
    assert_type(created.revision, int)
    assert_type(client.get_user("user_1"), User)
    assert_type(client.list_users(account_id="acct_1"), Iterator[User])
    assert_type(client.update_user("user_1", role=UserRole.VIEWER, disabled=True), ChangedUser)
    assert_type(client.set_user_password("user_1", "x", current_password="y"), ChangedUser)
    assert_type(client.get_jwks().as_dict(), dict[str, list[dict[str, str]]])
    urgent = SigningKeyRotationUrgency.COMPROMISED
    assert_type(client.rotate_signing_key(urgent), RotatedSigningKey)


def manage_sessions(client: AuthClient) -> None:
    with AuthClient("auth.internal:443", api_key=ANONYMOUS) as anybody:
        granted = anybody.create_session(
            "ada@example.com", Secret("x"), context=RequestContext("192.0.2.1", "Firefox")
        )
        assert_type(granted, GrantedSession)
        assert_type(granted.access_token, Secret)
        assert_type(granted.refresh_token, Secret)
        assert_type(granted.access_token_expire_time, datetime)
        assert_type(anybody.refresh_session(granted.refresh_token), GrantedSession)
    assert_type(granted.session, Session)
    assert_type(granted.session.state, SessionState)
    assert_type(granted.session.end_reason, SessionEndReason | None)
    assert_type(client.list_sessions("user_1", page_size=10), Iterator[Session])
    assert_type(client.revoke_session("sess_1"), RevokedSession)
    everywhere = client.revoke_all_sessions("user_1", except_session_id="sess_1")
    assert_type(everywhere, RevokedSessions)
    assert_type(everywhere.count, int)


def restrict(client: AuthClient) -> None:
    limit = RateLimit(100, timedelta(minutes=1))
    assert_type(limit.requests, int)
    assert_type(limit.period, timedelta)
    client.create_key("ci", allowed_addresses=["192.0.2.0/24"], rate_limit=limit)
    client.update_key("key_1", allowed_addresses={"::1"}, rate_limit=None)


def rotate(client: AuthClient) -> None:
    rotated = client.rotate_key("key_1", overlap=timedelta(hours=1), request_id="r")
    assert_type(rotated, RotatedKey)
    assert_type(rotated.key, Key)
    assert_type(rotated.secret, Secret)
    assert_type(rotated.retired_key.superseded_by, str | None)
    assert_type(rotated.retired_key.expire_time, datetime | None)


def move_in(client: AuthClient) -> None:
    keys = [KeyToImport(b"", "ci"), KeyToImport.from_secret(Secret("x"), "ci", scopes=["a"])]
    imported = client.import_keys(keys, account_id="acct_1", mode=ImportMode.ALL_OR_NOTHING)
    assert_type(imported, ImportedKeys)
    assert_type(imported.results, tuple[ImportResult, ...])
    for result in imported.results:
        match result:
            case Imported() | AlreadyThere():
                assert_type(result.key, Key)
            case ImportFailed():
                assert_type(result.reason, ErrorReason)
                assert_type(result.field_violations, tuple[FieldViolation, ...])
            case Withheld():
                pass
            case other:
                assert_never(other)


def end(client: AuthClient) -> None:
    revoked = client.revoke_keys(reason=RevocationReason.COMPROMISED, except_key_ids=["key_1"])
    assert_type(revoked, RevokedKeys)
    assert_type(revoked.revoked_count, int)
    reported = client.report_leaked_key(Secret("x"), found_at="a log")
    assert_type(reported, ReportedKey)
    assert_type(reported.outcome, LeakReportOutcome)
    assert_type(reported.revoke_time, datetime)


def look_at_usage(client: AuthClient) -> None:
    usage = client.get_key_usage("key_1", granularity=UsageGranularity.DAY)
    assert_type(usage, KeyUsage)
    assert_type(usage.intervals, tuple[UsageInterval, ...])
    assert_type(usage.intervals[0].denials, Mapping[DenialReason, int])
    assert_type(usage.last_use_time, datetime | None)
    assert_type(usage.client_addresses, tuple[ClientAddressUsage, ...])
    assert_type(usage.callers, tuple[CallerUsage, ...])
    assert_type(usage.callers[0].key_id, str | None)
    assert_type(usage.callers[0].certificate_name, str | None)
    assert_type(client.get_account_usage(), AccountUsage)
