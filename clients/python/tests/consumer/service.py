"""A service that uses both clients; read by mypy --strict, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timedelta
from typing import assert_never, assert_type

import grpc

from orchestrator.auth import (
    ANONYMOUS,
    Account,
    AccountChanged,
    AccountState,
    AccountUsage,
    AlreadyThere,
    AsyncAuthClient,
    AsyncTokenVerifier,
    AsyncWatch,
    AuditEvent,
    AuthClient,
    AuthServiceError,
    CallerUsage,
    ChangedUser,
    ClientAddressUsage,
    CreatedKey,
    CredentialDenied,
    Denial,
    DenialReason,
    ErrorReason,
    Event,
    Explanation,
    FieldViolation,
    Finding,
    FindingCode,
    Freshness,
    GrantedSession,
    Heartbeat,
    HttpBody,
    Imported,
    ImportedKeys,
    ImportFailed,
    ImportMode,
    ImportResult,
    Jwks,
    Key,
    KeyChanged,
    KeyRevoked,
    KeyToImport,
    KeyUsage,
    LeakReportOutcome,
    Principal,
    PrincipalKind,
    Question,
    RateLimit,
    ReportedKey,
    RequestContext,
    Reset,
    RevocationReason,
    RevokedKey,
    RevokedKeys,
    RevokedSession,
    RevokedSessions,
    RotatedKey,
    RotatedSigningKey,
    Secret,
    Session,
    SessionEndReason,
    SessionRevoked,
    SessionState,
    SigningKey,
    SigningKeyRotationUrgency,
    TokenVerifier,
    Undecided,
    UpdatedAccount,
    UsageGranularity,
    UsageInterval,
    User,
    UserChanged,
    UserRole,
    Verdict,
    Watch,
    Withheld,
)
from orchestrator.auth.v1 import auth_service_pb2


def use(client: AuthClient) -> None:
    principal = client.validate(None, required_scopes=["a"], context=RequestContext("192.0.2.1"))
    assert_type(principal, Principal)
    assert_type(principal.kind, PrincipalKind)
    assert_type(principal.key_id, str | None)
    assert_type(principal.scopes, tuple[str, ...])
    assert_type(principal.expire_time, datetime | None)
    assert_type(principal.metadata, Mapping[str, str])
    assert_type(principal.superseded_by, str)
    assert_type(principal.retire_time, datetime | None)

    verdict = client.check("Bearer x", authoritative=True, timeout=1)
    assert_type(verdict, Verdict)
    assert_type(verdict.principal, Principal | None)
    assert_type(verdict.denial, Denial | None)
    assert_type(verdict.freshness, Freshness)
    match verdict.outcome:
        case Principal() as good:
            assert_type(good, Principal)
        case Denial() as refused:
            assert_type(refused.reason, DenialReason)
            assert_type(refused.retry_after, timedelta | None)
            assert_type(refused.http_body(), HttpBody)
            assert_type(refused.http_body()["code"], int)
            assert_type(refused.http_headers(), dict[str, str])
        case other:
            assert_never(other)

    headers: list[str] = ["Bearer x"]
    assert_type(client.check_many(headers), list[Verdict | Undecided])
    optional: tuple[str | None, ...] = ("Bearer x", None)
    assert_type(client.check_many(optional), list[Verdict | Undecided])
    questions = [Question("Bearer x", required_scopes=("a",)), Question(Secret("x"))]
    assert_type(client.check_many(questions, timeout=5), list[Verdict | Undecided])
    assert_type(client.check_many([None, "x", Secret("x"), *questions]), list[Verdict | Undecided])

    created = client.create_key("ci", scopes=("a",), ttl=timedelta(days=1), metadata={"a": "b"})
    assert_type(created, CreatedKey)
    assert_type(created.key, Key)
    assert_type(created.secret, Secret)
    assert_type(created.secret.reveal(), str)
    assert_type(created.revision, int)
    assert_type(created.key.allowed_addresses, tuple[str, ...])
    assert_type(created.key.rate_limit, RateLimit | None)

    assert_type(client.validate(created.secret), Principal)
    assert_type(client.check(created.secret), Verdict)

    revoked = client.revoke_key(secret=created.secret, reason=RevocationReason.SUPERSEDED)
    assert_type(revoked, RevokedKey)
    assert_type(revoked.key.revoke_reason, RevocationReason | None)

    assert_type(client.create_account("Example"), Account)
    assert_type(client.get_account("acct_1"), Account)
    assert_type(client.list_accounts(page_size=10), Iterator[Account])
    assert_type(client.list_audit_events(actions=["CreateKey"]), Iterator[AuditEvent])


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


def explain(client: AuthClient) -> None:
    explanation = client.explain(None, required_scopes=["a"], context=RequestContext("192.0.2.1"))
    assert_type(explanation, Explanation)
    assert_type(explanation.verdict, Verdict)
    assert_type(explanation.findings, tuple[Finding, ...])
    assert_type(explanation.findings[0].code, FindingCode)
    assert_type(explanation.findings[0].text, str)
    assert_type(explanation.findings[0].position, int | None)
    assert_type(explanation.findings[0].length, int | None)
    assert_type(explanation.findings[0].claim, str | None)
    assert_type(explanation.findings[0].issuer, str | None)
    assert_type(explanation.hint, str)
    assert_type(explanation.key, Key | None)
    assert_type(explanation.missing_scopes, tuple[str, ...])


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


def tell(event: Event) -> str:
    assert_type(event.revision, int)
    match event:
        case KeyRevoked() | KeyChanged():
            return event.key_id + event.account_id
        case AccountChanged():
            return event.account_id
        case UserChanged():
            return event.user_id + event.account_id
        case SessionRevoked():
            return event.session_id + event.user_id + event.account_id
        case Heartbeat():
            assert_type(event.as_of, datetime)
            return "heartbeat"
        case Reset():
            return "reset"
        case other:
            assert_never(other)


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


def watch(client: AuthClient) -> None:
    events: Iterator[Event] = client.watch(after_revision=4)
    for event in events:
        tell(event)
    with client.watch() as watched:
        assert_type(watched, Watch)
        assert_type(next(watched), Event)
        watched.close()


async def watch_async(client: AsyncAuthClient) -> None:
    events: AsyncIterator[Event] = client.watch(4)
    async for event in events:
        tell(event)
    async with client.watch() as watched:
        assert_type(watched, AsyncWatch)
        await watched.close()


async def use_async(client: AsyncAuthClient) -> None:
    assert_type(await client.validate("Bearer x"), Principal)
    assert_type(await client.check("Bearer x", at_least_revision=1), Verdict)
    assert_type(await client.check_many(["Bearer x", None]), list[Verdict | Undecided])
    assert_type(await client.explain(Secret("x"), timeout=5), Explanation)
    assert_type(await client.create_key("ci", allowed_addresses=("::1",)), CreatedKey)
    assert_type(await client.rotate_key("key_1", ttl=timedelta(days=1)), RotatedKey)
    assert_type(await client.revoke_key(key_id="key_1"), RevokedKey)
    assert_type(await client.get_key_usage("key_1"), KeyUsage)
    assert_type(await client.get_account_usage("acct_1"), AccountUsage)
    keys = [KeyToImport(b"", "ci")]
    assert_type(await client.import_keys(keys, account_id="acct_1"), ImportedKeys)
    assert_type(await client.revoke_keys(), RevokedKeys)
    assert_type(await client.report_leaked_key("x", found_at="a log"), ReportedKey)
    assert_type(await client.create_account("Example"), Account)
    assert_type(await client.get_account("acct_1"), Account)
    assert_type(client.list_accounts(), AsyncIterator[Account])
    assert_type(client.list_audit_events(), AsyncIterator[AuditEvent])
    assert_type(await client.create_session("ada@example.com", "x"), GrantedSession)
    assert_type(await client.refresh_session("x"), GrantedSession)
    assert_type(await client.revoke_session(), RevokedSession)
    assert_type(await client.revoke_all_sessions(), RevokedSessions)
    assert_type(client.list_sessions(), AsyncIterator[Session])
    assert_type(await client.get_jwks(), Jwks)
    assert_type((await client.rotate_signing_key()).key, SigningKey)


def verify(client: AuthClient) -> None:
    with TokenVerifier(client, issuer="i", audience="a", leeway=timedelta(0)) as verifier:
        assert_type(verifier, TokenVerifier)
        assert_type(verifier.verify("Bearer x", required_scopes=["a"]), Principal)
        assert_type(verifier.check(Secret("x"), timeout=1), Verdict)
        assert_type(verifier.as_of, datetime | None)


async def verify_async(client: AsyncAuthClient) -> None:
    async with AsyncTokenVerifier(client, issuer="i", audience="a") as verifier:
        assert_type(await verifier.verify(None), Principal)
        assert_type(await verifier.check("Bearer x"), Verdict)


def fail(error: CredentialDenied | AuthServiceError) -> None:
    if isinstance(error, CredentialDenied):
        assert_type(error.denial, Denial)
        assert_type(error.freshness, Freshness | None)
    else:
        assert_type(error.code, grpc.StatusCode)
        assert_type(error.reason, ErrorReason | None)
        assert_type(error.request_id, str | None)
        assert_type(error.field_violations, tuple[FieldViolation, ...])
        assert_type(error.retry_delay, timedelta | None)


def opened() -> None:
    with AuthClient() as client:
        assert_type(client, AuthClient)


async def opened_async() -> None:
    async with AsyncAuthClient("127.0.0.1:1", api_key=Secret("k"), plaintext=True) as client:
        assert_type(client, AsyncAuthClient)


def stub() -> None:
    request = auth_service_pb2.ValidateCredentialRequest(credential="x")
    assert_type(request.credential, str)
