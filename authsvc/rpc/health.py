"""grpc.health.v1: tells the truth about the database, and says good-bye before the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from authsvc.domain.errors import DatabaseUnavailable
from authsvc.domain.readiness import Check, Readiness

SERVICE_NAME: Final = health.SERVICE_NAME
OVERALL: Final = health.OVERALL_HEALTH

_PROBE_INTERVAL_SECONDS: Final = 1.0
# How long a watcher's last message may take to leave before its stream is closed.
_FAREWELL_SECONDS: Final = 0.1

log = structlog.get_logger()


class _HealthServicer(health.aio.HealthServicer):  # type: ignore[misc] # the package is untyped
    """The package's servicer, but its Watch streams end when the server drains.

    They have no end of their own, so each one would hold a stopping server for its whole grace
    period.
    """

    def __init__(self) -> None:
        super().__init__()
        self._watches: set[asyncio.Task[Any]] = set()

    async def Watch(  # noqa: N802 - the name in the proto
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        watch = asyncio.ensure_future(super().Watch(request, context))
        self._watches.add(watch)
        try:
            await asyncio.wait([watch])
        finally:
            self._watches.discard(watch)
            watch.cancel()

    async def end_watches(self) -> None:
        await asyncio.sleep(_FAREWELL_SECONDS if self._watches else 0)
        for watch in self._watches:
            watch.cancel()


class Health:
    """The health of the server and of each of its services.

    SERVING means that the database answered the last probe, or that the service can do without
    it for now. Overall health is that of the database.
    """

    def __init__(
        self,
        *,
        probe: Callable[[], Awaitable[None]],
        service_names: Iterable[str],
        does_without: Mapping[str, Callable[[], bool]] = MappingProxyType({}),
    ) -> None:
        """Take the probe and the services.

        Args:
            probe: Asks the database; raises DatabaseUnavailable.
            service_names: The services, by full name.
            does_without: For a service that can answer while the database is away, whether it
                can right now.
        """
        self._probe = probe
        self._does_without = does_without
        self._names = (OVERALL, *service_names)
        self._servicer = _HealthServicer()
        self._serving: bool | None = None
        self._draining = False

    def add_to(self, server: grpc.aio.Server) -> None:
        """Serve health on a server that is not started yet."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def probe_once(self) -> None:
        """Ask the database for a sign of life, and report what came of it."""
        try:
            await self._probe()
        except DatabaseUnavailable as error:
            if self._serving is not False:
                log.error("database unavailable", cause=repr(error.__cause__ or error))  # noqa: TRY400 - the cause says it, a traceback would not
            self._serving = False
        except Exception:
            # A probe that cannot be made is no sign of life either, and must not end the probing.
            log.exception("health probe failed")
            self._serving = False
        else:
            if self._serving is False:
                log.info("database available again")
            self._serving = True
        for name in self._names:
            serving = self._serving or self._can_do_without(name)
            status = health_pb2.HealthCheckResponse.ServingStatus.Value(
                "SERVING" if serving else "NOT_SERVING"
            )
            await self._servicer.set(name, status)

    async def keep_probing(self) -> None:
        """Probe until cancelled."""
        while True:
            await self.probe_once()
            await asyncio.sleep(_PROBE_INTERVAL_SECONDS)

    @property
    def database_answers(self) -> bool:
        """Whether the database answered the last probe."""
        return bool(self._serving)

    def readiness(self, service_name: str) -> Readiness:
        """Return what a service's health comes from, without asking the database again.

        Args:
            service_name: The service, by full name.
        """
        return Readiness((self._process_check(), self._database_check(service_name)))

    def _process_check(self) -> Check:
        if self._draining:
            return Check("process", passed=False, detail="draining, wants no new calls")
        return Check("process", passed=True, detail="takes calls")

    def _database_check(self, service_name: str) -> Check:
        if self._serving is None:
            return Check("database", passed=False, detail="not asked yet")
        if self._serving:
            return Check("database", passed=True, detail="answers")
        if self._can_do_without(service_name):
            return Check(
                "database", passed=True, detail="does not answer; memory answers in its place"
            )
        return Check("database", passed=False, detail="does not answer")

    def _can_do_without(self, service_name: str) -> bool:
        return self._does_without.get(service_name, bool)()

    async def say_goodbye(self, notice: timedelta = timedelta()) -> None:
        """Report NOT_SERVING for good, and, when it has been noticed, end the streams that watch.

        Args:
            notice: How long those take who look only now and then.
        """
        self._draining = True
        await self._servicer.enter_graceful_shutdown()
        await asyncio.sleep(notice.total_seconds())
        await self._servicer.end_watches()
