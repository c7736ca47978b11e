"""What gRPC is given to serve a method with: serialised requests in, serialised answers out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

from google.protobuf.message import Message

from authsvc.rpc.deadlines import Context

Behaviour = Callable[[bytes, Context], Awaitable[bytes]]
StreamingBehaviour = Callable[[bytes, Context], AsyncGenerator[bytes, None]]
Parse = Callable[[bytes], Message]
