"""A service that uses both clients; read by mypy --strict, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timedelta
from typing import assert_never, assert_type

import grpc

from orchestrator.auth import (
    Account,
    AsyncAuthClient,
    AuthClient,
    AuthServiceError,
    CreatedKey,
    CredentialDenied,
    Denial,
    DenialReason,
    ErrorReason,
    FieldViolation,
    Freshness,
    HttpBody,
    Key,
    Principal,
    PrincipalKind,
    RequestContext,
    RevocationReason,
    RevokedKey,
    Secret,
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

    created = client.create_key("ci", scopes=("a",), ttl=timedelta(days=1), metadata={"a": "b"})
    assert_type(created, CreatedKey)
    assert_type(created.key, Key)
    assert_type(created.secret, Secret)
    assert_type(created.secret.reveal(), str)
    assert_type(created.revision, int)

    revoked = client.revoke_key(secret=created.secret, reason=RevocationReason.SUPERSEDED)
    assert_type(revoked, RevokedKey)
    assert_type(revoked.key.revoke_reason, RevocationReason | None)

    assert_type(client.create_account("Example"), Account)
    assert_type(client.get_account("acct_1"), Account)
    assert_type(client.list_accounts(page_size=10), Iterator[Account])


async def use_async(client: AsyncAuthClient) -> None:
    assert_type(await client.validate("Bearer x"), Principal)
    assert_type(await client.check("Bearer x", at_least_revision=1), Verdict)
    assert_type(await client.create_key("ci"), CreatedKey)
    assert_type(await client.revoke_key(key_id="key_1"), RevokedKey)
    assert_type(await client.create_account("Example"), Account)
    assert_type(await client.get_account("acct_1"), Account)
    assert_type(client.list_accounts(), AsyncIterator[Account])


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
