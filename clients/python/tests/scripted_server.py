"""A real gRPC server on loopback that answers as a test tells it."""
# A script may hold any message.
# ruff: noqa: ANN401

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent import futures
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, Protocol

import grpc

from orchestrator.auth.v1 import (
    account_service_pb2_grpc,
    audit_service_pb2_grpc,
    auth_service_pb2,
    auth_service_pb2_grpc,
    session_service_pb2_grpc,
)

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


class StartServer(Protocol):
    """Starts one more scripted server."""

    def __call__(self, credentials: grpc.ServerCredentials | None = None) -> ScriptedServer: ...


class Servers:
    """Starts scripted servers, and stops them all."""

    def __init__(self) -> None:
        self._started: list[grpc.Server] = []

    def start(self, credentials: grpc.ServerCredentials | None = None) -> ScriptedServer:
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
        self._started.append(server)
        return script

    def stop(self) -> None:
        for server in self._started:
            server.stop(None).wait()


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
