"""Status errors: one cause, one request id, and nothing of the inside."""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import grpc
import pytest
import trustme

from authsvc.config import Settings
from authsvc.domain.ids import SESSION, new_id
from orchestrator.auth.v1 import account_service_pb2 as account_pb
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import key_management_pb2 as management_pb
from orchestrator.auth.v1 import key_revocation_pb2 as revocation_pb
from orchestrator.auth.v1 import key_rotation_pb2 as rotation_pb
from orchestrator.auth.v1 import user_management_pb2 as user_pb
from orchestrator.auth.v1.error_reason_pb2 import ErrorReason
from orchestrator.auth.v1.key_pb2 import Key
from orchestrator.auth.v1.session_management_pb2 import RevokeSessionRequest
from orchestrator.auth.v1.user_pb2 import USER_ROLE_VIEWER, User
from tests.conftest import Service, serving
from tests.integration.support import (
    KEYS_LOCKED,
    WRITERS_LOCKED,
    Refusal,
    Stubs,
    bearer,
    fresh_name,
    locked,
    mint,
    refused,
    until_waiting,
)
from tests.integration.support_sessions import a_person, login_of, refresh_of
from tests.support_certificates import issue_client, with_client_certificates

SECRET = "orch_" + "5ec2e7" * 6 + "5ec2"
UNKNOWN = "orch_" + "0" * 40
INSIDE = ("SELECT", "INSERT", "authsvc.keys", "asyncpg", "postgres", "Traceback", "keys_live", "/")
"""What tells of the inside; no text, description or value of metadata has any of it."""

CREATE_KEY = "/orchestrator.auth.v1.AuthService/CreateKey"
VALIDATE = "/orchestrator.auth.v1.AuthService/ValidateCredential"


def bare_call(
    stubs: Stubs, method: str, request: bytes, *metadata: tuple[str, str]
) -> Awaitable[Any]:
    """Call a method with bytes that no generated code would send."""
    bare: Any = stubs.channel.unary_unary(method)
    call: Awaitable[Any] = bare(request, metadata=metadata)
    return call


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """A server that looks one credential up at a time, hashes one password, has one stream, hears
    one report, has one call under way that waits, and an issuer that is away.
    """
    issuers = tmp_path / "issuers.toml"
    issuers.write_text(
        '[[issuer]]\nalias = "away"\nissuer = "http://127.0.0.1:1"\nallow_loopback = true\n'
        'audience = "a"\naccount_claim = "account"\n'
    )
    return settings.model_copy(
        update={
            "max_lookups": 1,
            "max_concurrent_calls": 1,
            "watch_streams": 1,
            "password_threads": 1,
            "password_queue": 0,
            "leak_reports_per_minute": 1,
            "issuers_file": issuers,
        }
    )


async def invalid(service: Service, stubs: Stubs) -> Refusal:
    request = pb.CreateKeyRequest(account_id=SECRET, name=SECRET + "\n", scopes=[SECRET])
    return await refused(stubs.auth.CreateKey(request, metadata=bearer(service.admin_key)))


async def unreadable(service: Service, stubs: Stubs) -> Refusal:
    return await refused(
        bare_call(stubs, CREATE_KEY, b"\xff" + SECRET.encode(), *bearer(service.admin_key))
    )


async def missing(_service: Service, stubs: Stubs) -> Refusal:
    return await refused(
        stubs.auth.ValidateCredential(pb.ValidateCredentialRequest(credential=SECRET))
    )


async def unknown_caller(_service: Service, stubs: Stubs) -> Refusal:
    request = pb.ValidateCredentialRequest(credential=SECRET)
    return await refused(stubs.auth.ValidateCredential(request, metadata=bearer(SECRET)))


async def not_permitted(service: Service, stubs: Stubs) -> Refusal:
    request = pb.ValidateCredentialRequest(credential=SECRET)
    key = await service.create_key()
    return await refused(stubs.auth.ValidateCredential(request, metadata=bearer(key)))


async def not_grantable(service: Service, stubs: Stubs) -> Refusal:
    request = pb.CreateKeyRequest(name=fresh_name(), scopes=["authsvc:admin"])
    key = await service.create_key()
    return await refused(stubs.auth.CreateKey(request, metadata=bearer(key)))


async def no_account(service: Service, stubs: Stubs) -> Refusal:
    request = account_pb.GetAccountRequest(account_id="acct_01h2xcejqtf2nbrexx3vqjhp41")
    return await refused(stubs.accounts.GetAccount(request, metadata=bearer(service.admin_key)))


async def no_key(service: Service, stubs: Stubs) -> Refusal:
    request = pb.RevokeKeyRequest(secret=SECRET, note=SECRET)
    return await refused(stubs.auth.RevokeKey(request, metadata=bearer(service.admin_key)))


async def name_taken(service: Service, stubs: Stubs) -> Refusal:
    request = pb.CreateKeyRequest(account_id=service.account.account_id, name=SECRET)
    await stubs.auth.CreateKey(request, metadata=bearer(service.admin_key))
    return await refused(stubs.auth.CreateKey(request, metadata=bearer(service.admin_key)))


async def key_revoked(service: Service, stubs: Stubs) -> Refusal:
    admin = bearer(service.admin_key)
    created = pb.CreateKeyRequest(account_id=service.account.account_id, name=fresh_name())
    key_id = (await stubs.auth.CreateKey(created, metadata=admin)).key.key_id
    await stubs.auth.RevokeKey(pb.RevokeKeyRequest(key_id=key_id), metadata=admin)
    request = management_pb.UpdateKeyRequest(key=Key(key_id=key_id, name=SECRET))
    return await refused(stubs.auth.UpdateKey(request, metadata=admin))


async def etag_mismatch(service: Service, stubs: Stubs) -> Refusal:
    admin = bearer(service.admin_key)
    created = pb.CreateKeyRequest(account_id=service.account.account_id, name=fresh_name())
    key_id = (await stubs.auth.CreateKey(created, metadata=admin)).key.key_id
    key = Key(key_id=key_id, name=SECRET, etag=SECRET)
    request = management_pb.UpdateKeyRequest(key=key)
    return await refused(stubs.auth.UpdateKey(request, metadata=admin))


async def key_superseded(service: Service, stubs: Stubs) -> Refusal:
    admin = bearer(service.admin_key)
    created = pb.CreateKeyRequest(account_id=service.account.account_id, name=fresh_name())
    key_id = (await stubs.auth.CreateKey(created, metadata=admin)).key.key_id
    request = rotation_pb.RotateKeyRequest(key_id=key_id)
    await stubs.auth.RotateKey(request, metadata=admin)
    return await refused(stubs.auth.RotateKey(request, metadata=admin))


async def key_ended(service: Service, stubs: Stubs) -> Refusal:
    admin = bearer(service.admin_key)
    created = pb.CreateKeyRequest(account_id=service.account.account_id, name=fresh_name())
    key_id = (await stubs.auth.CreateKey(created, metadata=admin)).key.key_id
    disabled = management_pb.UpdateKeyRequest(key=Key(key_id=key_id, disabled=True))
    await stubs.auth.UpdateKey(disabled, metadata=admin)
    request = rotation_pb.RotateKeyRequest(key_id=key_id)
    return await refused(stubs.auth.RotateKey(request, metadata=admin))


async def request_id_reused(service: Service, stubs: Stubs) -> Refusal:
    admin = bearer(service.admin_key)
    request = pb.CreateKeyRequest(
        account_id=service.account.account_id, name=SECRET, request_id=str(uuid.uuid4())
    )
    await stubs.auth.CreateKey(request, metadata=admin)
    request.metadata["other"] = SECRET
    return await refused(stubs.auth.CreateKey(request, metadata=admin))


async def account_disabled(service: Service, stubs: Stubs) -> Refusal:
    account_id = (await service.create_account()).account_id
    await service.execute(
        f"UPDATE authsvc.accounts SET state = 'DISABLED' WHERE account_id = '{account_id}'"
    )
    request = pb.CreateKeyRequest(account_id=account_id, name=SECRET)
    return await refused(stubs.auth.CreateKey(request, metadata=bearer(service.admin_key)))


async def no_user(service: Service, stubs: Stubs) -> Refusal:
    request = user_pb.GetUserRequest(user_id="user_01h2xcejqtf2nbrexx3vqjhp41")
    return await refused(stubs.accounts.GetUser(request, metadata=bearer(service.admin_key)))


async def email_taken(service: Service, stubs: Stubs) -> Refusal:
    user = await service.create_user()
    request = user_pb.CreateUserRequest(
        account_id=(await service.create_account()).account_id,
        email=user.email.upper(),
        display_name="Ada",
        role=USER_ROLE_VIEWER,
        password=SECRET,
    )
    return await refused(stubs.accounts.CreateUser(request, metadata=bearer(service.admin_key)))


async def wrong_password(service: Service, stubs: Stubs) -> Refusal:
    user = await service.create_user(password="correct horse battery")
    request = user_pb.SetUserPasswordRequest(
        user_id=user.user_id, password="staple battery horse", current_password=SECRET
    )
    own = bearer(await mint(service, user_id=user.user_id))
    return await refused(stubs.accounts.SetUserPassword(request, metadata=own))


async def last_owner(service: Service, stubs: Stubs) -> Refusal:
    user = User(user_id=(await service.create_user()).user_id, disabled=True)
    request = user_pb.UpdateUserRequest(user=user)
    return await refused(stubs.accounts.UpdateUser(request, metadata=bearer(service.admin_key)))


async def too_many_logins(service: Service, stubs: Stubs) -> Refusal:
    request = user_pb.SetUserPasswordRequest(
        user_id=(await service.create_user()).user_id, password=SECRET
    )
    hasher = service.parts.hasher
    hasher._free -= 1  # noqa: SLF001 - as if one were under way, for as long as this takes
    refusal = await refused(
        stubs.accounts.SetUserPassword(request, metadata=bearer(service.admin_key))
    )
    hasher._free += 1  # noqa: SLF001
    return refusal


async def database_locked(service: Service, stubs: Stubs) -> Refusal:
    request = pb.ValidateCredentialRequest(credential=SECRET)
    async with locked(service, KEYS_LOCKED):
        return await refused(
            stubs.auth.ValidateCredential(request, metadata=bearer(SECRET), timeout=0.5)
        )


async def overloaded(service: Service, stubs: Stubs) -> Refusal:
    admin = bearer(service.admin_key)
    request = pb.CreateKeyRequest(account_id=service.account.account_id, name=SECRET)
    async with locked(service, WRITERS_LOCKED) as connection:
        under_way = stubs.auth.CreateKey(request, metadata=admin, timeout=10)
        await until_waiting(connection, 1)
        refusal = await refused(stubs.auth.CreateKey(request, metadata=admin, timeout=10))
        under_way.cancel()
    return refusal


async def too_many_lookups(service: Service, stubs: Stubs) -> Refusal:
    request = pb.ValidateCredentialRequest(credential=SECRET)
    async with locked(service, KEYS_LOCKED) as connection:
        busy = stubs.auth.ValidateCredential(request, metadata=bearer(UNKNOWN), timeout=10)
        await until_waiting(connection, 1)
        refusal = await refused(
            stubs.auth.ValidateCredential(request, metadata=bearer(SECRET), timeout=10)
        )
        busy.cancel()
    return refusal


async def too_many_streams(service: Service, stubs: Stubs) -> Refusal:
    first = stubs.auth.WatchRevocations(
        pb.WatchRevocationsRequest(), metadata=bearer(service.admin_key)
    )
    await first.read()
    second = stubs.auth.WatchRevocations(
        pb.WatchRevocationsRequest(), metadata=bearer(service.admin_key)
    )
    refusal = await refused(second.read())
    first.cancel()
    return refusal


async def too_many_reports(_service: Service, stubs: Stubs) -> Refusal:
    request = revocation_pb.ReportLeakedKeyRequest(secret=UNKNOWN, found_at="a log")
    await refused(stubs.auth.ReportLeakedKey(request))
    return await refused(stubs.auth.ReportLeakedKey(request))


async def server_stopping(service: Service, stubs: Stubs) -> Refusal:
    stream = stubs.auth.WatchRevocations(
        pb.WatchRevocationsRequest(), metadata=bearer(service.admin_key)
    )
    await stream.read()
    service.stop.set()

    async def read_on() -> None:
        while await stream.read() is not grpc.aio.EOF:
            pass

    return await refused(read_on())


async def caller_rate_limited(service: Service, stubs: Stubs) -> Refusal:
    request = pb.CreateKeyRequest(account_id=service.system.account_id, name=fresh_name())
    request.scopes.append("authsvc:validate")
    request.rate_limit.requests = 1
    request.rate_limit.period.seconds = 86_400
    limited = await stubs.auth.CreateKey(request, metadata=bearer(service.admin_key))
    call = pb.ValidateCredentialRequest(credential=SECRET)
    await stubs.auth.ValidateCredential(call, metadata=bearer(limited.secret))
    return await refused(stubs.auth.ValidateCredential(call, metadata=bearer(limited.secret)))


async def revision_not_reached(service: Service, stubs: Stubs) -> Refusal:
    request = pb.ValidateCredentialRequest(credential=await service.create_key())
    request.freshness.at_least_revision = 2**62
    return await refused(stubs.auth.ValidateCredential(request, metadata=bearer(service.admin_key)))


async def login_refused(_service: Service, stubs: Stubs) -> Refusal:
    return await refused(stubs.sessions.CreateSession(login_of("nobody@example.com")))


async def too_many_failed_logins(service: Service, stubs: Stubs) -> Refusal:
    for _ in range(5):
        refusal = await login_refused(service, stubs)
        assert refusal.reason == "LOGIN_REFUSED"
    # As if the last one had been a moment from now, so that the whole delay is left.
    await service.execute(
        "UPDATE authsvc.login_failures SET last_failure_time = now() + interval '1 minute'"
    )
    return await login_refused(service, stubs)


async def refresh_token_invalid(_service: Service, stubs: Stubs) -> Refusal:
    return await refused(stubs.sessions.RefreshSession(refresh_of(SECRET)))


async def refresh_token_reused(service: Service, stubs: Stubs) -> Refusal:
    granted = await stubs.sessions.CreateSession(login_of(await a_person(service)))
    await stubs.sessions.RefreshSession(refresh_of(granted.refresh_token))
    await service.execute(
        "UPDATE authsvc.refresh_tokens SET answer_delete_time = NULL, sealed_answer = NULL"
    )
    return await refused(stubs.sessions.RefreshSession(refresh_of(granted.refresh_token)))


async def session_ended(service: Service, stubs: Stubs) -> Refusal:
    granted = await stubs.sessions.CreateSession(login_of(await a_person(service)))
    await service.execute("UPDATE authsvc.sessions SET idle_expire_time = now()")
    return await refused(stubs.sessions.RefreshSession(refresh_of(granted.refresh_token)))


async def no_session(service: Service, stubs: Stubs) -> Refusal:
    request = RevokeSessionRequest(session_id=new_id(SESSION))
    return await refused(stubs.sessions.RevokeSession(request, metadata=bearer(service.admin_key)))


async def issuer_away(service: Service, stubs: Stubs) -> Refusal:
    # Nothing listens there.
    now = int(time.time())
    claims = {"iss": "http://127.0.0.1:1", "sub": SECRET, "iat": now, "exp": now + 60}
    header = {"alg": "ES256", "kid": SECRET, "typ": "at+jwt"}
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (header, claims)
    )
    request = pb.ValidateCredentialRequest(credential=f"{head}.{body}.AAAA")
    return await refused(stubs.auth.ValidateCredential(request, metadata=bearer(service.admin_key)))


async def certificate_not_mapped(service: Service, _stubs: Stubs) -> Refusal:
    authority = trustme.CA()
    stranger = issue_client(authority, uris=["urn:example:stranger"])
    request = pb.ValidateCredentialRequest(credential=SECRET)
    with tempfile.TemporaryDirectory() as directory:
        settings = with_client_certificates(
            service.parts.settings, Path(directory), authority, authority
        )
        async with (
            serving(settings) as mutual,
            grpc.aio.secure_channel(
                mutual.mtls_address, stranger.credentials(authority)
            ) as channel,
        ):
            return await refused(Stubs.on(channel).auth.ValidateCredential(request))


async def keys_table_dropped(service: Service, stubs: Stubs) -> Refusal:
    await service.execute("DROP TABLE authsvc.keys")
    request = pb.ValidateCredentialRequest(credential=SECRET)
    return await refused(stubs.auth.ValidateCredential(request, metadata=bearer(SECRET)))


@pytest.mark.parametrize(
    ("fail", "code", "reason", "metadata"),
    [
        (invalid, "INVALID_ARGUMENT", "INVALID_REQUEST", {}),
        (unreadable, "INVALID_ARGUMENT", "INVALID_REQUEST", {}),
        (missing, "UNAUTHENTICATED", "CALLER_CREDENTIAL_MISSING", {}),
        (
            unknown_caller,
            "UNAUTHENTICATED",
            "CALLER_CREDENTIAL_INVALID",
            {"denial_reason": "DENIAL_REASON_KEY_NOT_FOUND"},
        ),
        (
            not_permitted,
            "PERMISSION_DENIED",
            "CALLER_NOT_PERMITTED",
            {"required_scope": "authsvc:validate"},
        ),
        (not_grantable, "PERMISSION_DENIED", "SCOPE_NOT_GRANTABLE", {}),
        (no_account, "NOT_FOUND", "ACCOUNT_NOT_FOUND", {}),
        (no_key, "NOT_FOUND", "KEY_NOT_FOUND", {}),
        (name_taken, "ALREADY_EXISTS", "KEY_NAME_TAKEN", {}),
        (key_revoked, "FAILED_PRECONDITION", "KEY_REVOKED", {}),
        (etag_mismatch, "ABORTED", "ETAG_MISMATCH", {}),
        (key_superseded, "FAILED_PRECONDITION", "KEY_SUPERSEDED", {"superseded_by": ANY}),
        (key_ended, "FAILED_PRECONDITION", "KEY_ENDED", {}),
        (request_id_reused, "FAILED_PRECONDITION", "REQUEST_ID_REUSED", {}),
        (account_disabled, "FAILED_PRECONDITION", "ACCOUNT_DISABLED", {}),
        (no_user, "NOT_FOUND", "USER_NOT_FOUND", {}),
        (email_taken, "ALREADY_EXISTS", "EMAIL_TAKEN", {}),
        (wrong_password, "PERMISSION_DENIED", "WRONG_PASSWORD", {}),
        (last_owner, "FAILED_PRECONDITION", "LAST_OWNER", {}),
        (login_refused, "UNAUTHENTICATED", "LOGIN_REFUSED", {}),
        (too_many_failed_logins, "RESOURCE_EXHAUSTED", "TOO_MANY_FAILED_LOGINS", {}),
        (refresh_token_invalid, "UNAUTHENTICATED", "REFRESH_TOKEN_INVALID", {}),
        (refresh_token_reused, "UNAUTHENTICATED", "REFRESH_TOKEN_REUSED", {}),
        (session_ended, "UNAUTHENTICATED", "SESSION_ENDED", {}),
        (no_session, "NOT_FOUND", "SESSION_NOT_FOUND", {}),
        (too_many_logins, "RESOURCE_EXHAUSTED", "TOO_MANY_LOGINS", {}),
        (database_locked, "UNAVAILABLE", "DATABASE_UNAVAILABLE", {}),
        (overloaded, "RESOURCE_EXHAUSTED", "OVERLOADED", {}),
        (too_many_lookups, "RESOURCE_EXHAUSTED", "TOO_MANY_LOOKUPS", {}),
        (caller_rate_limited, "RESOURCE_EXHAUSTED", "RATE_LIMITED", {}),
        (too_many_streams, "RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS", {}),
        (too_many_reports, "RESOURCE_EXHAUSTED", "TOO_MANY_REPORTS", {}),
        (server_stopping, "UNAVAILABLE", "SERVER_STOPPING", {}),
        (revision_not_reached, "UNAVAILABLE", "REVISION_NOT_REACHED", {}),
        (certificate_not_mapped, "UNAUTHENTICATED", "CALLER_CERTIFICATE_NOT_MAPPED", {}),
        (issuer_away, "UNAVAILABLE", "ISSUER_UNAVAILABLE", {}),
        (keys_table_dropped, "INTERNAL", "INTERNAL", {}),
    ],
)
async def test_every_error_says_what_it_is_and_nothing_of_the_inside(  # noqa: PLR0917 - pytest passes them by name
    service: Service,
    stubs: Stubs,
    fail: Callable[[Service, Stubs], Awaitable[Refusal]],
    code: str,
    reason: str,
    metadata: dict[str, str],
) -> None:
    refusal = await fail(service, stubs)

    # One cause
    assert refusal.code.name == code
    assert refusal.info.domain == "auth.orchestratorhq.com"
    assert refusal.info.reason == f"ERROR_REASON_{reason}"
    assert refusal.info.reason in dict(ErrorReason.items())
    assert dict(refusal.info.metadata) == metadata
    # One request id
    assert refusal.request_id
    assert refusal.trailing["x-request-id"] == refusal.request_id
    # What else belongs to the code
    assert bool(refusal.violations) is (fail is invalid)
    retried = code in {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}
    assert (refusal.retry_delay is not None) is retried
    if retried and fail not in {caller_rate_limited, too_many_reports, overloaded}:
        assert refusal.retry_delay == timedelta(seconds=1)
    # Nothing of the inside
    assert SECRET[5:] not in refusal.everything
    texts = [refusal.text, *(text for _, text in refusal.violations)]
    texts += refusal.info.metadata.values()
    assert [word for word in INSIDE for text in texts if word in text] == []


def test_every_reason_has_a_cause_in_the_test_above() -> None:
    (marks,) = test_every_error_says_what_it_is_and_nothing_of_the_inside.pytestmark  # type: ignore[attr-defined] # pytest adds it
    tested = {f"ERROR_REASON_{reason}" for _, _, reason, _ in marks.args[1]}

    assert tested == set(dict(ErrorReason.items())) - {"ERROR_REASON_UNSPECIFIED"}


@pytest.mark.parametrize("sent", ["a", "3f2c-4a.b_c:d/e", "x" * 64])
async def test_a_request_id_of_the_caller_is_kept(shared_stubs: Stubs, sent: str) -> None:
    refusal = await refused(bare_call(shared_stubs, VALIDATE, b"", ("x-request-id", sent)))

    assert refusal.request_id == sent
    assert refusal.trailing["x-request-id"] == sent


@pytest.mark.parametrize(
    "sent", [[""], ["x" * 65], ["a b"], ['a"b'], ["a,b"], ["%0a"], ["one", "two"]]
)
async def test_a_request_id_that_is_no_good_is_replaced(
    shared_stubs: Stubs, sent: list[str]
) -> None:
    metadata = [("x-request-id", value) for value in sent]

    refusal = await refused(bare_call(shared_stubs, VALIDATE, b"", *metadata))

    assert refusal.request_id not in sent
    assert refusal.trailing["x-request-id"] == refusal.request_id


async def test_request_ids_differ_from_call_to_call(shared_stubs: Stubs) -> None:
    refusals = await asyncio.gather(
        *(refused(bare_call(shared_stubs, VALIDATE, b"")) for _ in range(20))
    )

    assert len({refusal.request_id for refusal in refusals}) == 20


@pytest.mark.parametrize(
    "request_",
    [
        b"\xff\xff\xff\xff",
        b"\x0a\x05abc",
        b"\x12\x03\xff\xfe\xfd",
        b"\x32\x08\x0a\x01k\x12\x03a\xffb",
    ],
    ids=["garbage", "truncated", "invalid UTF-8 in a name", "invalid UTF-8 in metadata"],
)
async def test_a_request_that_cannot_be_read_is_an_invalid_argument(
    shared_service: Service, shared_stubs: Stubs, request_: bytes
) -> None:
    refusal = await refused(
        bare_call(shared_stubs, CREATE_KEY, request_, *bearer(shared_service.admin_key))
    )

    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
    )
    assert refusal.violations == []


async def test_a_stranger_is_not_told_that_its_request_cannot_be_read(
    shared_stubs: Stubs,
) -> None:
    refusal = await refused(bare_call(shared_stubs, CREATE_KEY, b"\xff\xff"))

    assert refusal.reason == "CALLER_CREDENTIAL_MISSING"


async def test_unknown_fields_of_a_newer_client_are_passed_over(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    known = pb.ValidateCredentialRequest(credential=SECRET).SerializeToString()
    newer = known + b"\xfa\x3e\x03new"

    answer = await bare_call(shared_stubs, VALIDATE, newer, *bearer(shared_service.admin_key))

    assert pb.ValidateCredentialResponse.FromString(answer).denial.message == "API key not found"


async def test_an_unknown_method_is_unimplemented(
    shared_service: Service, shared_stubs: Stubs
) -> None:
    method = "/orchestrator.auth.v1.AuthService/NoSuchMethod"

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bare_call(shared_stubs, method, b"", *bearer(shared_service.admin_key))

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
