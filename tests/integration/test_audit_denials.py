"""Every refused attempt at management is a row of the audit log, with who, what and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from structlog.testing import capture_logs

from authsvc.config import Settings
from authsvc.domain.users import UserRole
from authsvc.rpc.management import is_management
from authsvc.rpc.origin import action_of
from authsvc.usecases.audit_denials import ANONYMOUS_PER_MINUTE
from orchestrator.auth import (
    ActorKind,
    AuditActor,
    AuditTarget,
    ErrorReason,
    OutcomeClass,
    TargetKind,
)
from orchestrator.auth.v1 import account_service_pb2 as account_pb
from orchestrator.auth.v1 import audit_service_pb2 as audit_pb
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import (
    key_import_pb2,
    key_revocation_pb2,
    key_rotation_pb2,
    usage_pb2,
)
from orchestrator.auth.v1 import key_management_pb2 as key_pb
from orchestrator.auth.v1 import session_management_pb2 as session_pb
from orchestrator.auth.v1 import user_management_pb2 as user_pb
from orchestrator.auth.v1.account_pb2 import Account
from orchestrator.auth.v1.key_pb2 import Key
from orchestrator.auth.v1.signing_key_pb2 import (
    SIGNING_KEY_ROTATION_URGENCY_COMPROMISED,
    RotateSigningKeyRequest,
)
from orchestrator.auth.v1.user_pb2 import USER_ROLE_OWNER, User
from tests.conftest import Service, serving
from tests.integration.support import (
    Refusal,
    Stubs,
    bearer,
    fresh_name,
    locked,
    mint,
    refusal_of,
    stubs_of,
)
from tests.integration.support_audit import events_of
from tests.integration.support_sessions import a_person, login_of, refresh_of
from tests.integration.test_callers import METHODS, OPEN, call

MANAGEMENT: Final = {name for name, method in METHODS.items() if is_management(action_of(method))}


@dataclass(frozen=True)
class Prey:
    """A key, an account, a user and its session that are not the caller's."""

    key_id: str
    account_id: str
    user_id: str
    session_id: str

    @property
    def session(self) -> AuditTarget:
        return AuditTarget(TargetKind.SESSION, self.session_id)

    @property
    def user(self) -> AuditTarget:
        return AuditTarget(TargetKind.USER, self.user_id)

    @property
    def key(self) -> AuditTarget:
        return AuditTarget(TargetKind.KEY, self.key_id)

    @property
    def account(self) -> AuditTarget:
        return AuditTarget(TargetKind.ACCOUNT, self.account_id)


Attempt = Callable[[Prey], tuple[Message, AuditTarget | None, str]]
# For each method a request that gets at what is another account's, what the log says that it was
# about, and why it is refused.
ATTEMPTS: Final[dict[str, Attempt]] = {
    "CreateKey": lambda prey: (
        pb.CreateKeyRequest(account_id=prey.account_id, name=fresh_name()),
        prey.account,
        "ACCOUNT_NOT_FOUND",
    ),
    "GetKey": lambda prey: (
        key_pb.GetKeyRequest(key_id=prey.key_id),
        prey.key,
        "KEY_NOT_FOUND",
    ),
    "ListKeys": lambda prey: (
        key_pb.ListKeysRequest(account_id=prey.account_id),
        prey.account,
        "ACCOUNT_NOT_FOUND",
    ),
    "UpdateKey": lambda prey: (
        key_pb.UpdateKeyRequest(key=Key(key_id=prey.key_id, name=fresh_name())),
        prey.key,
        "KEY_NOT_FOUND",
    ),
    "RotateKey": lambda prey: (
        key_rotation_pb2.RotateKeyRequest(key_id=prey.key_id),
        prey.key,
        "KEY_NOT_FOUND",
    ),
    "RevokeKey": lambda prey: (
        pb.RevokeKeyRequest(key_id=prey.key_id),
        prey.key,
        "KEY_NOT_FOUND",
    ),
    "GetKeyUsage": lambda prey: (
        usage_pb2.GetKeyUsageRequest(key_id=prey.key_id),
        prey.key,
        "KEY_NOT_FOUND",
    ),
    "GetAccountUsage": lambda prey: (
        usage_pb2.GetAccountUsageRequest(account_id=prey.account_id),
        prey.account,
        "ACCOUNT_NOT_FOUND",
    ),
    "ImportKeys": lambda prey: (
        key_import_pb2.ImportKeysRequest(account_id=prey.account_id),
        prey.account,
        "CALLER_NOT_PERMITTED",
    ),
    "RevokeKeys": lambda prey: (
        key_revocation_pb2.RevokeKeysRequest(account_id=prey.account_id),
        prey.account,
        "ACCOUNT_NOT_FOUND",
    ),
    "CreateAccount": lambda _: (
        account_pb.CreateAccountRequest(display_name="Mine now"),
        None,
        "CALLER_NOT_PERMITTED",
    ),
    "GetAccount": lambda prey: (
        account_pb.GetAccountRequest(account_id=prey.account_id),
        prey.account,
        "CALLER_NOT_PERMITTED",
    ),
    "ListAccounts": lambda _: (
        account_pb.ListAccountsRequest(),
        None,
        "CALLER_NOT_PERMITTED",
    ),
    "UpdateAccount": lambda prey: (
        account_pb.UpdateAccountRequest(
            account=Account(account_id=prey.account_id, display_name="Mine now")
        ),
        prey.account,
        "CALLER_NOT_PERMITTED",
    ),
    "CreateUser": lambda prey: (
        user_pb.CreateUserRequest(
            account_id=prey.account_id,
            email="eve@example.com",
            display_name="Eve",
            role=USER_ROLE_OWNER,
        ),
        prey.account,
        "ACCOUNT_NOT_FOUND",
    ),
    "GetUser": lambda prey: (
        user_pb.GetUserRequest(user_id=prey.user_id),
        prey.user,
        "USER_NOT_FOUND",
    ),
    "ListUsers": lambda prey: (
        user_pb.ListUsersRequest(account_id=prey.account_id),
        prey.account,
        "ACCOUNT_NOT_FOUND",
    ),
    "UpdateUser": lambda prey: (
        user_pb.UpdateUserRequest(user=User(user_id=prey.user_id, disabled=True)),
        prey.user,
        "USER_NOT_FOUND",
    ),
    "SetUserPassword": lambda prey: (
        user_pb.SetUserPasswordRequest(user_id=prey.user_id, password="correct horse battery"),
        prey.user,
        "USER_NOT_FOUND",
    ),
    "ListAuditEvents": lambda prey: (
        audit_pb.ListAuditEventsRequest(account_id=prey.account_id),
        prey.account,
        "ACCOUNT_NOT_FOUND",
    ),
    "RevokeSession": lambda prey: (
        session_pb.RevokeSessionRequest(session_id=prey.session_id),
        prey.session,
        "SESSION_NOT_FOUND",
    ),
    "RevokeAllSessions": lambda prey: (
        session_pb.RevokeAllSessionsRequest(user_id=prey.user_id),
        prey.user,
        "USER_NOT_FOUND",
    ),
    "ListSessions": lambda prey: (
        session_pb.ListSessionsRequest(user_id=prey.user_id),
        prey.user,
        "USER_NOT_FOUND",
    ),
    "RotateSigningKey": lambda _: (
        RotateSigningKeyRequest(urgency=SIGNING_KEY_ROTATION_URGENCY_COMPROMISED),
        None,
        "CALLER_NOT_PERMITTED",
    ),
}


async def prey_of(service: Service) -> Prey:
    account = await service.create_account()
    secret = await service.create_key(account=account)
    person = await a_person(service, account=account)
    async with stubs_of(service.address) as stubs:
        granted = await stubs.sessions.CreateSession(login_of(person))
    return Prey(
        await key_id_of(service, secret),
        account.account_id,
        person.user_id,
        granted.session.session_id,
    )


async def key_id_of(service: Service, secret: str) -> str:
    async with service.client() as client:
        principal = await client.validate(secret)
    assert principal.key_id is not None
    return principal.key_id


async def refused(
    stubs: Stubs, method: str, request: Message, metadata: tuple[tuple[str, str], ...]
) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(stubs.channel, method, request, metadata)
    return refusal_of(caught.value)


def test_there_is_an_attempt_for_every_method_of_management() -> None:
    assert set(ATTEMPTS) == MANAGEMENT - set(OPEN)


@pytest.mark.parametrize(
    ("method", "request_", "outcome"),
    [
        ("CreateSession", login_of("nobody@example.com"), ErrorReason.LOGIN_REFUSED),
        ("RefreshSession", refresh_of("orchrt_no"), ErrorReason.REFRESH_TOKEN_INVALID),
    ],
)
async def test_what_is_refused_to_anybody_is_told_without_what_was_sent(
    service: Service, stubs: Stubs, method: str, request_: Message, outcome: ErrorReason
) -> None:
    refusal = await refused(stubs, method, request_, ())

    (event,) = await events_of(service, outcome=OutcomeClass.DENIED)
    assert event.actor == AuditActor(ActorKind.ANONYMOUS, "", "")
    assert (event.action, event.target) == (action_of(METHODS[method]), None)
    assert (event.outcome, event.request_id) == (outcome, refusal.request_id)
    assert not {"nobody", "orchrt_no"} & set(str(event).replace("@", " ").split())


@pytest.mark.parametrize("method", ATTEMPTS)
@pytest.mark.parametrize("caller", ["key", "token"])
async def test_an_account_gets_at_nothing_of_another_and_each_attempt_is_told(
    shared_service: Service, shared_stubs: Stubs, caller: str, method: str
) -> None:
    prey = await prey_of(shared_service)
    request, target, reason = ATTEMPTS[method](prey)
    user = f"user_{fresh_name()}"
    own = shared_service.account.account_id
    if caller == "key":
        # It manages no users and no sessions, wherever they are.
        manages_none = "User" in method or "Session" in method
        reason = "CALLER_NOT_PERMITTED" if manages_none else reason
        secret = await shared_service.create_key("*")
        actor = AuditActor(ActorKind.KEY, await key_id_of(shared_service, secret), own)
    else:
        secret = await mint(shared_service, user_id=user)
        actor = AuditActor(ActorKind.USER, user, own)

    refusal = await refused(shared_stubs, method, request, bearer(secret))

    assert refusal.code in {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED}
    assert refusal.reason == reason
    (event,) = await events_of(shared_service, actor_id=actor.actor_id, outcome=OutcomeClass.DENIED)
    assert event.actor == actor
    assert event.action == action_of(METHODS[method])
    assert event.target == target
    assert event.outcome == reason
    assert event.request_id == refusal.request_id
    assert event.address == "127.0.0.1"
    assert (event.before, event.after) == (None, None)
    # Its own log has it, whether what it was about exists or not.
    assert event.account_id == own
    # And of its victim nothing changed.
    changes = await events_of(shared_service, target_id=prey.key_id)
    assert [event.outcome for event in changes if event.succeeded] == ["OK"]


@pytest.mark.parametrize("method", ATTEMPTS)
async def test_what_nobody_tries_is_told(service: Service, stubs: Stubs, method: str) -> None:
    prey = await prey_of(service)
    request, target, _ = ATTEMPTS[method](prey)

    refusal = await refused(stubs, method, request, bearer("orch_" + "0" * 40))

    (event,) = await events_of(service, outcome=OutcomeClass.DENIED)
    assert event.actor == AuditActor(ActorKind.ANONYMOUS, "", "")
    assert (event.action, event.target) == (action_of(METHODS[method]), target)
    assert event.outcome == ErrorReason.CALLER_CREDENTIAL_INVALID
    assert (event.account_id, event.request_id) == ("", refusal.request_id)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("disabled = true", "KEY_DISABLED"),
        ("revoke_time = now()", "KEY_REVOKED"),
        ("expire_time = now()", "KEY_EXPIRED"),
        ("allowed_addresses = '{192.0.2.1}'", "ADDRESS_NOT_ALLOWED"),
    ],
)
async def test_the_owner_of_a_known_key_that_is_refused_sees_who_used_it(
    service: Service, stubs: Stubs, change: str, reason: str
) -> None:
    # Given a key that is good no longer
    stolen = await service.create_key("*")
    digest = f"sha256('{stolen}')"
    await service.execute(f"UPDATE authsvc.keys SET {change} WHERE digest = {digest}")

    # When somebody uses it
    refusal = await refused(stubs, "ListKeys", key_pb.ListKeysRequest(), bearer(stolen))

    # Then the account sees which key it was, and from where
    assert refusal.info.metadata["denial_reason"].endswith(reason)
    async with service.client(await service.create_key("*")) as owner:
        denied = owner.list_audit_events(outcome=OutcomeClass.DENIED)
        (event,) = [event async for event in denied]
    assert event.actor.kind is ActorKind.KEY
    assert event.actor.actor_id.startswith("key_")
    assert event.actor.account_id == event.account_id == service.account.account_id
    assert event.address == "127.0.0.1"
    # And whoever used it is told nothing of that
    assert event.actor.actor_id not in refusal.everything
    assert service.account.account_id not in refusal.everything


async def test_nobody_fills_the_log(service: Service, stubs: Stubs) -> None:
    for _ in range(ANONYMOUS_PER_MINUTE + 3):
        refusal = await refused(stubs, "ListKeys", key_pb.ListKeysRequest(), ())
        assert refusal.code is grpc.StatusCode.UNAUTHENTICATED

    assert len(await events_of(service, outcome=OutcomeClass.DENIED)) == ANONYMOUS_PER_MINUTE


async def test_a_server_that_stops_tells_how_many_attempts_were_left_out(
    settings: Settings,
) -> None:
    with capture_logs() as logs:
        async with serving(settings) as service, stubs_of(service.address) as stubs:
            for _ in range(ANONYMOUS_PER_MINUTE + 3):
                await refused(stubs, "ListKeys", key_pb.ListKeysRequest(), ())

    left_out = [line for line in logs if line["event"].startswith("refused attempts left out")]
    assert sum(line["attempts"] for line in left_out) == 3


@pytest.mark.parametrize("method", sorted(set(METHODS) - MANAGEMENT - set(OPEN)))
async def test_who_may_not_judge_credentials_is_not_told_of(
    service: Service, stubs: Stubs, method: str
) -> None:
    request = GetMessageClass(METHODS[method].input_type)()
    secret = await service.create_key("*")

    assert (await refused(stubs, method, request, bearer(secret))).code is (
        grpc.StatusCode.PERMISSION_DENIED
    )
    await refused(stubs, method, request, ())

    assert await events_of(service, outcome=OutcomeClass.DENIED) == []


async def test_who_asks_which_addresses_are_taken_is_told(service: Service, stubs: Stubs) -> None:
    owner = await service.create_user(UserRole.OWNER)
    taken = await service.create_user(account=await service.create_account())
    secret = await mint(service, user_id=owner.user_id)
    request = user_pb.CreateUserRequest(email=taken.email, display_name="Eve", role=USER_ROLE_OWNER)

    refusal = await refused(stubs, "CreateUser", request, bearer(secret))

    assert refusal.reason == "EMAIL_TAKEN"
    (event,) = await events_of(service, outcome=OutcomeClass.DENIED)
    assert event.actor == AuditActor(ActorKind.USER, owner.user_id, owner.account_id)
    assert (event.outcome, event.account_id) == (ErrorReason.EMAIL_TAKEN, owner.account_id)
    assert event.request_id == refusal.request_id
    assert taken.email not in repr(event)


async def test_what_is_asked_wrongly_is_not_told(service: Service, stubs: Stubs) -> None:
    request = key_pb.GetKeyRequest(key_id="x")

    refusal = await refused(stubs, "GetKey", request, bearer(service.admin_key))

    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert await events_of(service, outcome=OutcomeClass.DENIED) == []


async def test_reading_is_not_told(service: Service) -> None:
    before = await events_of(service)
    async with service.client() as client:
        assert [key async for key in client.list_keys(account_id=service.system.account_id)]
        await client.get_account(service.system.account_id)

    assert await events_of(service) == before


async def test_an_attempt_of_the_systems_own_caller_is_the_affair_of_the_account_it_named(
    service: Service, stubs: Stubs
) -> None:
    prey = await prey_of(service)
    secret = await service.create_key("authsvc:keys", account=service.system)
    request = pb.CreateKeyRequest(
        account_id=prey.account_id, name="too much", scopes=["authsvc:admin"]
    )

    assert (await refused(stubs, "CreateKey", request, bearer(secret))).reason == (
        "SCOPE_NOT_GRANTABLE"
    )

    (event,) = await events_of(service, account_id=prey.account_id, outcome=OutcomeClass.DENIED)
    assert event.outcome == ErrorReason.SCOPE_NOT_GRANTABLE


async def test_without_the_log_the_answer_is_the_same_and_the_row_is_in_the_servers_log(
    service: Service, stubs: Stubs
) -> None:
    secret = await service.create_key("sessions:*")
    key_id = await key_id_of(service, secret)
    request = key_pb.GetKeyRequest(key_id=key_id)

    with capture_logs() as logs:
        async with locked(service, "LOCK TABLE authsvc.audit_events IN ACCESS EXCLUSIVE MODE"):
            refusal = await refused(stubs, "GetKey", request, bearer(secret))

    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "CALLER_NOT_PERMITTED",
    )
    (line,) = [line for line in logs if line["event"] == "refused attempt not in the audit log"]
    assert line["log_level"] == "error"
    assert line["actor_id"] == key_id
    assert line["target"] == {"kind": "KEY", "target_id": key_id}
    assert line["request_id"] == refusal.request_id


async def test_a_secret_in_the_place_of_an_id_is_not_written_down(
    service: Service, stubs: Stubs
) -> None:
    secret = await service.create_key("sessions:*")

    await refused(stubs, "GetKey", key_pb.GetKeyRequest(key_id=secret), bearer(secret))

    (event,) = await events_of(service, outcome=OutcomeClass.DENIED)
    assert event.target is None
    assert secret not in repr(event)
