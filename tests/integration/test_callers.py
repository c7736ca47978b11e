"""Who may call what: every method that the service has, against every kind of caller."""

from __future__ import annotations

import importlib
import pkgutil
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import orchestrator.auth.v1 as wire
from authsvc.domain.ids import USER, new_id
from authsvc.domain.users import UserRole
from orchestrator.auth.v1 import account_service_pb2 as account_pb
from orchestrator.auth.v1 import audit_service_pb2 as audit_pb
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import (
    jwks_pb2,
    key_import_pb2,
    key_revocation_pb2,
    key_rotation_pb2,
    signing_key_pb2,
    usage_pb2,
)
from orchestrator.auth.v1 import key_management_pb2 as key_pb
from orchestrator.auth.v1 import session_management_pb2 as session_pb
from orchestrator.auth.v1 import user_management_pb2 as user_pb
from orchestrator.auth.v1.account_pb2 import Account
from orchestrator.auth.v1.key_pb2 import Key
from orchestrator.auth.v1.user_pb2 import USER_ROLE_VIEWER, User
from tests.conftest import Service
from tests.integration.support import (
    Metadata,
    Stubs,
    bearer,
    fresh_name,
    mint,
    refusal_of,
    stubs_of,
)
from tests.integration.support_sessions import a_person, login_of, refresh_of


def _methods() -> dict[str, MethodDescriptor]:
    """Find every method of every service in the generated code."""
    modules = [
        importlib.import_module(f"{wire.__name__}.{module.name}")
        for module in pkgutil.iter_modules(wire.__path__)
        if module.name.endswith("_pb2")
    ]
    return {
        method.name: method
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


METHODS: Final = _methods()


async def validate_credential(service: Service) -> Message:
    return pb.ValidateCredentialRequest(credential=await service.create_key())


async def batch_validate_credentials(service: Service) -> Message:
    return pb.BatchValidateCredentialsRequest(
        requests=[
            pb.ValidateCredentialRequest(credential=await service.create_key()),
            pb.ValidateCredentialRequest(),
        ]
    )


async def watch_revocations(_service: Service) -> Message:
    return pb.WatchRevocationsRequest()


async def explain_credential(service: Service) -> Message:
    return pb.ExplainCredentialRequest(credential=await service.create_key())


async def create_key(service: Service) -> Message:
    account_id = service.account.account_id
    return pb.CreateKeyRequest(account_id=account_id, name=fresh_name(), scopes=["keys:*"])


async def key_id_of_a_new_key(service: Service) -> str:
    issued = await service.create_key()
    query = pb.ValidateCredentialRequest(credential=issued)
    async with grpc.aio.insecure_channel(service.address) as channel:
        answer = await call(channel, "ValidateCredential", query, bearer(service.admin_key))
    assert isinstance(answer, pb.ValidateCredentialResponse)
    return answer.principal.key_id


async def revoke_key(service: Service) -> Message:
    return pb.RevokeKeyRequest(key_id=await key_id_of_a_new_key(service))


async def get_key(service: Service) -> Message:
    return key_pb.GetKeyRequest(key_id=await key_id_of_a_new_key(service))


async def list_keys(service: Service) -> Message:
    return key_pb.ListKeysRequest(account_id=service.account.account_id)


async def update_key(service: Service) -> Message:
    key = Key(key_id=await key_id_of_a_new_key(service), disabled=True)
    return key_pb.UpdateKeyRequest(key=key)


async def rotate_key(service: Service) -> Message:
    issued = await service.create_key("keys:*")
    query = pb.ValidateCredentialRequest(credential=issued)
    async with grpc.aio.insecure_channel(service.address) as channel:
        answer = await call(channel, "ValidateCredential", query, bearer(service.admin_key))
    assert isinstance(answer, pb.ValidateCredentialResponse)
    return key_rotation_pb2.RotateKeyRequest(key_id=answer.principal.key_id)


async def get_key_usage(service: Service) -> Message:
    return usage_pb2.GetKeyUsageRequest(key_id=await key_id_of_a_new_key(service))


async def get_account_usage(service: Service) -> Message:
    return usage_pb2.GetAccountUsageRequest(account_id=service.account.account_id)


async def import_keys(service: Service) -> Message:
    key = key_import_pb2.ImportedKey(digest=secrets.token_bytes(32), name=fresh_name())
    return key_import_pb2.ImportKeysRequest(account_id=service.account.account_id, keys=[key])


async def revoke_keys(service: Service) -> Message:
    return key_revocation_pb2.RevokeKeysRequest(account_id=service.account.account_id)


async def report_leaked_key(service: Service) -> Message:
    secret = await service.create_key()
    return key_revocation_pb2.ReportLeakedKeyRequest(secret=secret, found_at="a log")


async def create_account(_service: Service) -> Message:
    return account_pb.CreateAccountRequest(display_name="New")


async def get_account(service: Service) -> Message:
    return account_pb.GetAccountRequest(account_id=service.account.account_id)


async def list_accounts(_service: Service) -> Message:
    return account_pb.ListAccountsRequest()


async def list_audit_events(service: Service) -> Message:
    return audit_pb.ListAuditEventsRequest(account_id=service.account.account_id)


async def create_session(service: Service) -> Message:
    return login_of(await a_person(service))


async def refresh_session(service: Service) -> Message:
    async with stubs_of(service.address) as stubs:
        granted = await stubs.sessions.CreateSession(login_of(await a_person(service)))
    return refresh_of(granted.refresh_token)


async def revoke_session(service: Service) -> Message:
    async with stubs_of(service.address) as stubs:
        granted = await stubs.sessions.CreateSession(login_of(await a_person(service)))
    return session_pb.RevokeSessionRequest(session_id=granted.session.session_id)


async def revoke_all_sessions(service: Service) -> Message:
    return session_pb.RevokeAllSessionsRequest(user_id=(await service.create_user()).user_id)


async def list_sessions(service: Service) -> Message:
    return session_pb.ListSessionsRequest(user_id=(await service.create_user()).user_id)


async def get_jwks(_service: Service) -> Message:
    return jwks_pb2.GetJwksRequest()


async def rotate_signing_key(_service: Service) -> Message:
    return signing_key_pb2.RotateSigningKeyRequest()


async def update_account(service: Service) -> Message:
    account = Account(account_id=service.account.account_id, display_name="Renamed")
    return account_pb.UpdateAccountRequest(account=account)


async def create_user(service: Service) -> Message:
    return user_pb.CreateUserRequest(
        account_id=service.account.account_id,
        email=f"{fresh_name().replace(' ', '-')}@example.com",
        display_name="Ada",
        role=USER_ROLE_VIEWER,
    )


async def get_user(service: Service) -> Message:
    return user_pb.GetUserRequest(user_id=(await service.create_user()).user_id)


async def list_users(service: Service) -> Message:
    return user_pb.ListUsersRequest(account_id=service.account.account_id)


async def update_user(service: Service) -> Message:
    user = User(user_id=(await service.create_user()).user_id, display_name="Eve")
    return user_pb.UpdateUserRequest(user=user)


async def set_user_password(service: Service) -> Message:
    return user_pb.SetUserPasswordRequest(
        user_id=(await service.create_user()).user_id, password="correct horse battery"
    )


REQUESTS: Final[dict[str, Callable[[Service], Awaitable[Message]]]] = {
    "ValidateCredential": validate_credential,
    "BatchValidateCredentials": batch_validate_credentials,
    "WatchRevocations": watch_revocations,
    "ExplainCredential": explain_credential,
    "CreateKey": create_key,
    "GetKey": get_key,
    "ListKeys": list_keys,
    "UpdateKey": update_key,
    "RevokeKey": revoke_key,
    "RotateKey": rotate_key,
    "GetKeyUsage": get_key_usage,
    "GetAccountUsage": get_account_usage,
    "ImportKeys": import_keys,
    "RevokeKeys": revoke_keys,
    "ReportLeakedKey": report_leaked_key,
    "CreateAccount": create_account,
    "GetAccount": get_account,
    "ListAccounts": list_accounts,
    "UpdateAccount": update_account,
    "CreateUser": create_user,
    "GetUser": get_user,
    "ListUsers": list_users,
    "UpdateUser": update_user,
    "SetUserPassword": set_user_password,
    "ListAuditEvents": list_audit_events,
    "CreateSession": create_session,
    "RefreshSession": refresh_session,
    "RevokeSession": revoke_session,
    "RevokeAllSessions": revoke_all_sessions,
    "ListSessions": list_sessions,
    "GetJwks": get_jwks,
    "RotateSigningKey": rotate_signing_key,
}
"""A good request for each method."""

HIDDEN: Final = "NOT_FOUND"
OK, ADMIN, KEYS, OWN, VALIDATE = "OK", "authsvc:admin", "authsvc:keys", "keys:*", "authsvc:validate"
ACCOUNTS: Final = ("CreateAccount", "GetAccount", "ListAccounts", "UpdateAccount")
USER_LIFE: Final = ("CreateUser", "GetUser", "ListUsers", "UpdateUser", "SetUserPassword")
KEY_LIFE: Final = (
    "CreateKey",
    "GetKey",
    "ListKeys",
    "UpdateKey",
    "RotateKey",
    "RevokeKey",
    "RevokeKeys",
    "ListAuditEvents",
    "GetKeyUsage",
    "GetAccountUsage",
)
SIGNING_KEYS: Final = {"RotateSigningKey": ADMIN}
SESSION_LIFE: Final = ("RevokeSession", "RevokeAllSessions", "ListSessions")
OPEN: Final = ("GetJwks", "CreateSession", "RefreshSession", "ReportLeakedKey")
"""Whoever calls, and whatever credential comes with the call."""
JUDGES: Final = (
    "ValidateCredential",
    "BatchValidateCredentials",
    "WatchRevocations",
    "ExplainCredential",
)
CLOSED: Final = tuple(method for method in METHODS if method not in OPEN)
MANAGES: Final = {
    **dict.fromkeys(JUDGES, VALIDATE),
    **dict.fromkeys(KEY_LIFE, OK),
    **dict.fromkeys((*ACCOUNTS, *USER_LIFE, *SESSION_LIFE), ADMIN),
    **SIGNING_KEYS,
    **dict.fromkeys(OPEN, OK),
    "ImportKeys": KEYS,
}
OWNS: Final = {**MANAGES, **dict.fromkeys((*USER_LIFE, *SESSION_LIFE), OK)}
MANAGES_NOTHING: Final = {**MANAGES, **dict.fromkeys(KEY_LIFE, OWN)}
OWNS_NOTHING: Final = {
    **MANAGES_NOTHING,
    **dict.fromkeys(USER_LIFE, "*"),
    # A person has sessions of its own; those of others are hidden.
    **dict.fromkeys(SESSION_LIFE, HIDDEN),
}
SYSTEM_NOTHING: Final = {**MANAGES, **dict.fromkeys(KEY_LIFE, KEYS)}

# What each caller gets: OK, the scope that it is told it lacks, or that there is nothing.
PERMISSIONS: Final = {
    "admin": dict.fromkeys(REQUESTS, OK),
    "admin key for this address": dict.fromkeys(REQUESTS, OK),
    "account key *": MANAGES,
    "account key keys:*": MANAGES,
    "account key narrow": MANAGES_NOTHING,
    "account key with smuggled reserved scopes": MANAGES_NOTHING,
    "token *": OWNS,
    "token narrow": OWNS_NOTHING,
    "token keys:*": {**OWNS_NOTHING, **dict.fromkeys(KEY_LIFE, OK)},
    "token with reserved scopes": OWNS_NOTHING,
    "token * of an owner": OWNS,
    "token * of a member": OWNS_NOTHING,
    "token * of a viewer": OWNS_NOTHING,
    "system key *": SYSTEM_NOTHING,
    "system key keys:*": SYSTEM_NOTHING,
    "system token *": {**SYSTEM_NOTHING, **dict.fromkeys(SESSION_LIFE, HIDDEN)},
    "authsvc:validate": {**SYSTEM_NOTHING, **dict.fromkeys(JUDGES, OK)},
    "authsvc:keys": {**MANAGES, "ImportKeys": OK},
}

# Who gets nowhere, and the denial reason that it is told.
STRANGERS: Final = {
    "nobody": None,
    "empty": None,
    "bearer of nothing": None,
    "malformed": "INVALID_KEY_FORMAT",
    "basic": "UNSUPPORTED_SCHEME",
    "unknown key": "KEY_NOT_FOUND",
    "revoked admin key": "KEY_REVOKED",
    "disabled admin key": "KEY_DISABLED",
    "expired admin key": "KEY_EXPIRED",
    "key of a disabled account": "ACCOUNT_DISABLED",
    "admin key for another address": "ADDRESS_NOT_ALLOWED",
    "forged token": "TOKEN_INVALID",
    "token of an unknown user": "TOKEN_INVALID",
    "token of a disabled user": "TOKEN_REVOKED",
    "two keys": "INVALID_KEY_FORMAT",
    "the same key twice": "INVALID_KEY_FORMAT",
}

_CHANGES: Final = {
    "account key with smuggled reserved scopes": (
        "UPDATE authsvc.keys SET scopes = '{authsvc:admin,authsvc:keys,authsvc:validate}'"
    ),
    "revoked admin key": "UPDATE authsvc.keys SET revoke_time = now()",
    "disabled admin key": "UPDATE authsvc.keys SET disabled = true",
    "expired admin key": "UPDATE authsvc.keys SET expire_time = now()",
    "admin key for this address": "UPDATE authsvc.keys SET allowed_addresses = '{127.0.0.1}'",
    "admin key for another address": "UPDATE authsvc.keys SET allowed_addresses = '{192.0.2.7}'",
}


async def metadata_of(caller: str, service: Service) -> Metadata:
    """Make a caller's credential anew, and return what it sends."""
    if caller in _CHANGES:
        account = service.system if "admin" in caller else service.account
        secret = await service.create_key(ADMIN if "admin" in caller else "*", account=account)
        digest = f"sha256(convert_to('{secret}', 'UTF8'))"
        await service.execute(f"{_CHANGES[caller]} WHERE digest = {digest}")
        return bearer(secret)
    if caller.startswith("token * of a"):
        user = await service.create_user(UserRole(caller.rpartition(" ")[2].upper()))
        return bearer(await mint(service, user_id=user.user_id))
    if caller == "token of a disabled user":
        user = await service.create_user()
        await service.execute(
            f"UPDATE authsvc.users SET disabled = true WHERE user_id = '{user.user_id}'"
        )
        return bearer(await mint(service, user_id=user.user_id))
    if caller == "key of a disabled account":
        account = await service.create_account()
        secret = await service.create_key(account=account)
        await service.execute(
            "UPDATE authsvc.accounts SET state = 'DISABLED'"
            f" WHERE account_id = '{account.account_id}'"
        )
        return bearer(secret)
    admin, unknown, system = service.admin_key, "orch_" + "0" * 40, service.system
    made: dict[str, Callable[[], Awaitable[str]]] = {
        "account key *": lambda: service.create_key("*"),
        "account key keys:*": lambda: service.create_key("keys:*"),
        "account key narrow": lambda: service.create_key("sessions:*", "keys:read"),
        "token *": lambda: mint(service),
        "token narrow": lambda: mint(service, scopes=["sessions:*"]),
        "token keys:*": lambda: mint(service, scopes=["keys:*"]),
        "token of an unknown user": lambda: mint(service, user_id=new_id(USER)),
        "token with reserved scopes": lambda: mint(service, scopes=[ADMIN, KEYS, VALIDATE]),
        "system key *": lambda: service.create_key("*", account=system),
        "system key keys:*": lambda: service.create_key("keys:*", account=system),
        "system token *": lambda: mint(service, account_id=system.account_id),
        "authsvc:validate": lambda: service.create_key(VALIDATE, account=system),
        "authsvc:keys": lambda: service.create_key(KEYS, account=system),
    }
    if caller in made:
        return bearer(await made[caller]())
    sent: dict[str, Metadata] = {
        "admin": bearer(admin),
        "nobody": (),
        "empty": (("authorization", ""),),
        "bearer of nothing": (("authorization", "Bearer "),),
        "malformed": bearer(admin[:-1]),
        "basic": (("authorization", f"Basic {admin}"),),
        "unknown key": bearer(unknown),
        "forged token": bearer("e30.e30."),
        "two keys": bearer(admin) + bearer(unknown),
        "the same key twice": bearer(admin) * 2,
    }
    return sent[caller]


async def call(
    channel: grpc.aio.Channel, method: str, request: Message, metadata: Metadata
) -> Message:
    """Call any method, and return its answer or the first of many."""
    described = METHODS[method]
    path = f"/{described.containing_service.full_name}/{method}"
    serialize = type(request).SerializeToString
    parse = GetMessageClass(described.output_type).FromString
    answer: Message
    if described.server_streaming:
        stream = channel.unary_stream(path, serialize, parse)(
            request, metadata=metadata, timeout=10
        )
        first = await stream.read()
        assert isinstance(first, Message)
        stream.cancel()
        answer = first
    else:
        answer = await channel.unary_unary(path, serialize, parse)(
            request, metadata=metadata, timeout=10
        )
    assert isinstance(answer, GetMessageClass(described.output_type))
    return answer


def test_every_method_is_in_the_table() -> None:
    assert set(METHODS) == set(REQUESTS)
    assert all(set(row) == set(METHODS) for row in PERMISSIONS.values())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("caller", PERMISSIONS)
async def test_a_caller_may_do_what_the_table_says_and_no_more(
    shared_service: Service, shared_stubs: Stubs, caller: str, method: str
) -> None:
    request = await REQUESTS[method](shared_service)
    metadata = await metadata_of(caller, shared_service)

    try:
        await call(shared_stubs.channel, method, request, metadata)
        outcome = OK
    except grpc.aio.AioRpcError as error:
        refusal = refusal_of(error)
        if refusal.code is grpc.StatusCode.NOT_FOUND:
            outcome = HIDDEN
        else:
            assert refusal.code is grpc.StatusCode.PERMISSION_DENIED
            assert refusal.reason == "CALLER_NOT_PERMITTED"
            outcome = refusal.info.metadata["required_scope"]

    assert outcome == PERMISSIONS[caller][method]


@pytest.mark.parametrize("method", CLOSED)
@pytest.mark.parametrize("caller", STRANGERS)
async def test_a_stranger_gets_nowhere(
    shared_service: Service, shared_stubs: Stubs, caller: str, method: str
) -> None:
    request = await REQUESTS[method](shared_service)
    metadata = await metadata_of(caller, shared_service)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(shared_stubs.channel, method, request, metadata)

    refusal, reason = refusal_of(caught.value), STRANGERS[caller]
    assert refusal.code is grpc.StatusCode.UNAUTHENTICATED
    if reason is None:
        assert refusal.reason == "CALLER_CREDENTIAL_MISSING"
    else:
        assert refusal.reason == "CALLER_CREDENTIAL_INVALID"
        assert dict(refusal.info.metadata) == {"denial_reason": f"DENIAL_REASON_{reason}"}


@pytest.mark.parametrize("method", OPEN)
@pytest.mark.parametrize("caller", STRANGERS)
async def test_what_is_open_serves_a_stranger_too(
    shared_service: Service, shared_stubs: Stubs, caller: str, method: str
) -> None:
    request = await REQUESTS[method](shared_service)
    metadata = await metadata_of(caller, shared_service)
    # They claim an address, which needs a credential.
    if isinstance(request, session_pb.CreateSessionRequest | session_pb.RefreshSessionRequest):
        request.context.client_ip = ""

    assert await call(shared_stubs.channel, method, request, metadata)


@pytest.mark.parametrize("method", ["CreateSession", "RefreshSession"])
@pytest.mark.parametrize("caller", STRANGERS)
async def test_a_stranger_who_claims_an_address_gets_nowhere_with_a_bad_credential(
    shared_service: Service, shared_stubs: Stubs, caller: str, method: str
) -> None:
    request = await REQUESTS[method](shared_service)
    metadata = await metadata_of(caller, shared_service)

    if caller in {"nobody", "empty"}:
        assert await call(shared_stubs.channel, method, request, metadata)
        return
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(shared_stubs.channel, method, request, metadata)

    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("method", CLOSED)
async def test_an_empty_request_of_a_stranger_says_nothing_of_its_bounds(
    shared_stubs: Stubs, method: str
) -> None:
    request = GetMessageClass(METHODS[method].input_type)()

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(shared_stubs.channel, method, request, ())

    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
