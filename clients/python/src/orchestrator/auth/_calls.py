"""The calls of the sync client: what the methods of all areas are built on. Depends on grpc.

Each area is a class on `Calls`; `AuthClient` inherits them all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

import grpc

from orchestrator.auth._errors import from_rpc_error
from orchestrator.auth.v1.account_service_pb2_grpc import AccountServiceStub
from orchestrator.auth.v1.audit_service_pb2_grpc import AuditServiceStub
from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from orchestrator.auth.v1.session_service_pb2_grpc import SessionServiceStub

if TYPE_CHECKING:
    from orchestrator.auth._connection import Connection

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class Open(NamedTuple):
    """An open channel, and the services on it."""

    channel: grpc.Channel
    auth: AuthServiceStub
    accounts: AccountServiceStub
    audit: AuditServiceStub
    sessions: SessionServiceStub

    @classmethod
    def on(cls, channel: grpc.Channel) -> Self:
        """Return the services on a channel."""
        return cls(
            channel,
            AuthServiceStub(channel),
            AccountServiceStub(channel),
            AuditServiceStub(channel),
            SessionServiceStub(channel),
        )


class Calls(ABC):
    """Makes the calls of an area's methods over the connection that `AuthClient` opens."""

    _connection: Connection

    @abstractmethod
    def _open(self) -> Open:
        """Return what is open; the first call opens it.

        Raises:
            ConfigurationError: The client is closed.
        """

    def _call(
        self,
        method: grpc.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        timeout: float | None,
    ) -> _Response:
        seconds = self._connection.deadline(timeout)
        try:
            return method(request, timeout=seconds, metadata=self._connection.metadata())
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
