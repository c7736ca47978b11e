"""The metrics of a process that serves: what is counted, and the page that tells it."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

import grpc

from authsvc.composition import readings
from authsvc.composition.parts import Parts
from authsvc.composition.services import AUTH_SERVICE
from authsvc.domain.tallies import Durations, Tally
from authsvc.metrics import catalog
from authsvc.metrics.calls import CallCounts
from authsvc.metrics.exposition import Page, page
from authsvc.metrics.place import Place
from authsvc.metrics.process import measure_lag, process_samples
from authsvc.metrics.samples import Sample, durations_sample
from authsvc.metrics.workers import Workers
from authsvc.rpc.core_calls import core_calls
from authsvc.rpc.health import Health
from authsvc.rpc.shedding import Shedding
from authsvc.usecases.audit_denials import AuditDenials
from authsvc.version import VERSION


class Meter:
    """Reads the numbers of this process off its parts, and those of the other workers from them."""

    def __init__(
        self,
        parts: Parts,
        *,
        health: Health,
        audit_denials: AuditDenials,
        refresh_repeats: Tally,
        shedding: Shedding,
        expiry_times: Callable[[], Mapping[str, datetime]],
        place: Place,
    ) -> None:
        """Take what is read off, and which worker this is.

        Args:
            parts: What stands between the wire and the database.
            health: What calls may be sent here by.
            audit_denials: What refused attempts are written by.
            refresh_repeats: How often a refresh was answered again.
            shedding: What refuses calls beyond a limit.
            expiry_times: Tells when each certificate expires, by what it is: `server` or
                `client_ca`.
            place: Which worker this is.
        """
        self._parts = parts
        self._health = health
        self._audit_denials = audit_denials
        self._refresh_repeats = refresh_repeats
        self._shedding = shedding
        self._expiry_times = expiry_times
        self._place = place
        self._workers = Workers(place, self._samples)
        self._lags = Durations()
        self.calls = CallCounts()
        """Is to be told of every call."""

    @asynccontextmanager
    async def measuring(self) -> AsyncIterator[None]:
        """Measure what has to be measured all the time, and answer the other workers."""
        measuring = asyncio.create_task(measure_lag(self._lags))
        try:
            async with self._workers.answering():
                yield
        finally:
            measuring.cancel()
            await asyncio.wait([measuring])

    async def page(self, accept: str) -> Page:
        """Return the numbers of all workers in a format that an Accept header names."""
        return page(await self._workers.samples(), accept)

    def _samples(self) -> Iterator[Sample]:
        parts, judging = self._parts, self._parts.judging
        yield from self._of_process()
        yield from self._of_calls()
        yield from readings.of_verdicts(judging)
        yield from readings.of_memory(judging)
        yield from readings.of_freshness(parts.settings, judging)
        yield from readings.of_database(parts.database)
        yield from readings.of_usage(parts.usage)
        yield from readings.of_audit(self._audit_denials)
        yield from readings.of_rate_limits(parts.rate_limits)
        yield from readings.of_passwords(parts.hasher)
        yield from readings.of_tokens(parts.settings, parts.signing, judging)
        yield Sample(catalog.REFRESH_REPEATS, self._refresh_repeats.count)

    def _of_process(self) -> Iterator[Sample]:
        build = VERSION, platform.python_version(), grpc.__version__
        ready = self._health.readiness(AUTH_SERVICE.full_name).ready
        yield Sample(catalog.BUILD_INFO, 1, build)
        yield Sample(catalog.WORKER_RESTARTS, self._place.restarts)
        yield Sample(catalog.READY, ready)
        yield Sample(catalog.DATABASE_UP, self._health.database_answers)
        for name, expiry_time in self._expiry_times().items():
            yield Sample(catalog.CERTIFICATE_EXPIRY, expiry_time.timestamp(), (name,))
        yield durations_sample(catalog.EVENT_LOOP_LAG, self._lags)
        yield from process_samples()

    def _of_calls(self) -> Iterator[Sample]:
        yield from self.calls.samples()
        for event, count in core_calls()._asdict().items():
            yield Sample(catalog.RPC_CORE_CALLS, count, (event,))
        yield Sample(catalog.RPC_IN_FLIGHT, self._shedding.in_flight)
        yield Sample(catalog.RPC_SHED, self._shedding.shed)
