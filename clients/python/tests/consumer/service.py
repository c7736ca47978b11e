"""A service that uses both clients; read by mypy --strict, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timedelta
from typing import assert_never, assert_type

import grpc

from orchestrator.auth import (
    Account,
    AccountUsage,
    AsyncAuthClient,
    AsyncTokenVerifier,
    AuditEvent,
    AuthClient,
    AuthServiceError,
    CreatedKey,
    CredentialDenied,
    Denial,
    DenialReason,
    ErrorReason,
    Explanation,
    FieldViolation,
    Finding,
    FindingCode,
    Freshness,
    GrantedSession,
    HttpBody,
    ImportedKeys,
    Jwks,
    Key,
    KeyToImport,
    KeyUsage,
    Principal,
    PrincipalKind,
    Question,
    RateLimit,
    ReportedKey,
    RequestContext,
    RevocationReason,
    RevokedKey,
    RevokedKeys,
    RevokedSession,
    RevokedSessions,
    RotatedKey,
    Secret,
    Session,
    SigningKey,
    TokenVerifier,
    Undecided,
    Verdict,
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
