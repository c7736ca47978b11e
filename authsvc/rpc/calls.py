"""The path of every call: authenticate, hand over, and turn errors into statuses.

A plain function around each method and not a chain of interceptors: the check of a credential is
short, and so must be its way (docs/adr/0006). This module alone ends calls with a status.
"""

from __future__ import annotations

import itertools
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, NoReturn
from urllib.parse import unquote

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline
from authsvc.domain.errors import InvalidRequest
from authsvc.domain.freshness import AUTHORITATIVE
from authsvc.rpc.error_table import INTERNAL, row_of
from authsvc.rpc.status import REQUEST_ID_KEY, trailing_metadata
from authsvc.usecases.authenticate_caller import AuthenticateCaller
from authsvc.usecases.call import Call

Context = grpc.aio.ServicerContext[Any, Any]
Method = Callable[[Any, Call], Awaitable[Message]]
Rest = Callable[[Deadline], Awaitable[bytes]]
"""What is left of a call that cannot be answered without waiting."""
MethodNow = Callable[[Any, Caller], bytes | Rest]
StreamingMethod = Callable[[Any, Call], AsyncIterator[Message]]
StreamingBehaviour = Callable[[bytes, Context], AsyncIterator[bytes]]
Behaviour = Callable[[bytes, Context], Awaitable[bytes]]
Parse = Callable[[bytes], Message]

AUTHORIZATION_KEY: Final = "authorization"

# What a call keeps for sending its answer: the database has to give up this much earlier.
_ANSWER_SHARE: Final = 0.2
_ANSWER_SECONDS: Final = 0.1
# With less time left than this, one more attempt would end as DEADLINE_EXCEEDED and hide the cause.
_ATTEMPT_SECONDS: Final = 0.2
# A negative value tells the client's gRPC library not to retry by itself (gRFC A6).
_NO_RETRY: Final = ("grpc-retry-pushback-ms", "-1")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/-]{1,64}")
_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")

log = structlog.get_logger()


class CallDeadline:
    """How long the database work of a call may take, read only when there is such work."""

    __slots__ = ("_context", "_end", "_limit", "_monotonic")

    def __init__(
        self, context: Context, limit: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the call, the most seconds that all its work may take, and a monotonic clock."""
        self._context = context
        self._limit = limit
        self._monotonic = monotonic
        self._end: float | None = None

    def remaining(self) -> float:
        """Return the seconds left, less what the answer needs."""
        now = self._monotonic()
        if self._end is None:
            # Settled once: a share of what is left would let each new attempt eat into the time
            # that the last one left for the answer.
            self._end = now + self._allowed()
        return self._end - now

    def _allowed(self) -> float:
        # The annotation of grpc's stub leaves out that a call without a deadline has None.
        left: float | None = self._context.time_remaining()
        if left is None:
            return self._limit
        return min(self._limit, left - min(left * _ANSWER_SHARE, _ANSWER_SECONDS))


class StreamDeadline:
    """How long one piece of a stream's database work may take: a stream itself has no end."""

    __slots__ = ("_context", "_limit")

    def __init__(self, context: Context, limit: float) -> None:
        """Take the call, and the most seconds that a piece of its work may take."""
        self._context = context
        self._limit = limit

    def remaining(self) -> float:
        """Return the seconds that work beginning now may take."""
        left: float | None = self._context.time_remaining()
        return self._limit if left is None else min(self._limit, left)


class Calls:
    """Puts the methods of servicers on a server."""

    def __init__(
        self,
        *,
        authenticate: AuthenticateCaller,
        work_limit_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the authentication of callers, and a limit on the database work of a call.

        Args:
            authenticate: Turns a call's credential into a caller.
            work_limit_seconds: The most that the database work of one call may take in all.
            monotonic: Seconds from a clock that never goes back.
        """
        self._authenticate = authenticate
        self._work_limit = work_limit_seconds
        self._monotonic = monotonic
        self._request_id_prefix = secrets.token_hex(4)
        self._request_numbers = itertools.count(1)

    def add_service(
        self, server: grpc.aio.Server, service: ServiceDescriptor, servicer: object
    ) -> None:
        """Serve every method of a service.

        Args:
            server: A server that is not started yet.
            service: The service's descriptor.
            servicer: Has a coroutine function `create_key(request, call)` for a method
                `CreateKey`; or, for one that seldom has to wait, a plain function
                `create_key_now(request, caller)`. That returns the serialised answer, or a
                coroutine function that makes it and takes the deadline of the call.

        Raises:
            AttributeError: The servicer lacks a method of the service.
        """
        handlers = {}
        for method in service.methods:
            handlers[method.name] = self._handler(method, servicer)
        server.add_registered_method_handlers(service.full_name, handlers)

    def _handler(
        self, method: MethodDescriptor, servicer: object
    ) -> grpc.RpcMethodHandler[bytes, bytes]:
        # Messages are read and written here and not by grpc: a parser's exception would reach the
        # client in its own words.
        parse: Parse = GetMessageClass(method.input_type).FromString
        name, attribute = method.full_name, _snake_case(method.name)
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._streaming_behaviour(name, parse, getattr(servicer, attribute))
            )
        serve_now: MethodNow | None = getattr(servicer, f"{attribute}_now", None)
        if serve_now is None:
            return grpc.unary_unary_rpc_method_handler(
                self._behaviour(name, parse, getattr(servicer, attribute))
            )
        return grpc.unary_unary_rpc_method_handler(self._behaviour_now(name, parse, serve_now))

    def _behaviour_now(self, name: str, parse: Parse, serve: MethodNow) -> Behaviour:
        """Return the way of a method that seldom waits. Almost every call goes it."""
        authenticate, work_limit = self._authenticate, self._work_limit
        monotonic = self._monotonic

        async def behave(data: bytes, context: Context) -> bytes:
            try:
                authorization = _metadata(context, AUTHORIZATION_KEY)
                caller = authenticate.now(authorization)
                if caller is None:
                    deadline = CallDeadline(context, work_limit, monotonic)
                    caller = await authenticate(authorization, deadline, _address(context))
                else:
                    deadline = None
                answer = serve(parse(data), caller)
                if isinstance(answer, bytes):
                    return answer
                return await answer(deadline or CallDeadline(context, work_limit, monotonic))
            except Exception as error:  # noqa: BLE001 - every error becomes a status here
                await self._abort(name, context, error)

        return behave

    def _behaviour(self, name: str, parse: Parse, serve: Method) -> Behaviour:
        authenticate, work_limit = self._authenticate, self._work_limit
        monotonic = self._monotonic

        async def behave(data: bytes, context: Context) -> bytes:
            try:
                deadline = CallDeadline(context, work_limit, monotonic)
                authorization = _metadata(context, AUTHORIZATION_KEY)
                # Who changes things is read anew: a key that was just disabled or narrowed must not
                # be able to undo that where memory does not know of it yet.
                caller = await authenticate(
                    authorization, deadline, _address(context), AUTHORITATIVE
                )
                response = await serve(parse(data), Call(caller, deadline))
                return response.SerializeToString()
            except Exception as error:  # noqa: BLE001 - every error becomes a status here
                await self._abort(name, context, error)

        return behave

    def _streaming_behaviour(
        self, name: str, parse: Parse, serve: StreamingMethod
    ) -> StreamingBehaviour:
        authenticate, work_limit = self._authenticate, self._work_limit

        async def behave(data: bytes, context: Context) -> AsyncIterator[bytes]:
            try:
                deadline = StreamDeadline(context, work_limit)
                authorization = _metadata(context, AUTHORIZATION_KEY)
                peer = _address(context)
                call = Call(await authenticate(authorization, deadline, peer), deadline)
                async for response in serve(parse(data), call):
                    # A stream outlives many a credential: each answer is sent to a good one.
                    call.caller = await authenticate.again(authorization, deadline, peer)
                    yield response.SerializeToString()
            except Exception as error:  # noqa: BLE001 - every error becomes a status here
                await self._abort(name, context, error)

        return behave

    async def _abort(self, method: str, context: Context, error: Exception) -> NoReturn:
        if isinstance(error, DecodeError):
            error = InvalidRequest(())
        row = row_of(error)
        request_id = self._request_id(context)
        log.log(
            row.log_level,
            "call failed",
            method=method,
            request_id=request_id,
            code=row.code.name,
            error=type(error).__name__,
            detail=str(error) if row is not INTERNAL else None,
            cause=repr(error.__cause__) if error.__cause__ and row is not INTERNAL else None,
            exc_info=error if row is INTERNAL else None,
        )
        trailing = trailing_metadata(error, row, request_id)
        left: float | None = context.time_remaining()
        if left is not None and left < _ATTEMPT_SECONDS:
            trailing = (*trailing, _NO_RETRY)
        await context.abort(row.code, row.text, trailing)

    def _request_id(self, context: Context) -> str:
        """Return the caller's own request id where it sent a usable one, else a new one."""
        sent = _metadata(context, REQUEST_ID_KEY)
        if len(sent) == 1 and _REQUEST_ID.fullmatch(sent[0]):
            return sent[0]
        return f"{self._request_id_prefix}-{next(self._request_numbers)}"


def _metadata(context: Context, name: str) -> list[str]:
    return [
        value if isinstance(value, str) else value.decode("latin-1")
        for key, value in context.invocation_metadata() or ()
        if key == name
    ]


def _address(context: Context) -> str:
    """Return the IP address of the peer; empty for a Unix socket."""
    kind, _, rest = unquote(context.peer()).partition(":")
    host = rest.rpartition(":")[0].removeprefix("[").removesuffix("]")
    return host if kind in {"ipv4", "ipv6"} else ""


def _snake_case(name: str) -> str:
    return _WORD_START.sub("_", name).lower()
