"""Runs the generators of `open_load` against a service, and takes together what they saw."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.cases import VALIDATE, caller_metadata, framed
from benchmarks.open_load import Order, Outcome
from benchmarks.processes import output_of
from benchmarks.service import Service
from orchestrator.auth.v1.auth_service_pb2 import ValidateCredentialRequest

GENERATORS: Final = 2
_GRACE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Phase:
    """What became of one load."""

    seconds: float
    served: Sequence[float]
    """How long it took, in milliseconds, from the shortest."""
    refused: Sequence[float]
    """The same."""
    lost: int
    """Calls that were kept back or never answered."""

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], seconds: float) -> Phase:
        """Take together what all generators saw."""
        return cls(
            seconds,
            sorted(each for outcome in outcomes for each in outcome.served),
            sorted(each for outcome in outcomes for each in outcome.refused),
            sum(outcome.kept_back + outcome.unanswered for outcome in outcomes),
        )

    @property
    def goodput(self) -> float:
        """Verdicts a second."""
        return len(self.served) / self.seconds

    @property
    def shed(self) -> float:
        """The share of the calls that were refused."""
        return len(self.refused) / (len(self.served) + len(self.refused) + self.lost)


class Load:
    """The generators, and the processors that they and the server run on."""

    def __init__(self, service: Service, connections: int, *, any_processor: bool) -> None:
        """Take the service to load.

        Args:
            service: The service. It gets a processor of its own, and the generators the others.
            connections: How many all generators have; a multiple of `GENERATORS`.
            any_processor: Leaves the choice of processors to the system instead.
        """
        request = ValidateCredentialRequest(credential=f"Bearer {service.good_key}")
        self._address = service.server.address
        self._metadata = [list(pair) for pair in caller_metadata(service)]
        self._body = framed(request.SerializeToString()).hex()
        self._connections = connections // GENERATORS
        self._processors = [] if any_processor else _parted_from(service.server.pid)

    @property
    def is_parted(self) -> bool:
        """Whether the server has a processor of its own."""
        return bool(self._processors)

    async def saturate(self, in_flight: int, seconds: float) -> Phase:
        """Keep so many calls under way."""
        return await self._run(seconds, in_flight=in_flight // GENERATORS)

    async def offer(self, rate: float, seconds: float) -> Phase:
        """Send so many calls a second."""
        return await self._run(seconds, rate=rate / GENERATORS)

    async def _run(self, seconds: float, *, rate: float = 0.0, in_flight: int = 0) -> Phase:
        order = Order(
            address=self._address,
            path=VALIDATE,
            metadata=self._metadata,
            body=self._body,
            connections=self._connections,
            seconds=seconds,
            rate=rate,
            in_flight=in_flight,
            processors=self._processors,
        )
        outcomes = await asyncio.gather(*(_generate(order) for _ in range(GENERATORS)))
        return Phase.of(outcomes, seconds)


async def _generate(order: Order) -> Outcome:
    printed = await output_of(
        (sys.executable, "-m", "benchmarks.open_load"),
        os.environ,
        order.seconds + _GRACE_SECONDS,
        stdin=json.dumps(asdict(order)).encode(),
    )
    return Outcome(**json.loads(printed))


def _parted_from(pid: int) -> list[int]:
    """Give a process with all its threads one processor, and return the others, if there are."""
    try:
        first, *others = sorted(os.sched_getaffinity(0))
        for task in Path(f"/proc/{pid}/task").iterdir() if others else ():
            os.sched_setaffinity(int(task.name), {first})
    except (AttributeError, OSError):  # macOS
        return []
    return others
