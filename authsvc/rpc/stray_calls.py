"""A server of grpc.aio that survives calls of methods it does not have.

grpc.aio reads the name of such a method as UTF-8 in the loop that takes calls up. A name that is
none ends the loop and with it the server: one call from anybody, without a credential, and nobody
is answered any more (seen with grpcio 1.85.3). There is no public way around it. So calls of no
registered method are taken up here, and refused with their names unread. All methods have to be
registered: `add_registered_method_handlers` does so, generic handlers are never asked.

Depends on parts of grpcio that are not public; tests show that they are as they were.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, NoReturn

import grpc
from grpc._cython import cygrpc
from grpc.aio._server import Server

# In place of the name, in what grpc.aio logs.
_NAME: Final = "unknown"
_NO_METHODS: Final = cygrpc._MethodResolver([], {})  # noqa: SLF001 - see above


def stray_safe_server(options: Sequence[tuple[str, Any]]) -> grpc.aio.Server:
    """Return a server whose methods are all registered.

    Args:
        options: As of `grpc.aio.server`.
    """
    server: Any = _StraySafeServer(options)
    made: grpc.aio.Server = server
    return made


class _StraySafeServer(Server):
    def __init__(self, options: Sequence[tuple[str, Any]]) -> None:
        # Not the base's own, which makes the server that this one replaces.
        self._loop = cygrpc.get_working_loop()
        self._server = _Core(self._loop, None, (), (), tuple(options), None)


class _Core(cygrpc.AioServer):  # type: ignore[misc]  # a type of the extension
    async def _request_call(self) -> NoReturn:
        """Take up calls of no registered method, without end.

        The loop that takes calls up awaits this as if it were one call, which never comes. It ends
        with the exception that tells of the server's stop.
        """
        refusals = set()
        while True:
            refusal = asyncio.create_task(_refuse(await super()._request_call()))
            # The event loop itself does not keep tasks.
            refusals.add(refusal)
            refusal.add_done_callback(refusals.discard)


def _refuse(call: object) -> Coroutine[Any, Any, None]:
    """Return grpc.aio's own refusal of a call whose method it does not find."""
    loop = asyncio.get_running_loop()
    handling = cygrpc._handle_rpc(  # noqa: SLF001
        _NAME,
        _NO_METHODS,
        (),
        call,
        loop,
        False,  # noqa: FBT003 - an extension's function, which takes no keywords
    )
    refusal: Coroutine[Any, Any, None] = cygrpc._schedule_rpc_coro(  # noqa: SLF001
        handling, call, loop, _NAME
    )
    return refusal
