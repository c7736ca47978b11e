"""The way of a method that seldom waits. Almost every call goes it, so it is kept short."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc

from authsvc.domain.callers import Caller
from authsvc.domain.clock import Deadline
from authsvc.rpc.behaviours import Behaviour, Parse
from authsvc.rpc.call_authentication import AUTHORIZATION_KEY, CallAuthentication
from authsvc.rpc.deadlines import CallDeadline, Context
from authsvc.rpc.endings import Endings, RunningCall
from authsvc.rpc.observation import Answer, FinishedCall
from authsvc.rpc.origin import address_of
from authsvc.rpc.request_ids import RequestIds, metadata_of, metadata_values

Rest = Callable[[Deadline], Awaitable[Answer]]
"""What is left of a call that cannot be answered without waiting."""
MethodNow = Callable[[Any, Caller], Answer | Rest]

_OK: Final = grpc.StatusCode.OK


def instant_behaviour(
    name: str,
    parse: Parse,
    serve: MethodNow,
    *,
    authenticate: CallAuthentication,
    work_limit: float,
    monotonic: Callable[[], float],
    request_ids: RequestIds,
    endings: Endings,
) -> Behaviour:
    """Return the way of a method that seldom waits.

    What is known of the call stays in variables; only a call that does not end well gets a
    `RunningCall` of its own.

    Args:
        name: The method, as `action_of` names it.
        parse: Reads a request.
        serve: Answers it, or says what is left to be awaited.
        authenticate: Turns a call's credential into a caller.
        work_limit: The most seconds that the database work of a call may take in all.
        monotonic: Seconds from a clock that never goes back.
        request_ids: Gives every call its request id.
        endings: Ends calls, and tells of it.
    """

    async def behave(data: bytes, context: Context) -> bytes:
        started = monotonic()
        metadata = metadata_of(context)
        address = address_of(context.peer())
        caller: Caller | None = None
        try:
            authorization = metadata_values(metadata, AUTHORIZATION_KEY)
            caller = authenticate.now(authorization, context, address)
            if caller is None:
                deadline = CallDeadline(context, work_limit, monotonic)
                caller = await authenticate(authorization, context, deadline, address)
            else:
                deadline = None
            answer = serve(parse(data), caller)
            if not isinstance(answer, Answer):
                answer = await answer(deadline or CallDeadline(context, work_limit, monotonic))
        except BaseException as error:  # noqa: BLE001 - every error becomes a status here
            call = RunningCall(name, started, request_ids(metadata), address, caller)
            try:
                if isinstance(error, Exception):
                    await endings.refuse(call, context, error)
                raise
            finally:
                endings.tell_end(call, context)
        endings.tell(
            FinishedCall(
                name,
                _OK,
                answer.denial,
                monotonic() - started,
                request_ids(metadata),
                caller.principal.actor,
                address,
            )
        )
        return answer.data

    return behave
