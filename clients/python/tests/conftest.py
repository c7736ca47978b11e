"""A real gRPC server on loopback that answers as a test tells it, and both clients before it."""
# A script may hold any message, and test files cannot import from here.
# ruff: noqa: ANN401

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import defaultdict
from concurrent import futures
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from orchestrator.auth import AsyncAuthClient, AsyncWatch, AuthClient, Watch
from orchestrator.auth.v1 import (
    account_pb2,
    account_service_pb2,
    account_service_pb2_grpc,
    audit_pb2,
    audit_service_pb2,
    audit_service_pb2_grpc,
    auth_service_pb2,
    auth_service_pb2_grpc,
    denial_pb2,
    freshness_pb2,
    jwks_pb2,
    key_import_pb2,
    key_management_pb2,
    key_pb2,
    key_revocation_pb2,
    key_rotation_pb2,
    principal_pb2,
    session_management_pb2,
    session_pb2,
    session_service_pb2_grpc,
    signing_key_pb2,
    usage_pb2,
    user_management_pb2,
    user_pb2,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

EXAMPLE_KEY = "orch_" + "0" * 40
AT = Timestamp(seconds=1_700_000_000)
METHODS = (
    "ValidateCredential",
    "BatchValidateCredentials",
    "ExplainCredential",
    "CreateKey",
    "GetKey",
    "ListKeys",
    "UpdateKey",
    "RevokeKey",
    "RotateKey",
    "GetKeyUsage",
    "GetAccountUsage",
    "ImportKeys",
    "RevokeKeys",
    "ReportLeakedKey",
    "CreateAccount",
    "GetAccount",
    "ListAccounts",
    "UpdateAccount",
    "CreateUser",
    "GetUser",
    "ListUsers",
    "UpdateUser",
    "SetUserPassword",
    "ListAuditEvents",
    "CreateSession",
    "RefreshSession",
    "RevokeSession",
    "RevokeAllSessions",
    "ListSessions",
    "GetJwks",
    "RotateSigningKey",
)


@dataclass
class Failure:
    """A scripted gRPC error status."""

    code: grpc.StatusCode
    text: str = "scripted"
    trailers: tuple[tuple[str, str | bytes], ...] = ()

    def end(self, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata(self.trailers)
        context.abort(self.code, self.text)


@dataclass
class Slow:
    """A scripted answer that takes its time."""

    seconds: float


@dataclass
class Stay:
    """In a scripted stream: stay silent until the client is gone."""


class Feed:
    """A scripted stream: tells what a test puts in, until the test or the client ends it."""

    def __init__(self) -> None:
        self._messages: queue.Queue[Any] = queue.Queue()

    def put(self, message: Any) -> None:
        self._messages.put(message)

    def end(self) -> None:
        self._messages.put(None)

    def until(self, gone: threading.Event) -> Iterator[Any]:
        # A thread that waited for ever would keep the process from ending.
        while not gone.is_set():
            with suppress(queue.Empty):
                message = self._messages.get(timeout=0.05)
                if message is None:
                    return
                yield message


@dataclass
class Call:
    """What the server saw of a call."""

    method: str
    request: Any
    metadata: dict[str, str | bytes]
    seconds_left: float | None
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass
class ScriptedServer:
    """Answers each method with its steps in turn; the last one stays."""

    steps: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    calls: list[Call] = field(default_factory=list)
    target: str = ""

    def script(self, method: str, *steps: Any) -> None:
        self.steps[method] = list(steps)

    def answer(self, method: str, request: Any, context: grpc.ServicerContext) -> Any:
        self._note(method, request, context)
        step = self._step(method)
        if isinstance(step, Slow):
            time.sleep(step.seconds)
            return auth_service_pb2.ValidateCredentialResponse()
        if isinstance(step, Failure):
            step.end(context)
        return step

    def stream(self, method: str, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Answer with the messages of one step, a list."""
        call = self._note(method, request, context)
        step = self._step(method)
        for message in step.until(call.ended) if isinstance(step, Feed) else step:
            if isinstance(message, Stay):
                call.ended.wait(10)
            elif isinstance(message, Failure):
                message.end(context)
            else:
                yield message

    def _note(self, method: str, request: Any, context: grpc.ServicerContext) -> Call:
        metadata = {str(key): value for key, value in context.invocation_metadata()}
        call = Call(method, request, metadata, context.time_remaining())
        if not context.add_callback(call.ended.set):
            call.ended.set()
        self.calls.append(call)
        return call

    def _step(self, method: str) -> Any:
        steps = self.steps[method]
        return steps.pop(0) if len(steps) > 1 else steps[0]


class Answers:
    """Makes what a test scripts, in its usual form, with changes on top."""

    EXAMPLE_KEY = EXAMPLE_KEY
    AT = AT
    Failure = Failure
    Feed = Feed
    Slow = Slow
    Stay = Stay

    @staticmethod
    def fresh(source: int = freshness_pb2.FRESHNESS_SOURCE_DATABASE) -> freshness_pb2.Freshness:
        return freshness_pb2.Freshness(source=source, as_of=AT)  # type: ignore[arg-type]

    @staticmethod
    def good(**changes: Any) -> auth_service_pb2.ValidateCredentialResponse:
        principal = principal_pb2.Principal(
            kind=principal_pb2.PRINCIPAL_KIND_API_KEY,
            account_id="acct_1",
            key_id="key_1",
            key_name="ci",
            scopes=["sessions:read", "sessions:write"],
            metadata={"team": "core"},
        )
        principal.MergeFrom(principal_pb2.Principal(**changes))
        return auth_service_pb2.ValidateCredentialResponse(
            principal=principal, freshness=Answers.fresh()
        )

    @staticmethod
    def refused(**changes: Any) -> auth_service_pb2.ValidateCredentialResponse:
        denial = denial_pb2.Denial(
            reason=denial_pb2.DENIAL_REASON_KEY_REVOKED,
            message="API key revoked",
            http_status=401,
            error="UNAUTHORIZED",
            www_authenticate='Bearer realm="orchestrator", error="invalid_token"',
        )
        denial.MergeFrom(denial_pb2.Denial(**changes))
        return auth_service_pb2.ValidateCredentialResponse(denial=denial, freshness=Answers.fresh())

    @staticmethod
    def batch(*responses: Any) -> auth_service_pb2.BatchValidateCredentialsResponse:
        return auth_service_pb2.BatchValidateCredentialsResponse(responses=responses)

    @staticmethod
    def explained(
        answer: auth_service_pb2.ValidateCredentialResponse | None = None, **changes: Any
    ) -> auth_service_pb2.ExplainCredentialResponse:
        answer = answer or Answers.good()
        response = auth_service_pb2.ExplainCredentialResponse(
            freshness=answer.freshness, hint="The credential is good."
        )
        if answer.HasField("principal"):
            response.principal.CopyFrom(answer.principal)
        else:
            response.denial.CopyFrom(answer.denial)
        response.MergeFrom(auth_service_pb2.ExplainCredentialResponse(**changes))
        return response

    @staticmethod
    def told(revision: int, **event: Any) -> auth_service_pb2.WatchRevocationsResponse:
        return auth_service_pb2.WatchRevocationsResponse(revision=revision, **event)

    @staticmethod
    def beat(revision: int) -> auth_service_pb2.WatchRevocationsResponse:
        return Answers.told(revision, heartbeat=auth_service_pb2.Heartbeat(as_of=AT))

    @staticmethod
    def ended(revision: int) -> auth_service_pb2.WatchRevocationsResponse:
        event = auth_service_pb2.KeyRevoked(key_id=f"key_{revision}", account_id="acct_1")
        return Answers.told(revision, key_revoked=event)

    @staticmethod
    def key(**changes: Any) -> key_pb2.Key:
        message = key_pb2.Key(
            key_id="key_1",
            account_id="acct_1",
            name="ci",
            scopes=["*"],
            state=key_pb2.KEY_STATE_ACTIVE,
            hint="orch_0000…0000",
            create_time=AT,
            metadata={"team": "core"},
            etag="e1",
        )
        message.MergeFrom(key_pb2.Key(**changes))
        return message

    @staticmethod
    def created() -> auth_service_pb2.CreateKeyResponse:
        return auth_service_pb2.CreateKeyResponse(key=Answers.key(), secret=EXAMPLE_KEY, revision=7)

    @staticmethod
    def page(*key_ids: str, token: str = "") -> key_management_pb2.ListKeysResponse:
        keys = [Answers.key(key_id=key_id) for key_id in key_ids]
        return key_management_pb2.ListKeysResponse(keys=keys, next_page_token=token)

    @staticmethod
    def updated(**changes: Any) -> key_management_pb2.UpdateKeyResponse:
        return key_management_pb2.UpdateKeyResponse(key=Answers.key(**changes), revision=9)

    @staticmethod
    def rotated(**changes: Any) -> key_rotation_pb2.RotateKeyResponse:
        response = key_rotation_pb2.RotateKeyResponse(
            key=Answers.key(key_id="key_2", supersedes="key_1"),
            secret=EXAMPLE_KEY,
            retired_key=Answers.key(expire_time=AT, superseded_by="key_2"),
            revision=9,
        )
        response.MergeFrom(key_rotation_pb2.RotateKeyResponse(**changes))
        return response

    @staticmethod
    def revoked(**changes: Any) -> auth_service_pb2.RevokeKeyResponse:
        ended = Answers.key(state=key_pb2.KEY_STATE_REVOKED, revoke_time=AT, **changes)
        return auth_service_pb2.RevokeKeyResponse(key=ended, revision=8)

    @staticmethod
    def key_usage(**changes: Any) -> usage_pb2.GetKeyUsageResponse:
        response = usage_pb2.GetKeyUsageResponse(
            intervals=[
                usage_pb2.UsageInterval(start_time=AT, granted=5),
                usage_pb2.UsageInterval(
                    start_time=AT,
                    denials=[
                        usage_pb2.DenialCount(reason=denial_pb2.DENIAL_REASON_KEY_REVOKED, count=2)
                    ],
                ),
            ],
            granted_count=5,
            denied_count=2,
            last_use_time=AT,
            client_addresses=[
                usage_pb2.ClientAddressUsage(
                    address="192.0.2.1",
                    first_seen_time=AT,
                    last_seen_time=AT,
                    call_count=7,
                    is_new=True,
                )
            ],
            callers=[
                usage_pb2.CallerUsage(
                    key_id="key_9",
                    name="sessions",
                    first_seen_time=AT,
                    last_seen_time=AT,
                    call_count=6,
                ),
                usage_pb2.CallerUsage(first_seen_time=AT, last_seen_time=AT, call_count=1),
                usage_pb2.CallerUsage(
                    certificate_name="spiffe://example.org/gateway",
                    first_seen_time=AT,
                    last_seen_time=AT,
                    call_count=2,
                ),
            ],
        )
        response.MergeFrom(usage_pb2.GetKeyUsageResponse(**changes))
        return response

    @staticmethod
    def imported(*results: Any) -> key_import_pb2.ImportKeysResponse:
        results = results or (key_import_pb2.ImportResult(key=Answers.key()),)
        return key_import_pb2.ImportKeysResponse(results=results, imported_count=1, revision=9)

    @staticmethod
    def reported(**changes: Any) -> key_revocation_pb2.ReportLeakedKeyResponse:
        response = key_revocation_pb2.ReportLeakedKeyResponse(
            key_id="key_1",
            revoke_time=AT,
            outcome=key_revocation_pb2.LEAK_REPORT_OUTCOME_REVOKED,
            revision=9,
        )
        response.MergeFrom(key_revocation_pb2.ReportLeakedKeyResponse(**changes))
        return response

    @staticmethod
    def account(account_id: str = "acct_1") -> account_pb2.Account:
        return account_pb2.Account(
            account_id=account_id,
            display_name="Example",
            state=account_pb2.ACCOUNT_STATE_ACTIVE,
            create_time=AT,
            etag="e1",
        )

    @staticmethod
    def user(**changes: Any) -> user_pb2.User:
        message = user_pb2.User(
            user_id="user_1",
            account_id="acct_1",
            email="ada@example.com",
            display_name="Ada",
            role=user_pb2.USER_ROLE_OWNER,
            state=user_pb2.USER_STATE_ACTIVE,
            create_time=AT,
            etag="e1",
        )
        message.MergeFrom(user_pb2.User(**changes))
        return message

    @staticmethod
    def users(*user_ids: str, token: str = "") -> user_management_pb2.ListUsersResponse:
        users = [Answers.user(user_id=user_id) for user_id in user_ids]
        return user_management_pb2.ListUsersResponse(users=users, next_page_token=token)

    @staticmethod
    def event(**changes: Any) -> audit_pb2.AuditEvent:
        message = audit_pb2.AuditEvent(
            event_id="evt_1",
            event_time=AT,
            actor=audit_pb2.AuditActor(
                kind=audit_pb2.ACTOR_KIND_KEY, id="key_2", account_id="acct_1"
            ),
            action="orchestrator.auth.v1.AuthService/UpdateKey",
            target=audit_pb2.AuditTarget(kind=audit_pb2.TARGET_KIND_KEY, id="key_1"),
            account_id="acct_1",
            request_id="request-1",
            address="192.0.2.1",
            outcome="OK",
        )
        message.before.update({"name": "ci", "expire_time": None})
        message.after.update(
            {
                "name": "deploy",
                "expire_time": "2026-01-02T03:04:05+00:00",
                "rate_limit_requests": 5,
            }
        )
        message.MergeFrom(audit_pb2.AuditEvent(**changes))
        return message

    @staticmethod
    def audited(
        *events: audit_pb2.AuditEvent, token: str = ""
    ) -> audit_service_pb2.ListAuditEventsResponse:
        return audit_service_pb2.ListAuditEventsResponse(events=events, next_page_token=token)

    @staticmethod
    def session(**changes: Any) -> session_pb2.Session:
        message = session_pb2.Session(
            session_id="sess_1",
            user_id="user_1",
            account_id="acct_1",
            state=session_pb2.SESSION_STATE_ACTIVE,
            create_time=AT,
            last_seen_time=AT,
            idle_expire_time=AT,
            expire_time=AT,
            user_agent="Firefox",
            client_ip="192.0.2.1",
        )
        message.MergeFrom(session_pb2.Session(**changes))
        return message

    @staticmethod
    def granted(**changes: Any) -> session_management_pb2.CreateSessionResponse:
        return session_management_pb2.CreateSessionResponse(
            **{
                "session": Answers.session(),
                "access_token": "e.y.j",
                "access_token_expire_time": AT,
                "refresh_token": "orchrt_1",
                **changes,
            }
        )

    @staticmethod
    def refreshed(**changes: Any) -> session_management_pb2.RefreshSessionResponse:
        granted = Answers.granted(**changes).SerializeToString()
        return session_management_pb2.RefreshSessionResponse.FromString(granted)

    @staticmethod
    def sessions(*session_ids: str, token: str = "") -> session_management_pb2.ListSessionsResponse:
        sessions = [Answers.session(session_id=session_id) for session_id in session_ids]
        return session_management_pb2.ListSessionsResponse(sessions=sessions, next_page_token=token)

    @staticmethod
    def jwks(**changes: Any) -> jwks_pb2.GetJwksResponse:
        key = jwks_pb2.JsonWebKey(
            kid="jwk_1", kty="OKP", alg="EdDSA", use="sig", crv="Ed25519", x="AAAA"
        )
        return jwks_pb2.GetJwksResponse(
            **{"keys": [key], "max_age": Duration(seconds=300), **changes}
        )

    @staticmethod
    def rotated_signing_key(**changes: Any) -> signing_key_pb2.RotateSigningKeyResponse:
        key = signing_key_pb2.SigningKey(
            kid="jwk_2",
            algorithm="EdDSA",
            state=signing_key_pb2.SIGNING_KEY_STATE_PUBLISHED,
            create_time=AT,
            activate_time=AT,
        )
        return signing_key_pb2.RotateSigningKeyResponse(**{"key": key, **changes})


_ports_taken: set[int] = set()


def _fresh_port(server: grpc.Server, credentials: grpc.ServerCredentials | None) -> int:
    """Take a port that no server of this process had before.

    Channels to the same address share their connection attempts, across all of a process: one that
    still waits to try a server of before again would fail the first call to a new one.
    """
    while True:
        if credentials is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            port = server.add_secure_port("127.0.0.1:0", credentials)
        if port not in _ports_taken:
            _ports_taken.add(port)
            return port


class StartServer(Protocol):
    """Starts one more scripted server."""

    def __call__(self, credentials: grpc.ServerCredentials | None = None) -> ScriptedServer: ...


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    started: list[grpc.Server] = []

    def start(credentials: grpc.ServerCredentials | None = None) -> ScriptedServer:
        script = ScriptedServer()
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
        servicer: Any = SimpleNamespace(
            **{method: partial(script.answer, method) for method in METHODS},
            WatchRevocations=partial(script.stream, "WatchRevocations"),
        )
        auth_service_pb2_grpc.add_AuthServiceServicer_to_server(servicer, server)
        account_service_pb2_grpc.add_AccountServiceServicer_to_server(servicer, server)
        audit_service_pb2_grpc.add_AuditServiceServicer_to_server(servicer, server)
        session_service_pb2_grpc.add_SessionServiceServicer_to_server(servicer, server)
        port = _fresh_port(server, credentials)
        script.target = f"127.0.0.1:{port}"
        server.start()
        started.append(server)
        return script

    yield start
    for server in started:
        server.stop(None).wait()


@pytest.fixture
def server(start_server: StartServer) -> ScriptedServer:
    """Give a server that likes everything, until a test scripts it otherwise."""
    script = start_server()
    script.script("ValidateCredential", Answers.good())
    script.script("BatchValidateCredentials", Answers.batch(Answers.good()))
    script.script("ExplainCredential", Answers.explained())
    script.script("WatchRevocations", [Answers.beat(1), Stay()])
    script.script("CreateKey", Answers.created())
    script.script("GetKey", key_management_pb2.GetKeyResponse(key=Answers.key()))
    script.script("ListKeys", Answers.page("key_1"))
    script.script("UpdateKey", Answers.updated())
    script.script("RotateKey", Answers.rotated())
    script.script("RevokeKey", Answers.revoked())
    script.script("GetKeyUsage", Answers.key_usage())
    script.script("GetAccountUsage", usage_pb2.GetAccountUsageResponse())
    script.script("ImportKeys", Answers.imported())
    script.script("RevokeKeys", key_revocation_pb2.RevokeKeysResponse(revoked_count=3, revision=9))
    script.script("ReportLeakedKey", Answers.reported())
    script.script(
        "CreateAccount", account_service_pb2.CreateAccountResponse(account=Answers.account())
    )
    script.script("GetAccount", account_service_pb2.GetAccountResponse(account=Answers.account()))
    script.script(
        "ListAccounts", account_service_pb2.ListAccountsResponse(accounts=[Answers.account()])
    )
    script.script(
        "UpdateAccount",
        account_service_pb2.UpdateAccountResponse(account=Answers.account(), revision=9),
    )
    user = Answers.user()
    script.script("CreateUser", user_management_pb2.CreateUserResponse(user=user, revision=7))
    script.script("GetUser", user_management_pb2.GetUserResponse(user=user))
    script.script("ListUsers", Answers.users("user_1"))
    script.script("UpdateUser", user_management_pb2.UpdateUserResponse(user=user, revision=9))
    script.script(
        "SetUserPassword", user_management_pb2.SetUserPasswordResponse(user=user, revision=9)
    )
    script.script("ListAuditEvents", Answers.audited(Answers.event()))
    script.script("CreateSession", Answers.granted())
    script.script("RefreshSession", Answers.refreshed())
    script.script(
        "RevokeSession",
        session_management_pb2.RevokeSessionResponse(session=Answers.session(), revision=9),
    )
    script.script(
        "RevokeAllSessions",
        session_management_pb2.RevokeAllSessionsResponse(revoked_count=2, revision=9),
    )
    script.script("ListSessions", Answers.sessions("sess_1"))
    script.script("GetJwks", Answers.jwks())
    script.script("RotateSigningKey", Answers.rotated_signing_key())
    return script


class Reader:
    """Reads either watch by the same awaitable methods."""

    def __init__(self, watch: Watch | AsyncWatch) -> None:
        self.watch = watch

    async def next(self) -> Any:
        """Return the next event, or None at the end."""
        if isinstance(self.watch, AsyncWatch):
            return await anext(self.watch, None)
        return await asyncio.to_thread(next, self.watch, None)

    async def take(self, count: int) -> list[Any]:
        return [await self.next() for _ in range(count)]

    async def close(self) -> None:
        if isinstance(self.watch, AsyncWatch):
            await self.watch.close()
        else:
            await asyncio.to_thread(self.watch.close)


class Driver:
    """Drives either client by the same awaitable methods."""

    def __init__(self, client: AuthClient | AsyncAuthClient) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if isinstance(self.client, AsyncAuthClient):
                return await method(*args, **kwargs)
            return await asyncio.to_thread(method, *args, **kwargs)

        return call

    def watch(self, after_revision: int = 0) -> Reader:
        return Reader(self.client.watch(after_revision))

    async def list_accounts(self, **kwargs: Any) -> list[Any]:
        if isinstance(self.client, AsyncAuthClient):
            return [account async for account in self.client.list_accounts(**kwargs)]
        client = self.client
        return await asyncio.to_thread(lambda: list(client.list_accounts(**kwargs)))

    async def list_users(self, **kwargs: Any) -> list[Any]:
        if isinstance(self.client, AsyncAuthClient):
            return [user async for user in self.client.list_users(**kwargs)]
        client = self.client
        return await asyncio.to_thread(lambda: list(client.list_users(**kwargs)))

    async def list_sessions(self, *args: Any, **kwargs: Any) -> list[Any]:
        if isinstance(self.client, AsyncAuthClient):
            return [session async for session in self.client.list_sessions(*args, **kwargs)]
        client = self.client
        return await asyncio.to_thread(lambda: list(client.list_sessions(*args, **kwargs)))

    async def list_audit_events(self, **kwargs: Any) -> list[Any]:
        if isinstance(self.client, AsyncAuthClient):
            return [event async for event in self.client.list_audit_events(**kwargs)]
        client = self.client
        return await asyncio.to_thread(lambda: list(client.list_audit_events(**kwargs)))

    async def list_keys(self, **kwargs: Any) -> list[Any]:
        if isinstance(self.client, AsyncAuthClient):
            return [key async for key in self.client.list_keys(**kwargs)]
        client = self.client
        return await asyncio.to_thread(lambda: list(client.list_keys(**kwargs)))


class Connect(Protocol):
    """Makes a client of the kind under test."""

    def __call__(self, target: str | None = None, **settings: Any) -> Driver: ...


@pytest.fixture(params=[AuthClient, AsyncAuthClient], ids=["sync", "async"])
def client_class(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
async def connect(client_class: Any) -> AsyncIterator[Connect]:
    drivers: list[Driver] = []

    def make(target: str | None = None, **settings: Any) -> Driver:
        drivers.append(Driver(client_class(target, **settings)))
        return drivers[-1]

    yield make
    for driver in drivers:
        await driver.close()


@pytest.fixture
def client(connect: Connect, server: ScriptedServer) -> Driver:
    return connect(server.target, api_key=EXAMPLE_KEY, plaintext=True)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTHSVC_ADDRESS", raising=False)
    monkeypatch.delenv("AUTHSVC_API_KEY", raising=False)


@pytest.fixture
def answers() -> type[Answers]:
    return Answers
