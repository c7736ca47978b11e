"""Callers that go on through a failover, and what they see. Depends on the Python client and grpc.

Validations and reads are made by the bare stubs, which retry nothing. Keys are made by the client,
which does; when it gives up, the caller repeats the call with the same `request_id`.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.cases import caller_metadata, manager_metadata
from benchmarks.errors import BenchmarkFailed
from benchmarks.service import Service
from orchestrator.auth import AsyncAuthClient, AuthServiceError, CreatedKey
from orchestrator.auth.v1.auth_service_pb2 import ValidateCredentialRequest
from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from orchestrator.auth.v1.freshness_pb2 import FreshnessSource
from orchestrator.auth.v1.key_management_pb2 import GetKeyRequest

if TYPE_CHECKING:
    from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceAsyncStub

_CALL_SECONDS: Final = 4.0
_VALIDATION_PAUSE_SECONDS: Final = 0.002
_PAUSE_SECONDS: Final = 0.01
_LIMIT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Answered:
    """A call that was answered: from when to when."""

    began: float
    told: float


@dataclass(frozen=True, slots=True)
class Made:
    """A key whose creation was acknowledged."""

    key: CreatedKey
    told: float
    """When the answer came."""


@dataclass
class Seen:
    """What callers saw; times are of the stop-watch."""

    validations: Counter[str] = field(default_factory=Counter)
    """Answers that were good, by the source of their freshness."""
    failed_validations: Counter[str] = field(default_factory=Counter)
    """The others, by status; `denied` among them."""
    longest_gap: float = 0.0
    """Seconds between two good validations."""
    reads: list[Answered] = field(default_factory=list)
    failed_reads: Counter[str] = field(default_factory=Counter)
    made: list[Made] = field(default_factory=list)
    failed_writes: Counter[str] = field(default_factory=Counter)
    health: list[str] = field(default_factory=list)
    """Each new status that a watcher was told."""


class Load:
    """Three callers that call without end, one of each kind, and a watcher of health."""

    def __init__(self, service: Service) -> None:
        """Take the service to load."""
        self.seen = Seen()
        self._service = service
        self._manager = manager_metadata(service)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Call until the block ends."""
        address = self._service.server.address
        async with (
            grpc.aio.insecure_channel(address) as channel,
            AsyncAuthClient(address, api_key=self._service.manager_key, plaintext=True) as client,
            asyncio.TaskGroup() as group,
        ):
            stub: AuthServiceAsyncStub = AuthServiceStub(channel)
            callers = [
                group.create_task(self._validate(stub)),
                group.create_task(self._read(stub)),
                group.create_task(self._write(client)),
                group.create_task(self._watch_health(channel)),
            ]
            yield
            for caller in callers:
                caller.cancel()

    async def until(self, reached: Callable[[Seen], bool]) -> None:
        """Wait until callers have seen something.

        Raises:
            BenchmarkFailed: They never did.
        """
        try:
            async with asyncio.timeout(_LIMIT_SECONDS):
                while not reached(self.seen):  # noqa: ASYNC110 - callers note it without a word
                    await asyncio.sleep(_PAUSE_SECONDS)
        except TimeoutError:
            raise BenchmarkFailed(f"callers still wait, and saw {self.seen}") from None

    async def _validate(self, stub: AuthServiceAsyncStub) -> None:
        request = ValidateCredentialRequest(credential=self._service.good_key)
        metadata = caller_metadata(self._service)
        last = time.monotonic()
        while True:
            try:
                answer = await stub.ValidateCredential(
                    request, metadata=metadata, timeout=_CALL_SECONDS
                )
            except grpc.aio.AioRpcError as error:
                self.seen.failed_validations[error.code().name] += 1
            else:
                if answer.HasField("principal"):
                    source = FreshnessSource.Name(answer.freshness.source)
                    self.seen.validations[source.removeprefix("FRESHNESS_SOURCE_")] += 1
                    last, before = time.monotonic(), last
                    self.seen.longest_gap = max(self.seen.longest_gap, last - before)
                else:
                    self.seen.failed_validations["denied"] += 1
            await asyncio.sleep(_VALIDATION_PAUSE_SECONDS)

    async def _read(self, stub: AuthServiceAsyncStub) -> None:
        request = GetKeyRequest(key_id=self._service.key_id)
        while True:
            began = time.monotonic()
            try:
                await stub.GetKey(request, metadata=self._manager, timeout=_CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                self.seen.failed_reads[error.code().name] += 1
            else:
                self.seen.reads.append(Answered(began, time.monotonic()))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _write(self, client: AsyncAuthClient) -> None:
        while True:
            created = None
            name, request_id = f"made {len(self.seen.made)}", str(uuid.uuid4())
            while created is None:
                try:
                    created = await client.create_key(
                        name,
                        account_id=self._service.account_id,
                        request_id=request_id,
                        timeout=_CALL_SECONDS,
                    )
                except AuthServiceError as error:
                    self.seen.failed_writes[type(error).__name__] += 1
                    await asyncio.sleep(_PAUSE_SECONDS)
            self.seen.made.append(Made(created, time.monotonic()))

    async def _watch_health(self, channel: grpc.aio.Channel) -> None:
        stub = health_pb2_grpc.HealthStub(channel)
        async for answer in stub.Watch(health_pb2.HealthCheckRequest()):
            self.seen.health.append(
                health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
            )
