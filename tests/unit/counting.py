"""A counter of usage before a store that a test can break."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime

from authsvc.domain.clock import Deadline
from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.usage_batches import SourceKind, UsageBatch
from authsvc.usecases.usage import UsageCounter
from tests.unit.examples import NoHurry

START = datetime.fromisoformat("2026-01-02T03:59:58+00:00")


class Store:
    """Usage in memory as the database keeps it; fails before or after writing when told to."""

    def __init__(self) -> None:
        self.hours: dict[datetime, Counter[tuple[str, str]]] = {}
        self.sources: Counter[tuple[str, SourceKind, str]] = Counter()
        self.times: list[datetime] = []
        self.sequences: dict[str, int] = {}
        self.attempts: list[tuple[str, int]] = []
        self.failure: Exception | None = None
        self.loses_answers = False
        self.open = asyncio.Event()
        self.open.set()

    async def add_usage(self, batch: UsageBatch, deadline: Deadline) -> None:
        assert deadline
        self.attempts.append((batch.writer_id, batch.sequence))
        await self.open.wait()
        if self.failure:
            raise self.failure
        if batch.sequence > self.sequences.get(batch.writer_id, 0):
            self.sequences[batch.writer_id] = batch.sequence
            self.times.append(batch.seen_time)
            self.hours.setdefault(batch.hour, Counter()).update(batch.counts)
            self.sources.update(batch.sources)
        if self.loses_answers:
            raise DatabaseUnavailable

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """The counts of all hours."""
        return sum(self.hours.values(), Counter())


class Bench:
    def __init__(self) -> None:
        self.now = START
        self.store = Store()
        self.usage = UsageCounter(store=self.store, clock=lambda: self.now, writer_id="w")

    def count(self, key_id: str = "a", outcome: str = "OK", address: str = "") -> None:
        self.usage.count(key_id, outcome, address, "")

    async def flush(self) -> None:
        await self.usage.flush(NoHurry())


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-01-02T{text}+00:00")
