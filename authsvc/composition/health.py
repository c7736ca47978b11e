"""Health, over gRPC and HTTP: built here, joined with the rest in `authsvc.app`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from authsvc.composition.judging import Judging
from authsvc.composition.services import AUTH_SERVICE, Services
from authsvc.domain.clock import Deadline
from authsvc.postgres.database import Database
from authsvc.rpc.health import Health

_PROBE_SECONDS: Final = 1.0


def build_health(
    database: Database,
    judging: Judging,
    services: Services,
    new_deadline: Callable[[float], Deadline],
) -> Health:
    """Build the health of the services, which follows that of the database."""
    return Health(
        probe=lambda: database.ping(new_deadline(_PROBE_SECONDS)),
        service_names=[service.full_name for service in services],
        does_without={AUTH_SERVICE.full_name: judging.can_serve_stale},
    )
