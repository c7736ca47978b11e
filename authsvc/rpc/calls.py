"""The path of every call: authenticate where need be, hand over, turn errors into statuses.

A plain function around each method and not a chain of interceptors: the check of a credential is
short, and so must be its way (docs/adr/0006). This module alone ends calls with a status.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, NoReturn

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline
from authsvc.domain.errors import InvalidRequest
from authsvc.domain.freshness import AUTHORITATIVE
from authsvc.domain.origin import Origin
from authsvc.rpc.audit_denied import denied_record
from authsvc.rpc.deadlines import CallDeadline, Context, StreamDeadline
from authsvc.rpc.error_table import INTERNAL, row_of
from authsvc.rpc.management import is_management
from authsvc.rpc.observation import Answer, CallObserver, RunningCall
from authsvc.rpc.origin import action_of, address_of, call_origin
from authsvc.rpc.request_ids import RequestIds, metadata_values
from authsvc.rpc.status import trailing_metadata
from authsvc.usecases.audit_denials import AuditDenials
from authsvc.usecases.authenticate_caller import AuthenticateCaller
from authsvc.usecases.call import Call, OpenCall
from orchestrator.auth.v1.error_reason_pb2 import ErrorReason

Method = Callable[[Any, Call], Awaitable[Message]]
OpenMethod = Callable[[Any, OpenCall], Awaitable[Message]]
Rest = Callable[[Deadline], Awaitable[Answer]]
"""What is left of a call that cannot be answered without waiting."""
MethodNow = Callable[[Any, Caller], Answer | Rest]
StreamingMethod = Callable[[Any, Call], AsyncIterator[Message]]
StreamingBehaviour = Callable[[bytes, Context], AsyncIterator[bytes]]
Behaviour = Callable[[bytes, Context], Awaitable[bytes]]
Parse = Callable[[bytes], Message]

AUTHORIZATION_KEY: Final = "authorization"

# With less time left than this, one more attempt would end as DEADLINE_EXCEEDED and hide the cause.
_ATTEMPT_SECONDS: Final = 0.2
# A negative value tells the client's gRPC library not to retry by itself (gRFC A6).
_NO_RETRY: Final = ("grpc-retry-pushback-ms", "-1")
_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")

log = structlog.get_logger()


class Calls:
    """Puts the methods of servicers on a server."""

    def __init__(
        self,
        *,
        authenticate: AuthenticateCaller,
        audit_denials: AuditDenials,
        work_limit_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        observers: Sequence[CallObserver] = (),
    ) -> None:
        """Take the authentication of callers, the audit log, and a limit on database work.

        Args:
            authenticate: Turns a call's credential into a caller.
            audit_denials: Is told of refused attempts at management.
            work_limit_seconds: The most that the database work of one call may take in all.
            monotonic: Seconds from a clock that never goes back.
            observers: Are told of every call when it ends, whatever its end.
        """
        self._authenticate = authenticate
        self._audit_denials = audit_denials
        self._work_limit = work_limit_seconds
        self._monotonic = monotonic
        self._observers = tuple(observers)
        self._request_id = RequestIds()

    def add_service(
        self, server: grpc.aio.Server, service: ServiceDescriptor, servicer: object
    ) -> None:
        """Serve every method of a service.

        Args:
            server: A server that is not started yet.
            service: The service's descriptor.
            servicer: Has a coroutine function `create_key(request, call)` for a method
                `CreateKey`; or, for one that seldom has to wait, a plain function
                `create_key_now(request, caller)`. That returns an `Answer`, or a
                coroutine function that makes it and takes the deadline of the call. A method
                that needs no caller is a coroutine function `create_key_open(request, call)`.

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
        name, attribute = action_of(method), _snake_case(method.name)
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._streaming_behaviour(name, parse, getattr(servicer, attribute))
            )
        serve_open: OpenMethod | None = getattr(servicer, f"{attribute}_open", None)
        if serve_open is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._open_behaviour(name, parse, serve_open)
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
        monotonic, observers = self._monotonic, self._observers

        async def behave(data: bytes, context: Context) -> bytes:
            running = RunningCall(name, monotonic() if observers else 0.0)
            try:
                authorization = metadata_values(context, AUTHORIZATION_KEY)
                running.address = address = address_of(context.peer())
                caller = authenticate.now(authorization, address)
                if caller is None:
                    deadline = CallDeadline(context, work_limit, monotonic)
                    caller = await authenticate(authorization, deadline, address)
                else:
                    deadline = None
                running.caller = caller
                answer = serve(parse(data), caller)
                if not isinstance(answer, Answer):
                    answer = await answer(deadline or CallDeadline(context, work_limit, monotonic))
                running.end(grpc.StatusCode.OK, answer.denial)
            except Exception as error:  # noqa: BLE001 - every error becomes a status here
                await self._abort(running, context, error)
            else:
                return answer.data
            finally:
                if observers:
                    running.request_id = running.request_id or self._request_id(context)
                    running.tell(observers, context, monotonic())

        return behave

    def _behaviour(self, name: str, parse: Parse, serve: Method) -> Behaviour:
        authenticate, work_limit = self._authenticate, self._work_limit
        monotonic, is_audited = self._monotonic, is_management(name)

        async def behave(data: bytes, context: Context) -> bytes:
            running = self._running(name, context)
            request_id, address = running.request_id, running.address
            deadline = CallDeadline(context, work_limit, monotonic)
            try:
                authorization = metadata_values(context, AUTHORIZATION_KEY)
                # Who changes things is read anew: a key that was just disabled or narrowed must not
                # be able to undo that where memory does not know of it yet.
                caller = await authenticate(authorization, deadline, address, AUTHORITATIVE)
                running.caller = caller
                origin = call_origin(caller, name, request_id, address)
                response = await serve(parse(data), Call(caller, deadline, origin))
                answer = response.SerializeToString()
                running.end(grpc.StatusCode.OK)
            except Exception as error:  # noqa: BLE001 - every error becomes a status here
                if is_audited:
                    known = running.caller
                    origin = call_origin(known, name, request_id, address)
                    await self._audit(error, _parsed(parse, data), known, origin, deadline)
                await self._abort(running, context, error)
            else:
                return answer
            finally:
                self._tell(running, context)

        return behave

    def _open_behaviour(self, name: str, parse: Parse, serve: OpenMethod) -> Behaviour:
        """Return the way of a method that anybody may call.

        A credential that comes with such a call is left unread: it can neither help nor harm.
        """
        work_limit, monotonic = self._work_limit, self._monotonic
        is_audited = is_management(name)

        async def behave(data: bytes, context: Context) -> bytes:
            running = self._running(name, context)
            request_id, address = running.request_id, running.address
            new_deadline = functools.partial(CallDeadline, context, work_limit, monotonic)
            deadline, origin = new_deadline(), call_origin(None, name, request_id, address)
            try:
                call = OpenCall(deadline, address, origin, new_deadline)
                response = await serve(parse(data), call)
                answer = response.SerializeToString()
                running.end(grpc.StatusCode.OK)
            except Exception as error:  # noqa: BLE001 - every error becomes a status here
                if is_audited:
                    await self._audit(error, _parsed(parse, data), None, origin, new_deadline())
                await self._abort(running, context, error)
            else:
                return answer
            finally:
                self._tell(running, context)

        return behave

    def _streaming_behaviour(
        self, name: str, parse: Parse, serve: StreamingMethod
    ) -> StreamingBehaviour:
        authenticate, work_limit = self._authenticate, self._work_limit

        async def behave(data: bytes, context: Context) -> AsyncIterator[bytes]:
            running = self._running(name, context)
            request_id, address = running.request_id, running.address
            try:
                deadline = StreamDeadline(context, work_limit)
                authorization = metadata_values(context, AUTHORIZATION_KEY)
                caller = await authenticate(authorization, deadline, address)
                running.caller = caller
                call = Call(caller, deadline, call_origin(caller, name, request_id, address))
                async for response in serve(parse(data), call):
                    # A stream outlives many a credential: each answer is sent to a good one.
                    call.caller = await authenticate.again(authorization, deadline, address)
                    yield response.SerializeToString()
                running.end(grpc.StatusCode.OK)
            except Exception as error:  # noqa: BLE001 - every error becomes a status here
                await self._abort(running, context, error)
            finally:
                self._tell(running, context)

        return behave

    def _running(self, name: str, context: Context) -> RunningCall:
        running = RunningCall(name, self._monotonic(), self._request_id(context))
        running.address = address_of(context.peer())
        return running

    def _tell(self, running: RunningCall, context: Context) -> None:
        if self._observers:
            running.tell(self._observers, context, self._monotonic())

    async def _audit(
        self,
        error: Exception,
        request: Message | None,
        caller: Caller | None,
        origin: Origin,
        deadline: Deadline,
    ) -> None:
        """Tell the audit log if a call was refused. Whatever goes wrong, the status is sent."""
        try:
            record = denied_record(error, request, caller, origin)
            if record is not None:
                await self._audit_denials(record, deadline)
        except Exception:
            log.exception("refused attempt not audited", request_id=origin.request_id)

    async def _abort(self, running: RunningCall, context: Context, error: Exception) -> NoReturn:
        if isinstance(error, DecodeError):
            error = InvalidRequest(())
        row = row_of(error)
        running.request_id = request_id = running.request_id or self._request_id(context)
        running.end(row.code, ErrorReason.Name(row.reason).removeprefix("ERROR_REASON_"))
        log.log(
            row.log_level,
            "call failed",
            method=running.method,
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


def _parsed(parse: Parse, data: bytes) -> Message | None:
    try:
        return parse(data)
    except DecodeError:
        return None


def _snake_case(name: str) -> str:
    return _WORD_START.sub("_", name).lower()
