"""What a cached record weighs: the growth of a server's memory by many of them."""

from __future__ import annotations

import asyncio
from typing import Final

from benchmarks.client import RawClient
from benchmarks.errors import WrongAnswer
from benchmarks.processes import resident_bytes
from benchmarks.service import Service
from orchestrator.auth.v1.freshness_pb2 import FRESHNESS_SOURCE_CACHE

WARM: Final = 10_000
"""How many records are there before the first look at the memory."""
RECORDS: Final = 100_000
"""How many come between the two looks."""

_FLUSH_SECONDS: Final = 0.2
_SETTLE_SECONDS: Final = 1.0


async def bytes_per_record(service: Service) -> float:
    """Fill the cache of a new server by batches and return what a record takes, in bytes.

    Counts of usage are written often, or they would be weighed too: they wait in memory otherwise.

    Args:
        service: Has enough keys.

    Raises:
        WrongAnswer: An answer was not the expected one, or the records are not in the cache.
    """
    async with (
        service.serving(
            "memory", cache_records=2 * RECORDS, usage_flush_interval=_FLUSH_SECONDS
        ) as server,
        RawClient.open(service, server) as client,
    ):
        await client.validate_range(0, WARM)
        await asyncio.sleep(_SETTLE_SECONDS)
        before = resident_bytes(server.pid)
        await client.validate_range(WARM, WARM + RECORDS)
        await asyncio.sleep(_SETTLE_SECONDS)
        after = resident_bytes(server.pid)
        if await client.validate_range(0, WARM + RECORDS) != {FRESHNESS_SOURCE_CACHE}:
            raise WrongAnswer("the records that were weighed are not all in the cache")
    return (after - before) / RECORDS
