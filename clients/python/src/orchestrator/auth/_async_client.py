"""The async client. Depends on grpc; what it shares with the sync one is in the other modules."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self
from weakref import WeakSet

from orchestrator.auth._async_calls import AsyncOpen
from orchestrator.auth._async_client_accounts import AsyncAccountMethods
from orchestrator.auth._async_client_audit import AsyncAuditMethods
from orchestrator.auth._async_client_bulk import AsyncBulkMethods
from orchestrator.auth._async_client_keys import AsyncKeyMethods
from orchestrator.auth._async_client_sessions import AsyncSessionMethods
from orchestrator.auth._async_client_signing_keys import AsyncSigningKeyMethods
from orchestrator.auth._async_client_usage import AsyncUsageMethods
from orchestrator.auth._async_client_users import AsyncUserMethods
from orchestrator.auth._async_client_validation import AsyncValidationMethods
from orchestrator.auth._connection import DEFAULT_TIMEOUT, Connection
from orchestrator.auth._errors import ConfigurationError
from orchestrator.auth._watch import AsyncWatch

if TYPE_CHECKING:
    from types import TracebackType

    import grpc.aio

    from orchestrator.auth._model import (
        Anonymous,
    )
    from orchestrator.auth._secret import Secret
    from orchestrator.auth.v1.auth_service_pb2 import (
        WatchRevocationsRequest,
        WatchRevocationsResponse,
    )


class AsyncAuthClient(
    AsyncValidationMethods,
    AsyncKeyMethods,
    AsyncBulkMethods,
    AsyncUsageMethods,
    AsyncAccountMethods,
    AsyncUserMethods,
    AsyncAuditMethods,
    AsyncSigningKeyMethods,
    AsyncSessionMethods,
):
    """A client of authsvc for asyncio, with the arguments, results and errors of `AuthClient`.

    Example:
        >>> async with AsyncAuthClient("auth.internal:443") as client:  # key from AUTHSVC_API_KEY
        ...     principal = await client.validate(request.headers.get("Authorization"))

    Make one and share it among the tasks of one event loop. It connects at its first call and
    belongs to that call's loop, so it may be made before the loop runs.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        api_key: Secret | str | Anonymous | None = None,
        plaintext: bool = False,
        root_certificates: bytes | None = None,
        client_certificate: bytes | None = None,
        client_key: bytes | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._connection = Connection.resolve(
            target,
            api_key=api_key,
            plaintext=plaintext,
            root_certificates=root_certificates,
            client_certificate=client_certificate,
            client_key=client_key,
            timeout=timeout,
        )
        self._opened: AsyncOpen | None = None
        self._closed = False
        self._watches: WeakSet[AsyncWatch] = WeakSet()

    def watch(self, after_revision: int = 0) -> AsyncWatch:
        """Iterate over revocations and other changes: see `AuthClient.watch`."""
        if self._closed:
            raise ConfigurationError("this client is closed")
        watch = AsyncWatch(self._stream, after_revision)
        self._watches.add(watch)
        return watch

    async def close(self) -> None:
        """End all connections and calls. Repeating it does nothing."""
        self._closed = True
        for watch in tuple(self._watches):
            await watch.close()
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection.target!r})"

    def _open(self) -> AsyncOpen:
        if self._closed:
            raise ConfigurationError("this client is closed")
        loop = asyncio.get_running_loop()
        if self._opened is None:
            self._opened = AsyncOpen.on(loop, self._connection.open_async())
        # On another loop, grpc would wait for ever instead of failing.
        if self._opened.loop is not loop:
            raise ConfigurationError("this client belongs to another event loop; make one for each")
        return self._opened

    def _stream(
        self, request: WatchRevocationsRequest
    ) -> grpc.aio.UnaryStreamCall[WatchRevocationsRequest, WatchRevocationsResponse]:
        method = self._open().auth.WatchRevocations
        return method(request, metadata=self._connection.metadata())
