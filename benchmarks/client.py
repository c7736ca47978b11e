"""An ordinary client, which unlike h2load sends another key with each call.

Depends on grpc, the generated messages and `cases`.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import grpc

from benchmarks.cases import AUTHORITATIVE, BATCH, VALIDATE, batch_request, caller_metadata, is_key
from benchmarks.errors import WrongAnswer
from benchmarks.processes import Server
from benchmarks.service import Service
from orchestrator.auth.v1.auth_service_pb2 import (
    BatchValidateCredentialsResponse,
    ValidateCredentialRequest,
    ValidateCredentialResponse,
)
from orchestrator.auth.v1.freshness_pb2 import FRESHNESS_SOURCE_DATABASE

_TIMEOUT_SECONDS: Final = 10.0

_Method: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"


class RawClient:
    """Validates the bulk keys of a service."""

    def __init__(self, channel: grpc.aio.Channel, service: Service) -> None:
        """Use `RawClient.open`."""
        self._validate: _Method = channel.unary_unary(VALIDATE)
        self._batch: _Method = channel.unary_unary(BATCH)
        self._metadata = caller_metadata(service)
        self._bulk = service.bulk

    @classmethod
    @asynccontextmanager
    async def open(cls, service: Service, server: Server) -> AsyncIterator[RawClient]:
        """Connect to one of the service's servers until the block ends."""
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield cls(channel, service)

    async def read_random(self, seconds: float) -> list[float]:
        """Validate keys drawn at random, one after the other, each read for its call.

        Args:
            seconds: For how long.

        Returns:
            How long each took, in milliseconds, in ascending order.

        Raises:
            WrongAnswer: An answer was not the expected one.
        """
        durations = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            number = random.randrange(self._bulk.count)  # noqa: S311 - a sample, no secret
            request = ValidateCredentialRequest(
                credential=self._bulk.secret(number), freshness=AUTHORITATIVE
            ).SerializeToString()
            now = time.perf_counter()
            answer = await self._validate(
                request, timeout=_TIMEOUT_SECONDS, metadata=self._metadata
            )
            durations.append((time.perf_counter() - now) * 1000)
            verdict = ValidateCredentialResponse.FromString(answer)
            if not is_key(self._bulk.key_id(number), FRESHNESS_SOURCE_DATABASE)(verdict):
                raise WrongAnswer(f"the answer is another one: {verdict}")
        return sorted(durations)

    async def validate_range(self, first: int, last: int, size: int = 1000) -> set[int]:
        """Validate the keys from one number to before another, in batches.

        Returns:
            The sources of the answers.

        Raises:
            WrongAnswer: An answer was not a principal of its key.
        """
        sources: set[int] = set()
        for start in range(first, last, size):
            numbers = range(start, min(start + size, last))
            request = batch_request([self._bulk.secret(number) for number in numbers])
            answer = await self._batch(request, timeout=_TIMEOUT_SECONDS, metadata=self._metadata)
            verdicts = BatchValidateCredentialsResponse.FromString(answer).responses
            for number, verdict in zip(numbers, verdicts, strict=True):
                if verdict.principal.key_id != self._bulk.key_id(number):
                    raise WrongAnswer(f"the answer is another one: {verdict}")
                sources.add(verdict.freshness.source)
        return sources
