"""The path of every call: authenticate where need be, hand over, turn errors into statuses.

A plain function around each method and not a chain of interceptors: the check of a credential is
short, and so must be its way (docs/adr/0006). The shortest is in `instant_calls`.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, NoReturn

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from authsvc.domain.clock import Deadline
from authsvc.domain.freshness import AUTHORITATIVE
from authsvc.rpc.audit_denied import denied_record
from authsvc.rpc.behaviours import Behaviour, Parse, StreamingBehaviour
from authsvc.rpc.call_authentication import AUTHORIZATION_KEY, CallAuthentication
from authsvc.rpc.deadlines import CallDeadline, Context, StreamDeadline
from authsvc.rpc.endings import Endings, RunningCall
from authsvc.rpc.instant_calls import MethodNow, instant_behaviour
from authsvc.rpc.management import is_management
from authsvc.rpc.observation import CallObserver
from authsvc.rpc.origin import action_of, address_of
from authsvc.rpc.peer_certificates import CallerOfPeer, has_certificate, no_caller_of_peer
from authsvc.rpc.request_ids import RequestIds, metadata_of, metadata_values
from authsvc.rpc.shedding import Shedding
from authsvc.rpc.traced_calls import CallSpans, span_notes, traced, traced_stream
from authsvc.usecases.audit_denials import AuditDenials
from authsvc.usecases.authenticate_caller import AuthenticateCaller
from authsvc.usecases.call import Call, OpenCall

Method = Callable[[Any, Call], Awaitable[Message]]
OpenMethod = Callable[[Any, OpenCall], Awaitable[Message]]
StreamingMethod = Callable[[Any, Call], AsyncIterator[Message]]
Reach = Callable[[int], Awaitable[None]]

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
        spans: CallSpans | None = None,
        shedding: Shedding,
        reach: Reach,
        caller_of_peer: CallerOfPeer = no_caller_of_peer,
    ) -> None:
        """Take the authentication of callers, the audit log, and a limit on database work.

        Args:
            authenticate: Turns a call's credential into a caller.
            audit_denials: Is told of refused attempts at management.
            work_limit_seconds: The most that the database work of one call may take in all.
            monotonic: Seconds from a clock that never goes back.
            observers: Are told of every call when it ends, whatever its end.
            spans: Makes a span for each call; None without traces.
            shedding: Bounds the calls that wait, all but validations and streams.
            reach: Waits until memory reflects a revision.
            caller_of_peer: Finds a caller by its connection's certificate.
        """
        self._authenticate = CallAuthentication(authenticate, caller_of_peer)
        self._audit_denials = audit_denials
        self._work_limit = work_limit_seconds
        self._monotonic = monotonic
        self._spans = spans
        notes = () if spans is None else (span_notes(spans),)
        self._endings = Endings((*observers, *notes), monotonic)
        self._request_ids = RequestIds()
        self._shedding = shedding
        self._reach = reach

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
            stream = self._streaming_behaviour(name, parse, getattr(servicer, attribute))
            if self._spans is not None:
                stream = traced_stream(name, stream, self._spans)
            return grpc.unary_stream_rpc_method_handler(stream)
        behave = self._unary_behaviour(name, parse, servicer, attribute)
        if self._spans is not None:
            behave = traced(name, behave, self._spans)
        return grpc.unary_unary_rpc_method_handler(behave)

    def _unary_behaviour(
        self, name: str, parse: Parse, servicer: object, attribute: str
    ) -> Behaviour:
        serve_open: OpenMethod | None = getattr(servicer, f"{attribute}_open", None)
        if serve_open is not None:
            return self._bounded(name, self._open_behaviour(name, parse, serve_open))
        serve_now: MethodNow | None = getattr(servicer, f"{attribute}_now", None)
        if serve_now is None:
            return self._bounded(name, self._behaviour(name, parse, getattr(servicer, attribute)))
        return instant_behaviour(
            name,
            parse,
            serve_now,
            authenticate=self._authenticate,
            work_limit=self._work_limit,
            monotonic=self._monotonic,
            request_ids=self._request_ids,
            endings=self._endings,
        )

    def _bounded(self, name: str, behave: Behaviour) -> Behaviour:
        async def refuse(context: Context, error: Exception) -> NoReturn:
            running, _ = self._begun(name, context)
            try:
                await self._endings.refuse(running, context, error)
            finally:
                self._endings.tell_end(running, context)

        return self._shedding.bounded(behave, refuse)

    def _behaviour(self, name: str, parse: Parse, serve: Method) -> Behaviour:
        authenticate, work_limit = self._authenticate, self._work_limit
        monotonic, endings = self._monotonic, self._endings
        is_audited = is_management(name)

        async def behave(data: bytes, context: Context) -> bytes:
            running, authorization = self._begun(name, context)
            new_deadline = functools.partial(CallDeadline, context, work_limit, monotonic)
            deadline = new_deadline()
            try:
                # Who changes things is read anew: a key that was just disabled or narrowed must not
                # be able to undo that where memory does not know of it yet.
                running.caller = caller = await authenticate(
                    authorization, context, deadline, running.address, AUTHORITATIVE
                )
                call = Call(caller, deadline, running.origin(), new_deadline)
                response = await serve(parse(data), call)
                answer = await self._answer(response)
                running.answered()
            except Exception as error:  # noqa: BLE001 - every error becomes a status here
                if is_audited:
                    await self._audit(error, running, _parsed(parse, data), new_deadline())
                await endings.refuse(running, context, error)
            else:
                return answer
            finally:
                endings.tell_end(running, context)

        return behave

    def _open_behaviour(self, name: str, parse: Parse, serve: OpenMethod) -> Behaviour:
        """Return the way of a method that anybody may call.

        A credential that comes with such a call is left unread, unless the method asks who calls.
        """
        authenticate, work_limit = self._authenticate, self._work_limit
        monotonic, endings = self._monotonic, self._endings
        is_audited = is_management(name)

        async def behave(data: bytes, context: Context) -> bytes:
            running, authorization = self._begun(name, context)
            new_deadline = functools.partial(CallDeadline, context, work_limit, monotonic)
            deadline = new_deadline()
            try:
                find_caller = functools.partial(
                    authenticate, authorization, context, deadline, running.address
                )
                says_who = any(authorization) or has_certificate(context)
                call = OpenCall(
                    deadline,
                    running.address,
                    running.origin(),
                    new_deadline,
                    find_caller if says_who else None,
                )
                response = await serve(parse(data), call)
                answer = await self._answer(response)
                running.answered()
            except Exception as error:  # noqa: BLE001 - every error becomes a status here
                if is_audited:
                    await self._audit(error, running, _parsed(parse, data), new_deadline())
                await endings.refuse(running, context, error)
            else:
                return answer
            finally:
                endings.tell_end(running, context)

        return behave

    def _streaming_behaviour(
        self, name: str, parse: Parse, serve: StreamingMethod
    ) -> StreamingBehaviour:
        authenticate, work_limit = self._authenticate, self._work_limit
        endings = self._endings

        async def behave(data: bytes, context: Context) -> AsyncGenerator[bytes, None]:
            running, authorization = self._begun(name, context)
            address = running.address
            try:
                deadline = StreamDeadline(context, work_limit)
                running.caller = caller = await authenticate(
                    authorization, context, deadline, address
                )
                call = Call(caller, deadline, running.origin())
                async for response in serve(parse(data), call):
                    # A stream outlives many a credential: each answer is sent to a good one.
                    call.caller = await authenticate.again(
                        authorization, context, deadline, address
                    )
                    yield response.SerializeToString()
                running.answered()
            except Exception as error:  # noqa: BLE001 - every error becomes a status here
                await endings.refuse(running, context, error)
            finally:
                endings.tell_end(running, context)

        return behave

    async def _answer(self, response: Message) -> bytes:
        """Return an answer when what it says was changed holds in this process."""
        revision: int = getattr(response, "revision", 0)
        if revision:
            await self._reach(revision)
        return response.SerializeToString()

    def _begun(self, name: str, context: Context) -> tuple[RunningCall, list[str]]:
        """Return what is known of a call at first, and what it brings to say who makes it."""
        metadata = metadata_of(context)
        request_id, address = self._request_ids(metadata), address_of(context.peer())
        running = RunningCall(name, self._monotonic(), request_id, address)
        return running, metadata_values(metadata, AUTHORIZATION_KEY)

    async def _audit(
        self,
        error: Exception,
        running: RunningCall,
        request: Message | None,
        deadline: Deadline,
    ) -> None:
        """Tell the audit log if a call was refused. Whatever goes wrong, the status is sent."""
        try:
            record = denied_record(error, request, running.caller, running.origin())
            if record is not None:
                await self._audit_denials(record, deadline)
        except Exception:
            log.exception("refused attempt not audited", request_id=running.request_id)


def _parsed(parse: Parse, data: bytes) -> Message | None:
    try:
        return parse(data)
    except DecodeError:
        return None


def _snake_case(name: str) -> str:
    return _WORD_START.sub("_", name).lower()
