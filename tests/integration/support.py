"""What integration tests share: raw calls, the details of statuses, and waiting for an event."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from authsvc import app
from authsvc.postgres.grants import grant
from orchestrator.auth.v1.account_service_pb2_grpc import AccountServiceStub
from orchestrator.auth.v1.audit_service_pb2_grpc import AuditServiceStub
from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from orchestrator.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tests.conftest import Service, as_owner, execute

if TYPE_CHECKING:
    from orchestrator.auth.v1.account_service_pb2_grpc import AccountServiceAsyncStub
    from orchestrator.auth.v1.audit_service_pb2_grpc import AuditServiceAsyncStub
    from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceAsyncStub
    from orchestrator.auth.v1.session_service_pb2_grpc import SessionServiceAsyncStub

Metadata = tuple[tuple[str, str], ...]
WRITERS_LOCK = 0x61757468_0001
"""The advisory lock that every writer of the change log takes."""


@dataclass(frozen=True)
class Stubs:
    """The generated stubs on one channel."""

    channel: grpc.aio.Channel
    auth: AuthServiceAsyncStub
    accounts: AccountServiceAsyncStub
    audit: AuditServiceAsyncStub
    sessions: SessionServiceAsyncStub

    @classmethod
    def on(cls, channel: grpc.aio.Channel) -> Stubs:
        """Make the stubs of all services."""
        return cls(
            channel,
            AuthServiceStub(channel),
            AccountServiceStub(channel),
            AuditServiceStub(channel),
            SessionServiceStub(channel),
        )


@asynccontextmanager
async def stubs_of(address: str) -> AsyncIterator[Stubs]:
    """Open a channel without the retries that the real client makes."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield Stubs.on(channel)


def bearer(credential: str) -> Metadata:
    """Return the metadata with which a caller proves itself."""
    return (("authorization", f"Bearer {credential}"),)


def fresh_name() -> str:
    """Return a name that no other key has."""
    return f"key {secrets.token_hex(6)}"


@dataclass(frozen=True)
class Refusal:
    """An error status, taken apart."""

    code: grpc.StatusCode
    text: str
    details: tuple[Any, ...]
    trailing: dict[str, str | bytes]

    def details_of(self, kind: type[Any]) -> list[Any]:
        return [detail for detail in self.details if isinstance(detail, kind)]

    @property
    def info(self) -> Any:  # noqa: ANN401 - google.rpc is untyped
        (info,) = self.details_of(error_details_pb2.ErrorInfo)
        return info

    @property
    def reason(self) -> str:
        return str(self.info.reason).removeprefix("ERROR_REASON_")

    @property
    def request_id(self) -> str:
        (info,) = self.details_of(error_details_pb2.RequestInfo)
        return str(info.request_id)

    @property
    def violations(self) -> list[tuple[str, str]]:
        found = self.details_of(error_details_pb2.BadRequest)
        return [(v.field, v.description) for each in found for v in each.field_violations]

    @property
    def violated_fields(self) -> list[str]:
        return [field for field, _ in self.violations]

    @property
    def retry_delay(self) -> timedelta | None:
        found = self.details_of(error_details_pb2.RetryInfo)
        return found[0].retry_delay.ToTimedelta() if found else None

    @property
    def everything(self) -> str:
        """All that was on the wire, to search for what should not be there."""
        return f"{self.text} {self.details} {self.trailing!r}"


_DETAILS = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.RequestInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.RetryInfo,
)


def refusal_of(error: grpc.aio.AioRpcError) -> Refusal:
    """Take an error status apart."""
    trailing = dict(error.trailing_metadata())
    status = status_pb2.Status()
    encoded = trailing.get("grpc-status-details-bin", b"")
    assert isinstance(encoded, bytes)
    status.ParseFromString(encoded)
    details = []
    for packed in status.details:
        (kind,) = (kind for kind in _DETAILS if packed.Is(kind.DESCRIPTOR))
        detail = kind()
        packed.Unpack(detail)
        details.append(detail)
    if encoded:
        assert (status.code, status.message) == (error.code().value[0], error.details())
    return Refusal(error.code(), error.details() or "", tuple(details), trailing)


async def refused(call: Awaitable[object]) -> Refusal:
    """Await a call that must end in an error status."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal_of(caught.value)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    """Wait until something holds that can only be looked at."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection beside the service's own."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def url_of(service: Service) -> str:
    """Return the URL of a service's database, for its owner."""
    return as_owner(service.parts.settings.database_url.get_secret_value())


@asynccontextmanager
async def locked(service: Service, lock: str) -> AsyncIterator[asyncpg.Connection]:
    """Hold a lock in the service's database; ends with the block."""
    async with connected(url_of(service)) as connection, connection.transaction():
        await connection.execute(lock)
        yield connection


WRITERS_LOCKED = f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})"
KEYS_LOCKED = "LOCK TABLE authsvc.keys IN ACCESS EXCLUSIVE MODE"


async def waiting_backends(connection: asyncpg.Connection) -> int:
    """Count the service's statements that wait for a lock in this connection's database."""
    # Within a transaction, the first look would be kept.
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    return int(
        await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'authsvc' AND wait_event_type = 'Lock'"
        )
    )


async def until_waiting(connection: asyncpg.Connection, backends: int) -> None:
    """Wait until so many of the service's statements wait for a lock."""

    async def all_wait() -> bool:
        return await waiting_backends(connection) == backends

    await until(all_wait)


async def mint(service: Service, **changes: Any) -> str:  # noqa: ANN401 - claims of any type
    """Make an access token of the service's ordinary account."""
    signer = await app.token_signer(service.parts)
    claims: dict[str, Any] = {
        "user_id": "user_1",
        "account_id": service.account.account_id,
        "scopes": ["*"],
        "token_id": secrets.token_hex(8),
        "issue_time": app.utc_now(),
        "ttl": timedelta(minutes=5),
    }
    return signer.sign(**{**claims, **changes})


def quoted(role: str) -> str:
    """Return a role's name as statements have it."""
    return '"' + role.replace('"', '""') + '"'


def url_as(role: str, database_url: str) -> str:
    """Return a database's address for another role."""
    plain = urlsplit(database_url)
    host = f"@{plain.hostname or ''}" + (f":{plain.port}" if plain.port else "")
    return urlunsplit(plain._replace(netloc=f"{quote(role)}{host}"))


@asynccontextmanager
async def a_server_role(database_url: str) -> AsyncIterator[str]:
    """Make a role that logs in with the rights of servers; yields the database's address for it."""
    role = f"authsvc_server_{secrets.token_hex(4)}"
    await execute(database_url, f"CREATE ROLE {role} LOGIN")
    try:
        await grant(database_url, role)
        yield url_as(role, database_url)
    finally:
        await execute(database_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
