"""All services that are served over gRPC, each with its servicer."""

from __future__ import annotations

from typing import Final, TypeAlias

from google.protobuf.descriptor import ServiceDescriptor

from authsvc.composition.accounts import account_servicer
from authsvc.composition.audit import audit_servicer
from authsvc.composition.judging import Judging
from authsvc.composition.keys import auth_servicer
from authsvc.composition.sessions import session_servicer
from authsvc.composition.signing import Signing
from authsvc.config import Settings
from authsvc.domain.clock import Clock
from authsvc.domain.tallies import Tally
from authsvc.postgres.database import Database
from authsvc.usecases.issue_key import IssueKey
from authsvc.usecases.passwords import PasswordHasher
from orchestrator.auth.v1 import (
    account_service_pb2,
    audit_service_pb2,
    auth_service_pb2,
    session_service_pb2,
)

AUTH_SERVICE: Final = auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"]
_ACCOUNT_SERVICE: Final = account_service_pb2.DESCRIPTOR.services_by_name["AccountService"]
_AUDIT_SERVICE: Final = audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"]
_SESSION_SERVICE: Final = session_service_pb2.DESCRIPTOR.services_by_name["SessionService"]

Services: TypeAlias = dict[ServiceDescriptor, object]
"""Each service with its servicer."""


def build_services(
    settings: Settings,
    database: Database,
    *,
    judging: Judging,
    signing: Signing,
    issue_key: IssueKey,
    hasher: PasswordHasher,
    refresh_repeats: Tally,
    clock: Clock,
) -> Services:
    """Build the servicer of each service."""
    return {
        AUTH_SERVICE: auth_servicer(settings, database, judging, issue_key=issue_key, clock=clock),
        _ACCOUNT_SERVICE: account_servicer(settings, database, hasher=hasher, clock=clock),
        _AUDIT_SERVICE: audit_servicer(settings, database),
        _SESSION_SERVICE: session_servicer(
            settings,
            database,
            signing,
            hasher=hasher,
            refresh_repeats=refresh_repeats,
            refused_guesses=judging.failures.refusals,
            clock=clock,
        ),
    }
