"""The path of every call: its deadline, its request id, and how errors end it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, NoReturn, cast

import grpc
import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from authsvc.domain.audit import AuditRecord, Target, TargetKind
from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline
from authsvc.domain.denials import DENIALS, DenialReason
from authsvc.domain.errors import (
    CallerNotPermitted,
    DatabaseUnavailable,
    InvalidRequest,
    KeyNotFound,
)
from authsvc.domain.freshness import (
    AUTHORITATIVE,
    Freshness,
    FreshnessDemand,
    FreshnessSource,
)
from authsvc.domain.origin import ActorKind, Origin
from authsvc.rpc import calls
from authsvc.rpc.calls import Calls, Reach
from authsvc.rpc.deadlines import CallDeadline, Context
from authsvc.rpc.observation import Answer, CallObserver, FinishedCall
from authsvc.rpc.shedding import Shedding
from authsvc.usecases.audit_denials import AuditDenials
from authsvc.usecases.authenticate_caller import AuthenticateCaller
from authsvc.usecases.call import Call, OpenCall
from authsvc.usecases.judge_credential import JudgeCredential
from authsvc.usecases.question import Question, Unsettled, Verdict
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1 import key_management_pb2, key_revocation_pb2
from tests.unit.examples import KEY_ID, NOW, a_system_caller

SERVICE = pb.DESCRIPTOR.services_by_name["AuthService"]
PRINCIPAL = a_system_caller("authsvc:admin").principal


class Aborted(Exception):
    """Ends a call, as grpc.aio's own AbortError does."""


class WireCall:
    """A call as grpc hands it over."""

    def __init__(self, *metadata: tuple[str, str | bytes], left: float | None = None) -> None:
        self.metadata = metadata
        self.left = left
        self.status: tuple[grpc.StatusCode, str] | None = None
        self.trailers: dict[str, str | bytes] = {}

    def peer(self) -> str:
        return "ipv4:192.0.2.1:50000"

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]]:
        return self.metadata

    def auth_context(self) -> dict[str, list[bytes]]:
        return {}

    def time_remaining(self) -> float | None:
        return self.left

    async def abort(
        self, code: grpc.StatusCode, text: str, trailers: Sequence[tuple[str, str | bytes]]
    ) -> NoReturn:
        self.status = code, text
        self.trailers = dict(trailers)
        raise Aborted

    @property
    def context(self) -> Context:
        return cast("Context", self)


class Judge:
    """Takes one credential for good, but has nothing in memory."""

    def __init__(self) -> None:
        self.demands: list[FreshnessDemand] = []

    def now(self, question: Question) -> Unsettled:
        return Unsettled(b"", question)

    async def __call__(self, question: Question, deadline: Deadline) -> Verdict:
        assert deadline
        self.demands.append(question.demand)
        value = question.value
        freshness = Freshness(FreshnessSource.DATABASE, NOW)
        if value == "good":
            return Verdict(PRINCIPAL, freshness)
        reason = DenialReason.KEY_REVOKED if value else DenialReason.MISSING_CREDENTIAL
        return Verdict(DENIALS[reason], freshness)


class Servicer:
    """Answers, or raises what it was given."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.calls: list[Call] = []

    async def validate_credential(self, _request: Message, call: Call) -> Message:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        return pb.ValidateCredentialResponse()

    batch_validate_credentials = explain_credential = validate_credential
    get_key = list_keys = update_key = create_key = validate_credential
    revoke_key = rotate_key = get_key_usage = get_account_usage = validate_credential
    import_keys = revoke_keys = validate_credential
    report_leaked_key_open = validate_credential

    async def watch_revocations(self, request: Message, call: Call) -> AsyncIterator[Message]:
        await self.validate_credential(request, call)
        while True:
            yield pb.WatchRevocationsResponse()


class Registry:
    """Stands where grpc keeps its handlers."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}

    def add_registered_method_handlers(self, _service: str, handlers: dict[str, Any]) -> None:
        self.handlers |= handlers


class AuditLog:
    """What was written, and whether the database is there."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.records: list[AuditRecord] = []
        self.is_away = is_away

    async def append(self, record: AuditRecord, deadline: Deadline) -> None:
        assert deadline.remaining() > 0
        if self.is_away:
            raise DatabaseUnavailable
        self.records.append(record)


async def no_waiting(_revision: int) -> None:
    """Memory reflects everything."""


def _handlers(
    servicer: object,
    judge: Judge | None = None,
    onlooker: Judge | None = None,
    audit_log: AuditLog | None = None,
    *,
    observers: Sequence[CallObserver] = (),
    shedding: Shedding | None = None,
    reach: Reach = no_waiting,
) -> dict[str, Any]:
    calls = Calls(
        authenticate=AuthenticateCaller(
            cast("JudgeCredential", judge or Judge()),
            onlooker=cast("JudgeCredential", onlooker or Judge()),
        ),
        audit_denials=AuditDenials(store=audit_log or AuditLog(), monotonic=lambda: 0.0),
        work_limit_seconds=2.0,
        monotonic=itertools.count().__next__ if observers else time.monotonic,
        observers=observers,
        shedding=shedding or Shedding(limit=100, jitter=lambda: 0.5),
        reach=reach,
    )
    registry = Registry()
    calls.add_service(cast("grpc.aio.Server", registry), SERVICE, servicer)
    return registry.handlers


async def _serve(servicer: Servicer, call: WireCall, data: bytes = b"") -> None:
    handler = _handlers(servicer)["ValidateCredential"]
    try:
        await handler.unary_unary(data, call.context)
    except Aborted:
        assert call.status is not None


async def _failed(*metadata: tuple[str, str | bytes]) -> WireCall:
    call = WireCall(*metadata)
    await _serve(Servicer(), call)
    return call


GOOD = ("authorization", "good")


class Changes(Servicer):
    """Answers with the revision of a change, where the method has one."""

    async def revoke_key(self, _request: Message, call: Call) -> Message:
        self.calls.append(call)
        return pb.RevokeKeyResponse(revision=7)

    async def report_leaked_key_open(self, _request: Message, call: Call) -> Message:
        assert call
        return key_revocation_pb2.ReportLeakedKeyResponse(revision=8)


@pytest.mark.parametrize(
    ("method", "waits"), [("RevokeKey", [7]), ("ReportLeakedKey", [8]), ("GetKey", [])]
)
async def test_a_change_is_answered_when_it_holds_in_this_process(
    method: str, waits: list[int]
) -> None:
    reached = []

    async def reach(revision: int) -> None:
        reached.append(revision)

    handler = _handlers(Changes(), reach=reach)[method]
    await handler.unary_unary(b"", WireCall(GOOD).context)

    assert reached == waits


def test_every_method_of_the_service_is_served() -> None:
    assert set(_handlers(Servicer())) == {method.name for method in SERVICE.methods}


@pytest.mark.parametrize("method", ["CreateKey", "UpdateKey", "RotateKey", "RevokeKey"])
async def test_who_changes_keys_is_not_taken_from_memory(method: str) -> None:
    judge = Judge()
    handler = _handlers(Servicer(), judge)[method]

    await handler.unary_unary(b"", WireCall(GOOD).context)

    assert judge.demands == [AUTHORITATIVE]


async def test_a_stream_uses_the_callers_key_once_and_then_only_looks() -> None:
    # Given a stream that has answered three times
    judge, onlooker = Judge(), Judge()
    behave = _handlers(Servicer(), judge, onlooker)["WatchRevocations"].unary_stream
    answers = behave(b"", WireCall(GOOD).context)
    for _ in range(3):
        await anext(answers)
    await answers.aclose()

    # Then its caller was authenticated for each answer, but its key was used for the call alone
    assert len(judge.demands) == 1
    assert len(onlooker.demands) == 3


def test_a_servicer_that_lacks_a_method_is_found_at_once() -> None:
    with pytest.raises(AttributeError, match="has no attribute"):
        _handlers(object())


async def test_a_good_call_reaches_the_servicer_with_its_caller() -> None:
    servicer = Servicer()

    await _serve(servicer, WireCall(GOOD))

    assert servicer.calls[0].caller.principal is PRINCIPAL


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param([], id="no credential"),
        pytest.param([("authorization", "")], id="empty credential"),
        pytest.param([("authorization", "bad")], id="refused credential"),
        pytest.param([GOOD, GOOD], id="two credentials"),
        pytest.param([("authorization2", "good")], id="other metadata"),
    ],
)
async def test_a_call_without_a_good_credential_never_reaches_the_servicer(
    metadata: list[tuple[str, str]],
) -> None:
    servicer = Servicer()

    await _serve(servicer, WireCall(*metadata))

    assert servicer.calls == []


async def test_a_call_without_a_good_credential_is_unauthenticated() -> None:
    call = await _failed()

    assert call.status is not None
    assert call.status[0] is grpc.StatusCode.UNAUTHENTICATED


class OpenServicer(Servicer):
    """Serves one of its methods to anybody."""

    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__(error)
        self.open_calls: list[OpenCall] = []

    async def get_key_open(self, _request: Message, call: OpenCall) -> Message:
        self.open_calls.append(call)
        if self.error is not None:
            raise self.error
        return key_management_pb2.GetKeyResponse()


async def _serve_open(
    servicer: OpenServicer,
    call: WireCall,
    data: bytes = b"",
    judge: Judge | None = None,
    audit_log: AuditLog | None = None,
) -> None:
    handler = _handlers(servicer, judge, audit_log=audit_log)["GetKey"]
    try:
        await handler.unary_unary(data, call.context)
    except Aborted:
        assert call.status is not None


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param([], id="no credential"),
        pytest.param([("authorization", "bad")], id="refused credential"),
        pytest.param([GOOD, GOOD], id="two credentials"),
    ],
)
async def test_an_open_method_serves_anybody_and_judges_nobody(
    metadata: list[tuple[str, str]],
) -> None:
    servicer, judge = OpenServicer(), Judge()

    await _serve_open(servicer, WireCall(*metadata), judge=judge)

    assert [call.address for call in servicer.open_calls] == ["192.0.2.1"]
    assert judge.demands == []


async def test_an_open_method_leaves_the_others_closed() -> None:
    servicer, call = OpenServicer(), WireCall()

    await _serve(servicer, call)

    assert servicer.calls == []
    assert call.status is not None
    assert call.status[0] is grpc.StatusCode.UNAUTHENTICATED


async def test_an_open_methods_deadline_is_that_of_the_call() -> None:
    servicer = OpenServicer()

    await _serve_open(servicer, WireCall(left=1.0))

    assert servicer.open_calls[0].deadline.remaining() == pytest.approx(0.9)


async def test_what_comes_after_a_hash_has_a_deadline_of_its_own() -> None:
    servicer, open_servicer = Servicer(), OpenServicer()

    await _serve(servicer, WireCall(GOOD, left=1.0))
    await _serve_open(open_servicer, WireCall(left=1.0))

    for call in (servicer.calls[0], open_servicer.open_calls[0]):
        assert call.deadline_from_now() is not call.deadline
        assert call.deadline_from_now().remaining() == pytest.approx(0.9)


async def test_a_use_case_is_told_where_an_open_call_comes_from() -> None:
    servicer = OpenServicer()

    await _serve_open(servicer, WireCall(GOOD, ("x-request-id", "request-1")))

    assert [call.origin for call in servicer.open_calls] == [
        Origin(
            ActorKind.ANONYMOUS,
            "orchestrator.auth.v1.AuthService/GetKey",
            request_id="request-1",
            address="192.0.2.1",
        )
    ]


async def test_a_refused_open_call_is_audited_as_nobodys() -> None:
    call, audit_log = WireCall(GOOD), AuditLog()
    request = key_management_pb2.GetKeyRequest(key_id=KEY_ID)

    await _serve_open(
        OpenServicer(KeyNotFound()), call, request.SerializeToString(), audit_log=audit_log
    )

    (record,) = audit_log.records
    assert record.origin.actor_kind is ActorKind.ANONYMOUS
    assert record.origin.request_id == call.trailers["x-request-id"]
    assert record.target == Target(TargetKind.KEY, KEY_ID)
    assert record.outcome == "ERROR_REASON_KEY_NOT_FOUND"


async def test_an_open_methods_error_becomes_its_status() -> None:
    call = WireCall()

    await _serve_open(OpenServicer(KeyNotFound()), call)

    assert call.status == (grpc.StatusCode.NOT_FOUND, "API key not found.")


async def test_an_unreadable_request_of_an_open_method_is_an_invalid_one() -> None:
    servicer, call = OpenServicer(), WireCall()

    await _serve_open(servicer, call, b"\xff\xff")

    assert servicer.open_calls == []
    assert call.status is not None
    assert call.status[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unreadable_request_is_an_invalid_one() -> None:
    call = WireCall(GOOD)

    await _serve(Servicer(), call, b"\xff\xff")

    assert call.status is not None
    assert call.status[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unreadable_request_of_a_stranger_says_nothing_of_the_request() -> None:
    call = WireCall()

    await _serve(Servicer(), call, b"\xff\xff")

    assert call.status is not None
    assert call.status[0] is grpc.StatusCode.UNAUTHENTICATED


async def test_a_domain_error_becomes_its_status() -> None:
    call = WireCall(GOOD)

    await _serve(Servicer(KeyNotFound()), call)

    assert call.status == (grpc.StatusCode.NOT_FOUND, "API key not found.")


async def test_an_unknown_error_says_nothing_of_itself() -> None:
    call = WireCall(GOOD)

    await _serve(Servicer(ValueError("hunter2")), call)

    assert "hunter2" not in f"{call.status}{call.trailers}"


async def test_a_cancelled_call_stays_cancelled() -> None:
    with pytest.raises(asyncio.CancelledError):
        await _serve(Servicer(asyncio.CancelledError()), WireCall(GOOD))


@pytest.mark.parametrize("request_id", ["r", "A-b_c.9:/x", "x" * 64])
async def test_a_callers_own_request_id_is_kept(request_id: str) -> None:
    call = await _failed(("x-request-id", request_id))

    assert call.trailers["x-request-id"] == request_id


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param([], id="none"),
        pytest.param([("x-request-id", "")], id="empty"),
        pytest.param([("x-request-id", "x" * 65)], id="long"),
        pytest.param([("x-request-id", "a b")], id="blank"),
        pytest.param([("x-request-id", "a\nb")], id="newline"),
        pytest.param([("x-request-id", "a\n")], id="newline behind"),
        pytest.param([("x-request-id", b"\xff")], id="bytes"),
        pytest.param([("x-request-id", "a"), ("x-request-id", "b")], id="two"),
    ],
)
async def test_an_unusable_request_id_is_replaced(metadata: list[tuple[str, str | bytes]]) -> None:
    call = await _failed(*metadata)

    assert call.trailers["x-request-id"] not in {value for _, value in metadata}


async def test_two_calls_have_two_request_ids() -> None:
    servicer, handler = Servicer(), _handlers(Servicer())["ValidateCredential"]
    first, second = WireCall(), WireCall()
    for call in (first, second):
        with pytest.raises(Aborted):
            await handler.unary_unary(pb.ValidateCredentialRequest(), call.context)

    assert servicer.calls == []
    assert first.trailers["x-request-id"] != second.trailers["x-request-id"]


@pytest.mark.parametrize(
    ("left", "remaining"),
    [(None, 2.0), (60.0, 2.0), (1.0, 0.9), (0.1, 0.08), (0.0, 0.0)],
)
def test_the_database_has_the_calls_time_less_what_the_answer_needs(
    left: float | None, remaining: float
) -> None:
    deadline = CallDeadline(WireCall(left=left).context, 2.0)

    assert deadline.remaining() == pytest.approx(remaining)


def test_further_attempts_do_not_eat_into_the_time_for_the_answer() -> None:
    # Given a call with a second left, whose first attempt took all that it may
    seconds = 0.0
    call = WireCall(left=1.0)
    deadline = CallDeadline(call.context, 2.0, lambda: seconds)
    seconds += deadline.remaining()
    call.left = 1.0 - seconds

    # Then there is nothing left for another
    assert deadline.remaining() == pytest.approx(0.0)


@given(st.floats(-1e6, 1e6))
def test_no_call_gives_the_database_more_time_than_it_has(left: float) -> None:
    deadline = CallDeadline(WireCall(left=left).context, 2.0)

    assert deadline.remaining() <= max(0.0, min(2.0, left))


REFUSED = KeyNotFound()
MANAGING = "GetKey"


async def _managed(
    servicer: Servicer, call: WireCall, audit_log: AuditLog, data: bytes = b""
) -> None:
    handler = _handlers(servicer, audit_log=audit_log)[MANAGING]
    with pytest.raises(Aborted):
        await handler.unary_unary(data, call.context)


async def test_a_refused_attempt_is_audited_under_the_request_id_of_its_status() -> None:
    call, audit_log = WireCall(GOOD), AuditLog()
    request = key_management_pb2.GetKeyRequest(key_id=KEY_ID)

    await _managed(Servicer(REFUSED), call, audit_log, request.SerializeToString())

    (record,) = audit_log.records
    assert record.origin == Origin(
        ActorKind.KEY,
        "orchestrator.auth.v1.AuthService/GetKey",
        PRINCIPAL.key_id,
        PRINCIPAL.account_id,
        str(call.trailers["x-request-id"]),
        "192.0.2.1",
        actor_scopes=tuple(sorted(PRINCIPAL.scopes)),
    )
    assert record.target == Target(TargetKind.KEY, KEY_ID)
    assert record.outcome == "ERROR_REASON_KEY_NOT_FOUND"


async def test_a_stranger_is_audited_as_nobody_with_what_it_asked_for() -> None:
    audit_log = AuditLog()
    request = key_management_pb2.GetKeyRequest(key_id=KEY_ID)

    await _managed(Servicer(), WireCall(), audit_log, request.SerializeToString())

    (record,) = audit_log.records
    assert (record.origin.actor_kind, record.origin.actor_id) == (ActorKind.ANONYMOUS, "")
    assert record.target == Target(TargetKind.KEY, KEY_ID)
    assert record.outcome == "ERROR_REASON_CALLER_CREDENTIAL_MISSING"


async def test_a_stranger_is_audited_though_it_sends_what_cannot_be_read() -> None:
    call, audit_log = WireCall(), AuditLog()

    await _managed(Servicer(), call, audit_log, b"\xff")

    assert [record.target for record in audit_log.records] == [None]
    assert call.status is not None
    assert call.status[0] is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("error", [DatabaseUnavailable(), InvalidRequest(()), RuntimeError()])
async def test_what_is_no_refusal_is_not_audited(error: Exception) -> None:
    audit_log = AuditLog()

    await _managed(Servicer(error), WireCall(GOOD), audit_log)

    assert audit_log.records == []


async def test_the_status_is_the_same_without_a_database_to_audit_in() -> None:
    call = WireCall(GOOD)

    await _managed(Servicer(REFUSED), call, AuditLog(is_away=True))

    assert call.status is not None
    assert call.status[0] is grpc.StatusCode.NOT_FOUND


async def test_a_fault_of_the_audit_changes_no_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise ZeroDivisionError

    monkeypatch.setattr(calls, "denied_record", fail)
    call = WireCall(GOOD)

    await _managed(Servicer(REFUSED), call, AuditLog())

    assert call.status is not None
    assert call.status[0] is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("method", ["ValidateCredential", "ExplainCredential"])
async def test_who_may_not_judge_is_not_audited(method: str) -> None:
    audit_log = AuditLog()
    handler = _handlers(Servicer(CallerNotPermitted("authsvc:validate")), audit_log=audit_log)

    with pytest.raises(Aborted):
        await handler[method].unary_unary(b"", WireCall(GOOD).context)

    assert audit_log.records == []


async def test_a_use_case_is_told_where_its_call_comes_from() -> None:
    servicer = Servicer()
    handler = _handlers(servicer)["CreateKey"]

    await handler.unary_unary(b"", WireCall(GOOD, ("x-request-id", "mine")).context)

    (call,) = servicer.calls
    assert call.origin == Origin(
        ActorKind.KEY,
        "orchestrator.auth.v1.AuthService/CreateKey",
        PRINCIPAL.key_id,
        PRINCIPAL.account_id,
        "mine",
        "192.0.2.1",
        actor_scopes=tuple(sorted(PRINCIPAL.scopes)),
    )


class InstantServicer(Servicer):
    """Validates without waiting."""

    def __init__(self, denial: str = "", error: BaseException | None = None) -> None:
        super().__init__(error)
        self.denial = denial

    def validate_credential_now(self, _request: Message, _caller: Caller) -> Answer:
        if self.error is not None:
            raise self.error
        return Answer(b"", self.denial)


async def _observed(
    servicer: Servicer, call: WireCall, method: str = "ValidateCredential"
) -> FinishedCall:
    seen: list[FinishedCall] = []
    handler = _handlers(servicer, observers=[seen.append])[method]
    with contextlib.suppress(Aborted, asyncio.CancelledError):
        await handler.unary_unary(b"", call.context)
    (finished,) = seen
    return finished


@pytest.mark.parametrize("method", ["ValidateCredential", "GetKey"])
async def test_a_good_call_is_observed_with_whose_it_was(method: str) -> None:
    finished = await _observed(InstantServicer(), WireCall(GOOD, ("x-request-id", "mine")), method)

    assert finished._replace(seconds=0) == FinishedCall(
        f"orchestrator.auth.v1.AuthService/{method}",
        grpc.StatusCode.OK,
        "",
        0,
        "mine",
        PRINCIPAL.actor,
        "192.0.2.1",
    )
    assert finished.seconds > 0


async def test_a_call_that_is_shed_is_observed_and_its_caller_not_looked_at() -> None:
    judge, seen, call = Judge(), list[FinishedCall](), WireCall(GOOD)
    full = Shedding(limit=1, jitter=lambda: 0.5)
    full.in_flight = 1
    handlers = _handlers(Servicer(), judge, observers=[seen.append], shedding=full)

    with pytest.raises(Aborted):
        await handlers["CreateKey"].unary_unary(b"", call.context)

    (finished,) = seen
    assert (finished.code, finished.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert call.trailers["x-request-id"] == finished.request_id
    assert judge.demands == []


@pytest.mark.parametrize("method", ["ValidateCredential", "WatchRevocations"])
async def test_validations_and_streams_are_not_shed(method: str) -> None:
    full = Shedding(limit=1, jitter=lambda: 0.5)
    full.in_flight = 1
    handler = _handlers(InstantServicer(), shedding=full)[method]

    if method == "WatchRevocations":
        answers = handler.unary_stream(b"", WireCall(GOOD).context)
        assert await anext(answers) is not None
        await answers.aclose()
    else:
        assert await handler.unary_unary(b"", WireCall(GOOD).context) == b""


async def test_a_denied_validation_is_observed_with_its_reason() -> None:
    finished = await _observed(InstantServicer("KEY_REVOKED"), WireCall(GOOD))

    assert (finished.code, finished.reason) == (grpc.StatusCode.OK, "KEY_REVOKED")


@pytest.mark.parametrize("method", ["ValidateCredential", "GetKey"])
async def test_a_failed_call_is_observed_under_the_request_id_of_its_status(method: str) -> None:
    call = WireCall(GOOD)

    finished = await _observed(InstantServicer(error=KeyNotFound()), call, method)

    assert (finished.code, finished.reason) == (grpc.StatusCode.NOT_FOUND, "KEY_NOT_FOUND")
    assert finished.request_id == call.trailers["x-request-id"]


@pytest.mark.parametrize("method", ["ValidateCredential", "GetKey"])
@pytest.mark.parametrize(
    ("left", "code"),
    [
        (None, grpc.StatusCode.CANCELLED),
        (1.0, grpc.StatusCode.CANCELLED),
        (0.0, grpc.StatusCode.DEADLINE_EXCEEDED),
    ],
)
async def test_a_call_that_was_given_up_is_observed(
    method: str, left: float | None, code: grpc.StatusCode
) -> None:
    servicer = InstantServicer(error=asyncio.CancelledError())

    finished = await _observed(servicer, WireCall(GOOD, left=left), method)

    assert finished.code is code


async def test_a_stream_that_its_client_left_is_observed_once() -> None:
    seen: list[FinishedCall] = []
    behave = _handlers(Servicer(), observers=[seen.append])["WatchRevocations"].unary_stream
    answers = behave(b"", WireCall(GOOD).context)
    await anext(answers)
    assert seen == []

    await answers.aclose()

    assert [finished.code for finished in seen] == [grpc.StatusCode.CANCELLED]


async def test_a_fault_of_an_observer_does_not_touch_the_call() -> None:
    def fail(_: FinishedCall) -> None:
        raise ZeroDivisionError

    seen: list[FinishedCall] = []
    handler = _handlers(InstantServicer(), observers=[fail, seen.append])["ValidateCredential"]

    assert await handler.unary_unary(b"", WireCall(GOOD).context) == b""
    assert len(seen) == 1
