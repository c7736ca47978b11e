"""One server, its attackers, and another caller who validates a good key all the while.

Depends on grpc as an ordinary client, and on the attacks as a program.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc

from benchmarks.cases import caller_metadata
from benchmarks.hostile import Order
from benchmarks.hostile_connections import Victim
from benchmarks.load import percentile
from benchmarks.processes import family, output_of, resident_bytes
from benchmarks.service import Service
from orchestrator.auth.v1.auth_service_pb2 import ValidateCredentialRequest
from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceStub

if TYPE_CHECKING:
    from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceAsyncStub

_CALM_SECONDS: Final = 5.0
_SETTLE_SECONDS: Final = 35.0
"""The server gives memory back every half minute."""
_ENOUGH: Final = 1.05
"""Times the memory before: what the allocator may keep without being waited for."""
_PAUSE_SECONDS: Final = 0.005
_SAMPLE_SECONDS: Final = 0.1
_CALL_SECONDS: Final = 10.0
_LIMIT_SECONDS: Final = 300.0
_ZERO: Final = ("authsvc_rpc_in_flight", "authsvc_watch_streams")
"""Metrics that are nothing when nobody calls."""


@dataclass(slots=True)
class Bystander:
    """A caller that validates a good key all the time, and what it sees."""

    milliseconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def p99(self) -> float:
        """Milliseconds that almost every call stays below."""
        return percentile(sorted(self.milliseconds), 99)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one attack did."""

    endings: Counter[str]
    """What the server did with what was sent."""
    bystander: Bystander
    most_bytes: int
    """The server's memory at its height."""
    bytes_after: int
    log_lines: int


@dataclass(frozen=True, slots=True)
class Round:
    """All attacks, one after the other."""

    calm: Bystander
    seen: dict[str, Seen]
    descriptors: int
    """How many more the server has open than before."""
    under_way: float
    """How many calls and streams the server still counts."""

    @property
    def left(self) -> int:
        """What should be gone, and is not."""
        return max(self.descriptors, 0) + round(self.under_way)

    @property
    def failures(self) -> int:
        """How many calls of others failed."""
        return sum(each.bystander.failures.total() for each in self.seen.values())


class Siege:
    """One server, its attackers, and a bystander."""

    def __init__(self, service: Service, victim: Victim) -> None:
        """Take the service and how it is reached."""
        self._service = service
        self._victim = victim
        self.bytes_before = resident_bytes(service.server.pid)

    async def round(
        self, number: int, amounts: Mapping[str, int], on_seen: Callable[[str, Seen, float], None]
    ) -> Round:
        """Make every attack once.

        Args:
            number: A seed.
            amounts: How much of each attack.
            on_seen: Is told what each did, and the 99th percentile of the bystander's calm.
        """
        pid = self._service.server.pid
        async with self._bystander() as calm:
            await asyncio.sleep(_CALM_SECONDS)
        descriptors = _descriptors(pid)
        seen = {}
        for name, amount in amounts.items():
            seen[name] = one = await self._attack(name, amount, number)
            on_seen(name, one, calm.p99)
        under_way = await self._under_way()
        return Round(calm, seen, _descriptors(pid) - descriptors, under_way)

    async def _attack(self, name: str, amount: int, seed: int) -> Seen:
        log = self._service.server.log
        lines = _lines(log)
        order = Order(name, amount, seed, asdict(self._victim))
        async with self._bystander() as bystander, self._peak() as peak:
            printed = await output_of(
                (sys.executable, "-m", "benchmarks.hostile"),
                os.environ,
                _LIMIT_SECONDS,
                stdin=json.dumps(asdict(order)).encode(),
            )
        endings: Counter[str] = Counter(json.loads(printed))
        left = await self._settled(peak[0])
        return Seen(endings, bystander, max(peak), left, _lines(log) - lines)

    async def _settled(self, bytes_before: int) -> int:
        """Return the server's memory when it has had the time to give back what is free."""
        pid = self._service.server.pid
        bytes_after = resident_bytes(pid)
        end = time.monotonic() + _SETTLE_SECONDS
        while bytes_after > _ENOUGH * bytes_before and time.monotonic() < end:
            await asyncio.sleep(_SAMPLE_SECONDS)
            bytes_after = resident_bytes(pid)
        return bytes_after

    @asynccontextmanager
    async def _bystander(self) -> AsyncIterator[Bystander]:
        """Validate a good key until the block ends."""
        seen = Bystander()
        request = ValidateCredentialRequest(credential=self._service.good_key)
        metadata = caller_metadata(self._service)

        async def validate(stub: AuthServiceAsyncStub) -> None:
            while True:
                began = time.perf_counter()
                try:
                    answer = await stub.ValidateCredential(
                        request, metadata=metadata, timeout=_CALL_SECONDS
                    )
                except grpc.aio.AioRpcError as error:
                    seen.failures[error.code().name] += 1
                else:
                    if not answer.HasField("principal"):
                        seen.failures["denied"] += 1
                seen.milliseconds.append((time.perf_counter() - began) * 1000)
                await asyncio.sleep(_PAUSE_SECONDS)

        async with (
            grpc.aio.insecure_channel(self._service.server.address) as channel,
            asyncio.TaskGroup() as group,
        ):
            task = group.create_task(validate(AuthServiceStub(channel)))
            yield seen
            task.cancel()

    @asynccontextmanager
    async def _peak(self) -> AsyncIterator[list[int]]:
        """Note the server's memory until the block ends."""
        samples = [resident_bytes(self._service.server.pid)]

        async def sample() -> None:
            while True:
                await asyncio.sleep(_SAMPLE_SECONDS)
                samples.append(resident_bytes(self._service.server.pid))

        async with asyncio.TaskGroup() as group:
            task = group.create_task(sample())
            yield samples
            task.cancel()

    async def _under_way(self) -> float:
        reader, writer = await asyncio.open_connection(*self._victim.http_address.split(":"))
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        page = (await reader.read()).decode()
        writer.close()
        found = re.findall(rf"^({'|'.join(_ZERO)})(?:{{.*}})? (\S+)$", page, re.MULTILINE)
        return sum(float(value) for _, value in found)


def _descriptors(pid: int) -> int:
    return sum(len(list(Path(f"/proc/{one}/fd").iterdir())) for one in family(pid))


def _lines(log: Path) -> int:
    return log.read_bytes().count(b"\n")
