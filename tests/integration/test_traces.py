"""Traces of calls, as a collector gets them."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from authsvc import app
from authsvc.composition.traces import opened_traces
from authsvc.config import InvalidSettings
from authsvc.domain import ids
from authsvc.traces.export import exporting
from orchestrator.auth.v1.auth_service_pb2 import (
    BatchValidateCredentialsRequest,
    ValidateCredentialRequest,
    WatchRevocationsRequest,
)
from orchestrator.auth.v1.key_management_pb2 import GetKeyRequest
from tests.conftest import ORIGIN, Service
from tests.integration.support import Stubs, bearer, until
from tests.integration.support_traces import Collector, Received, collecting
from tests.integration.watching import read, read_until, watch

VALIDATE = "orchestrator.auth.v1.AuthService/ValidateCredential"


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        patch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=ours")
        yield patch


@pytest.fixture(scope="module")
def collector(environment: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as collector:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        yield collector


@pytest.fixture(scope="module")
def shared_settings(collector: Collector) -> dict[str, object]:
    """Those of a service that exports to the collector, which the environment names."""
    assert collector.endpoint
    return {"log_sample": 1.0}


class Parent:
    """The span of a caller."""

    def __init__(self, flags: str = "01") -> None:
        self.trace_id, self.span_id = secrets.token_hex(16), secrets.token_hex(8)
        self.metadata = (("traceparent", f"00-{self.trace_id}-{self.span_id}-{flags}"),)


async def _spans(
    collector: Collector, parent: Parent, done: Callable[[Sequence[Received]], bool]
) -> dict[str, Received]:
    async def are_there() -> bool:
        return done(collector.of_trace(parent.trace_id))

    await until(are_there)
    return {received.name: received for received in collector.of_trace(parent.trace_id)}


def _has_call(spans: Sequence[Received]) -> bool:
    return any("/" in received.name for received in spans)


async def test_a_validation_is_a_span_of_its_callers_trace_with_one_for_its_statement(
    shared_service: Service, shared_stubs: Stubs, collector: Collector
) -> None:
    parent = Parent()
    request = ValidateCredentialRequest(credential=f"orch_{secrets.token_hex(20)}")
    metadata = (*bearer(shared_service.admin_key), *parent.metadata, ("x-request-id", "mine"))

    await shared_stubs.auth.ValidateCredential(request, metadata=metadata)

    spans = await _spans(collector, parent, _has_call)
    call, statement, wait = spans[VALIDATE], spans["SELECT"], spans["wait for a connection"]
    assert call.span.parent_span_id.hex() == parent.span_id
    assert statement.span.parent_span_id == wait.span.parent_span_id == call.span.span_id
    assert call.span.kind == call.span.SPAN_KIND_SERVER
    assert call.attributes | {"client.address": "", "authsvc.caller_id": ""} == {
        "rpc.system": "grpc",
        "rpc.service": "orchestrator.auth.v1.AuthService",
        "rpc.method": "ValidateCredential",
        "rpc.grpc.status_code": 0,
        "authsvc.reason": "KEY_NOT_FOUND",
        "authsvc.request_id": "mine",
        "authsvc.caller_id": "",
        "client.address": "",
    }
    assert statement.attributes["db.query.text"].startswith("SELECT ")
    assert "$1" in statement.attributes["db.query.text"]
    assert statement.span.start_time_unix_nano >= call.span.start_time_unix_nano
    assert (call.resource["service.name"], collector.headers[-1]["x-tenant"]) == ("authsvc", "ours")


async def test_a_batch_has_the_reason_of_its_first_denial(
    shared_service: Service, shared_stubs: Stubs, collector: Collector
) -> None:
    parent = Parent()
    credentials = (shared_service.admin_key, f"orch_{secrets.token_hex(20)}", "malformed")
    await shared_stubs.auth.BatchValidateCredentials(
        BatchValidateCredentialsRequest(
            requests=[ValidateCredentialRequest(credential=each) for each in credentials]
        ),
        metadata=(*bearer(shared_service.admin_key), *parent.metadata),
    )

    (call,) = [s for n, s in (await _spans(collector, parent, _has_call)).items() if "/" in n]
    assert call.attributes["authsvc.reason"] == "KEY_NOT_FOUND"


async def test_no_secret_is_exported(
    shared_service: Service, shared_stubs: Stubs, collector: Collector
) -> None:
    parent, secret = Parent(), f"orch_{secrets.token_hex(20)}"
    await shared_stubs.auth.ValidateCredential(
        ValidateCredentialRequest(credential=secret),
        metadata=(*bearer(shared_service.admin_key), *parent.metadata),
    )
    await _spans(collector, parent, _has_call)

    exported = b"".join(collector.bodies)
    assert secret.encode() not in exported
    assert shared_service.admin_key.encode() not in exported


async def test_a_refused_call_has_its_code_and_reason(
    shared_service: Service, shared_stubs: Stubs, collector: Collector
) -> None:
    parent = Parent()
    metadata = (*bearer(shared_service.admin_key), *parent.metadata)
    with pytest.raises(grpc.aio.AioRpcError):
        await shared_stubs.auth.GetKey(GetKeyRequest(key_id=ids.new_id(ids.KEY)), metadata=metadata)

    (call,) = [s for n, s in (await _spans(collector, parent, _has_call)).items() if "/" in n]
    assert call.attributes["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
    assert call.attributes["authsvc.reason"] == "KEY_NOT_FOUND"
    assert call.span.status.code == call.span.status.STATUS_CODE_UNSET


async def test_a_stream_is_a_span_as_long_as_it_lives(
    shared_service: Service, shared_stubs: Stubs, collector: Collector
) -> None:
    parent = Parent()
    metadata = (*bearer(shared_service.admin_key), *parent.metadata)
    stream = shared_stubs.auth.WatchRevocations(WatchRevocationsRequest(), metadata=metadata)
    await stream.read()
    assert not _has_call(collector.of_trace(parent.trace_id))

    stream.cancel()

    (call,) = [s for n, s in (await _spans(collector, parent, _has_call)).items() if "/" in n]
    assert call.attributes["rpc.grpc.status_code"] == grpc.StatusCode.CANCELLED.value[0]


async def test_a_stream_that_ends_while_its_answer_is_being_sent_has_its_span_all_the_same(
    shared_service: Service, shared_stubs: Stubs, collector: Collector
) -> None:
    parent = Parent()
    unhandled: list[dict[str, Any]] = []
    metadata = (*bearer(shared_service.admin_key), *parent.metadata)
    options = [("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(shared_service.address, options=options) as channel:
        # Given a stream that nobody reads, and more to tell than is sent to such a one
        stuck = Stubs.on(channel).auth.WatchRevocations(
            WatchRevocationsRequest(), metadata=metadata
        )
        await stuck.read()
        other = watch(shared_stubs, shared_service.admin_key)
        await read(other)
        await shared_service.execute(
            "SELECT authsvc.append_change('KEY_REVOKED', repeat('x', 2000), 'key_' || n)"
            " FROM generate_series(1, 500) n"
        )
        await read_until(other, lambda told: told.key_revoked.key_id == "key_500")

        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: unhandled.append(context))
        try:
            stuck.cancel()
            spans = await _spans(collector, parent, _has_call)
        finally:
            loop.set_exception_handler(None)
        other.cancel()
    (call,) = [received for name, received in spans.items() if "/" in name]
    assert call.attributes["rpc.grpc.status_code"] == grpc.StatusCode.CANCELLED.value[0]
    assert call.attributes["authsvc.caller_id"]
    assert unhandled == []


async def test_a_caller_that_does_not_record_its_trace_has_ours_not_recorded(
    shared_service: Service, shared_stubs: Stubs, collector: Collector
) -> None:
    silent, loud = Parent(flags="00"), Parent()
    request = ValidateCredentialRequest(credential="no key")
    for parent in (silent, loud):
        metadata = (*bearer(shared_service.admin_key), *parent.metadata)
        await shared_stubs.auth.ValidateCredential(request, metadata=metadata)

    await _spans(collector, loud, _has_call)
    assert collector.of_trace(silent.trace_id) == []


async def test_the_log_has_the_trace_id(shared_service: Service, shared_stubs: Stubs) -> None:
    parent = Parent()
    metadata = (*bearer(shared_service.admin_key), *parent.metadata)
    with capture_logs(processors=[merge_contextvars]) as lines:
        await shared_stubs.auth.ValidateCredential(
            ValidateCredentialRequest(credential="no key"), metadata=metadata
        )

    assert [line["trace_id"] for line in lines if line["event"] == "credential denied"] == [
        parent.trace_id
    ]


async def test_work_that_belongs_to_no_call_has_no_spans(
    shared_service: Service, collector: Collector
) -> None:
    before = len(collector.spans)
    async with app.open_parts(shared_service.parts.settings) as parts:
        await parts.bootstrap.prepare(ORIGIN, app.time_limit())

    assert not [s for s in collector.spans[before:] if not s.span.parent_span_id]


async def test_a_collector_that_never_answers_delays_the_end_no_longer_than_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, capture_logs() as lines:
        monkeypatch.setenv(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}"
        )
        async with exporting("1", last_seconds=0.1) as tracer:
            tracer.start_span("one").end()

    assert [line["event"] for line in lines] == ["last traces not exported"]


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            },
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "zipkin"},
            "OTEL_TRACES_EXPORTER",
        ),
    ],
)
async def test_what_cannot_be_exported_so_is_told_at_the_start(
    variables: dict[str, str], named: str
) -> None:
    with pytest.raises(InvalidSettings, match=named):
        async with opened_traces(variables):
            pass


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
async def test_traces_are_off_unless_switched_on(variables: dict[str, str]) -> None:
    async with opened_traces(variables) as traces:
        assert traces is None
