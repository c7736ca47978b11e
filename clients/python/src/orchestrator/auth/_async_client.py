"""The async client. Depends on grpc; what it shares with the sync one is in the other modules."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar, cast
from weakref import WeakSet

import grpc.aio

from orchestrator.auth import _requests, _responses
from orchestrator.auth._connection import DEFAULT_TIMEOUT, Connection
from orchestrator.auth._errors import ConfigurationError, MalformedResponse, from_rpc_error
from orchestrator.auth._model import UNSET, Question, Unset
from orchestrator.auth._watch import AsyncWatch
from orchestrator.auth.v1.account_service_pb2_grpc import AccountServiceStub
from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping
    from datetime import datetime, timedelta
    from types import TracebackType

    from orchestrator.auth._enums import KeyState, RevocationReason
    from orchestrator.auth._model import (
        Account,
        CreatedKey,
        Explanation,
        Key,
        Principal,
        RequestContext,
        RevokedKey,
        RotatedKey,
        UpdatedKey,
        Verdict,
    )
    from orchestrator.auth._secret import Secret
    from orchestrator.auth.v1.account_service_pb2_grpc import AccountServiceAsyncStub
    from orchestrator.auth.v1.auth_service_pb2 import (
        WatchRevocationsRequest,
        WatchRevocationsResponse,
    )
    from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceAsyncStub

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class _Open(NamedTuple):
    loop: asyncio.AbstractEventLoop
    channel: grpc.aio.Channel
    auth: AuthServiceAsyncStub
    accounts: AccountServiceAsyncStub


class AsyncAuthClient:
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
        api_key: Secret | str | None = None,
        plaintext: bool = False,
        root_certificates: bytes | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._connection = Connection.resolve(
            target,
            api_key=api_key,
            plaintext=plaintext,
            root_certificates=root_certificates,
            timeout=timeout,
        )
        self._opened: _Open | None = None
        self._closed = False
        self._watches: WeakSet[AsyncWatch] = WeakSet()

    async def validate(
        self,
        authorization: Secret | str | None,
        *,
        required_scopes: Collection[str] = (),
        context: RequestContext | None = None,
        at_least_revision: int | None = None,
        authoritative: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> Principal:
        """Return whom a good credential stands for: see `AuthClient.validate`."""
        return _responses.principal_of(
            await self.check(
                authorization,
                required_scopes=required_scopes,
                context=context,
                at_least_revision=at_least_revision,
                authoritative=authoritative,
                timeout=timeout,
            )
        )

    async def check(
        self,
        authorization: Secret | str | None,
        *,
        required_scopes: Collection[str] = (),
        context: RequestContext | None = None,
        at_least_revision: int | None = None,
        authoritative: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> Verdict:
        """Return the verdict on a credential: see `AuthClient.check`."""
        question = Question(
            authorization,
            required_scopes=required_scopes,
            context=context,
            at_least_revision=at_least_revision,
            authoritative=authoritative,
        )
        request = _requests.validate_credential(question)
        response = await self._call(self._open().auth.ValidateCredential, request, timeout)
        return _responses.verdict(response)

    async def check_many(
        self,
        questions: Iterable[Question | Secret | str | None],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> list[Verdict]:
        """Return the verdicts on many credentials: see `AuthClient.check_many`."""
        request = _requests.batch_validate_credentials(questions)
        method = self._open().auth.BatchValidateCredentials
        response = await self._call(method, request, timeout)
        return _responses.verdicts(response, len(request.requests))

    async def explain(
        self,
        authorization: Secret | str | None,
        *,
        required_scopes: Collection[str] = (),
        context: RequestContext | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> Explanation:
        """Return why a credential is refused: see `AuthClient.explain`."""
        request = _requests.explain_credential(
            authorization, required_scopes=required_scopes, context=context
        )
        response = await self._call(self._open().auth.ExplainCredential, request, timeout)
        return _responses.explanation(response)

    def watch(self, after_revision: int = 0) -> AsyncWatch:
        """Iterate over revocations and other changes: see `AuthClient.watch`."""
        if self._closed:
            raise ConfigurationError("this client is closed")
        watch = AsyncWatch(self._stream, after_revision)
        self._watches.add(watch)
        return watch

    async def create_key(
        self,
        name: str,
        *,
        account_id: str | None = None,
        scopes: Collection[str] = (),
        expire_time: datetime | None = None,
        ttl: timedelta | None = None,
        metadata: Mapping[str, str] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> CreatedKey:
        """Create an API key and return it with its secret: see `AuthClient.create_key`."""
        request = _requests.create_key(
            name,
            account_id=account_id,
            scopes=scopes,
            expire_time=expire_time,
            ttl=ttl,
            metadata=metadata,
            request_id=request_id,
        )
        response = await self._call(self._open().auth.CreateKey, request, timeout)
        return _responses.created_key(response)

    async def get_key(
        self,
        key_id: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> Key:
        """Return a key: see `AuthClient.get_key`."""
        request = _requests.get_key(key_id)
        response = await self._call(self._open().auth.GetKey, request, timeout)
        return _responses.key(response)

    async def list_keys(
        self,
        *,
        account_id: str | None = None,
        states: Collection[KeyState] = (),
        name_prefix: str = "",
        last_used_before: datetime | None = None,
        expiring_before: datetime | None = None,
        page_size: int = 0,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> AsyncIterator[Key]:
        """Iterate over the keys of an account: see `AuthClient.list_keys`."""
        request = _requests.list_keys(
            account_id=account_id,
            states=states,
            name_prefix=name_prefix,
            last_used_before=last_used_before,
            expiring_before=expiring_before,
            page_size=page_size,
        )
        while True:
            response = await self._call(self._open().auth.ListKeys, request, timeout)
            page, request.page_token = _responses.keys(response, request.page_token)
            for key in page:
                yield key
            if not request.page_token:
                return

    async def update_key(
        self,
        key_id: str,
        *,
        name: str | Unset = UNSET,
        scopes: Collection[str] | Unset = UNSET,
        expire_time: datetime | Unset | None = UNSET,
        metadata: Mapping[str, str] | Unset = UNSET,
        disabled: bool | Unset = UNSET,
        etag: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> UpdatedKey:
        """Change a key: see `AuthClient.update_key`."""
        request = _requests.update_key(
            key_id,
            name=name,
            scopes=scopes,
            expire_time=expire_time,
            metadata=metadata,
            disabled=disabled,
            etag=etag,
        )
        response = await self._call(self._open().auth.UpdateKey, request, timeout)
        return _responses.updated_key(response)

    async def rotate_key(
        self,
        key_id: str,
        *,
        overlap: timedelta | None = None,
        expire_time: datetime | None = None,
        ttl: timedelta | None = None,
        request_id: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> RotatedKey:
        """Give a key a successor and return that with its secret: see `AuthClient.rotate_key`."""
        request = _requests.rotate_key(
            key_id, overlap=overlap, expire_time=expire_time, ttl=ttl, request_id=request_id
        )
        response = await self._call(self._open().auth.RotateKey, request, timeout)
        return _responses.rotated_key(response)

    async def revoke_key(
        self,
        *,
        key_id: str | None = None,
        secret: Secret | str | None = None,
        reason: RevocationReason | None = None,
        note: str = "",
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> RevokedKey:
        """End a key for good: see `AuthClient.revoke_key`."""
        request = _requests.revoke_key(key_id=key_id, secret=secret, reason=reason, note=note)
        response = await self._call(self._open().auth.RevokeKey, request, timeout)
        return _responses.revoked_key(response)

    async def create_account(
        self,
        display_name: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> Account:
        """Create an account: see `AuthClient.create_account`."""
        request = _requests.create_account(display_name)
        response = await self._call(self._open().accounts.CreateAccount, request, timeout)
        return _responses.account(response)

    async def get_account(
        self,
        account_id: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> Account:
        """Return an account: see `AuthClient.get_account`."""
        request = _requests.get_account(account_id)
        response = await self._call(self._open().accounts.GetAccount, request, timeout)
        return _responses.account(response)

    async def list_accounts(
        self,
        *,
        page_size: int = 0,
        timeout: float | None = None,  # noqa: ASYNC109 - the gRPC deadline
    ) -> AsyncIterator[Account]:
        """Iterate over all accounts, oldest first: see `AuthClient.list_accounts`."""
        token = ""
        while True:
            request = _requests.list_accounts(page_size, token)
            response = await self._call(self._open().accounts.ListAccounts, request, timeout)
            page, token = _responses.accounts(response, token)
            for account in page:
                yield account
            if not token:
                return

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

    def _open(self) -> _Open:
        if self._closed:
            raise ConfigurationError("this client is closed")
        loop = asyncio.get_running_loop()
        if self._opened is None:
            channel = self._connection.open_async()
            self._opened = _Open(
                loop, channel, AuthServiceStub(channel), AccountServiceStub(channel)
            )
        # On another loop, grpc would wait for ever instead of failing.
        if self._opened.loop is not loop:
            raise ConfigurationError("this client belongs to another event loop; make one for each")
        return self._opened

    def _stream(
        self, request: WatchRevocationsRequest
    ) -> grpc.aio.UnaryStreamCall[WatchRevocationsRequest, WatchRevocationsResponse]:
        method = self._open().auth.WatchRevocations
        return method(request, metadata=self._connection.metadata())

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
