"""The calls of the async client: what the methods of all areas are built on. Depends on grpc.

Each area is a class on `AsyncCalls`; `AsyncAuthClient` inherits them all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar, cast

import grpc.aio

from orchestrator.auth._errors import MalformedResponse, from_rpc_error
from orchestrator.auth.v1.account_service_pb2_grpc import AccountServiceStub
from orchestrator.auth.v1.audit_service_pb2_grpc import AuditServiceStub
from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from orchestrator.auth.v1.session_service_pb2_grpc import SessionServiceStub

if TYPE_CHECKING:
    import asyncio

    from orchestrator.auth._connection import Connection
    from orchestrator.auth.v1.account_service_pb2_grpc import AccountServiceAsyncStub
    from orchestrator.auth.v1.audit_service_pb2_grpc import AuditServiceAsyncStub
    from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceAsyncStub
    from orchestrator.auth.v1.session_service_pb2_grpc import SessionServiceAsyncStub

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class AsyncOpen(NamedTuple):
    """An open channel with the loop that it belongs to, and the services on it."""

    loop: asyncio.AbstractEventLoop
    channel: grpc.aio.Channel
    auth: AuthServiceAsyncStub
    accounts: AccountServiceAsyncStub
    audit: AuditServiceAsyncStub
    sessions: SessionServiceAsyncStub

    @classmethod
    def on(cls, loop: asyncio.AbstractEventLoop, channel: grpc.aio.Channel) -> Self:
        """Return the services on a channel, which belongs to the loop."""
        return cls(
            loop,
            channel,
            AuthServiceStub(channel),
            AccountServiceStub(channel),
            AuditServiceStub(channel),
            SessionServiceStub(channel),
        )


class AsyncCalls(ABC):
    """Makes the calls of an area's methods over the connection that `AsyncAuthClient` opens."""

    _connection: Connection

    @abstractmethod
    def _open(self) -> AsyncOpen:
        """Return what is open; the first call opens it.

        Raises:
            ConfigurationError: The client is closed, or belongs to another event loop.
        """

    async def _call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        timeout: float | None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> _Response:
        seconds = self._connection.deadline(timeout)
        try:
            call = method(request, timeout=seconds, metadata=self._connection.metadata())
            # Unlike the sync library, grpc.aio returns None for a response that cannot be parsed.
            response = cast("_Response | None", await call)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
        if response is None:
            raise MalformedResponse("the response cannot be parsed")
        return response
