"""`python -m benchmarks.open_load`: calls at a given rate, whether or not the server keeps up.

h2load waits for answers before it asks again, and does not see gRPC's status. This sends frames of
HTTP/2 (RFC 9113) that were made beforehand, and tells answers by what they have: a message when the
call was served, none when it was refused. It reads an order of JSON from standard input and writes
what became of it to standard output. Depends on uvloop and `benchmarks.http2`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, cast

import uvloop

from benchmarks.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    FIRST_WINDOW,
    GOAWAY,
    HEAD_BYTES,
    HEADERS,
    MORE_WINDOW,
    PING,
    PREFACE,
    RESET,
    SETTINGS,
    WINDOW,
    call_fields,
    frame,
    header_block,
)

# More than this at once on one connection would be kept back by any client of gRPC.
_STREAMS: Final = 100
_TICK_SECONDS: Final = 0.005
_DRAIN_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Order:
    """What to do."""

    address: str
    path: str
    metadata: list[list[str]] = field(repr=False)
    body: str = field(repr=False)
    """The frame of gRPC, in hexadecimal."""
    connections: int
    seconds: float
    rate: float = 0.0
    """Calls a second; with 0, `in_flight` counts."""
    in_flight: int = 0
    """How many calls are always under way."""
    processors: list[int] = field(default_factory=list)
    """The processors to run on; none for any."""


@dataclass(slots=True)
class Outcome:
    """What became of it. Durations are in milliseconds since the call was due."""

    served: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    kept_back: int = 0
    """How many calls could not be sent when they were due, as too many were under way."""
    unanswered: int = 0


class Connection(asyncio.Protocol):
    """One connection, with the calls that are under way on it."""

    def __init__(self, request: Callable[[int], bytes], outcome: Outcome) -> None:
        """Take what makes the frames of a call, and where to note its end."""
        self._request = request
        self._outcome = outcome
        self._transport: asyncio.WriteTransport
        self._rest = b""
        self._next_stream = 1
        self._window = FIRST_WINDOW
        self._due: dict[int, float] = {}
        self._has_message: set[int] = set()
        self._ready: list[bytes] = []
        self._body_bytes = len(request(1)) - _body_at(request(1))
        self.on_end: Callable[[Connection], None] = lambda _: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to speak HTTP/2."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(PREFACE + frame(SETTINGS) + MORE_WINDOW)

    @property
    def under_way(self) -> int:
        """How many calls are under way."""
        return len(self._due)

    def call(self, due: float) -> bool:
        """Keep a call ready to be sent; False when there is no room for it."""
        if len(self._due) >= _STREAMS or self._window < self._body_bytes:
            return False
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        self._window -= self._body_bytes
        self._due[stream] = due
        self._ready.append(self._request(stream))
        return True

    def send(self) -> None:
        """Send the calls that are ready, as any client does that has more than one to send."""
        if self._ready:
            self._transport.write(b"".join(self._ready))
            self._ready.clear()

    def data_received(self, data: bytes) -> None:
        """Read whole frames."""
        data = self._rest + data
        at = 0
        while len(data) - at >= HEAD_BYTES:
            end = at + HEAD_BYTES + int.from_bytes(data[at : at + 3], "big")
            if len(data) < end:
                break
            self._frame_received(
                data[at + 3],
                data[at + 4],
                int.from_bytes(data[at + 5 : at + HEAD_BYTES], "big"),
                data[at + HEAD_BYTES : end],
            )
            at = end
        self._rest = data[at:]
        self.send()

    def _frame_received(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == DATA:
            if payload:
                self._has_message.add(stream)
        elif kind == SETTINGS and not flags & ACK:
            self._transport.write(frame(SETTINGS, flags=ACK))
        elif kind == PING and not flags & ACK:
            self._transport.write(frame(PING, payload, flags=ACK))
        elif kind == WINDOW and stream == 0:
            self._window += int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            raise SystemExit(f"the server ended a connection: {payload[8:]!r}")
        if kind == RESET or (kind in {DATA, HEADERS} and flags & END_STREAM):
            self._end(stream)

    def _end(self, stream: int) -> None:
        due = self._due.pop(stream, None)
        if due is None:
            return
        milliseconds = (time.perf_counter() - due) * 1000
        if stream in self._has_message:
            self._has_message.discard(stream)
            self._outcome.served.append(milliseconds)
        else:
            self._outcome.refused.append(milliseconds)
        self.on_end(self)


def _body_at(request: bytes) -> int:
    return 2 * HEAD_BYTES + int.from_bytes(request[:3], "big")


def request_of(order: Order) -> Callable[[int], bytes]:
    """Return what makes the frames of a call on a stream."""
    metadata = ((name, value) for name, value in order.metadata)
    # Each block of headers means the same as the one before.
    block = header_block(call_fields(order.address, order.path, metadata))
    body = bytes.fromhex(order.body)
    head = frame(HEADERS, block, flags=END_HEADERS)[: HEAD_BYTES - 4]
    between = block + frame(DATA, body, flags=END_STREAM)[: HEAD_BYTES - 4]

    def request(stream: int) -> bytes:
        number = stream.to_bytes(4, "big")
        return b"".join((head, number, between, number, body))

    return request


async def run(order: Order) -> Outcome:
    """Make the calls, and give the last ones a while to end."""
    outcome, request = Outcome(), request_of(order)
    host, _, port = order.address.rpartition(":")
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(lambda: Connection(request, outcome), host, int(port)))[1]
        for _ in range(order.connections)
    ]
    end = time.perf_counter() + order.seconds
    if order.rate:
        await _keep_rate(connections, order, outcome, end)
    else:
        await _keep_in_flight(connections, order, end)
    await asyncio.sleep(_DRAIN_SECONDS)
    outcome.unanswered = sum(each.under_way for each in connections)
    return outcome


async def _keep_rate(
    connections: Sequence[Connection], order: Order, outcome: Outcome, end: float
) -> None:
    turns = itertools.cycle(connections)
    begun = time.perf_counter()
    sent = 0
    while (now := time.perf_counter()) < end:
        while sent < (now - begun) * order.rate:
            if not next(turns).call(begun + sent / order.rate):
                outcome.kept_back += 1
            sent += 1
        for connection in connections:
            connection.send()
        await asyncio.sleep(_TICK_SECONDS)


async def _keep_in_flight(connections: Sequence[Connection], order: Order, end: float) -> None:
    def call_again(connection: Connection) -> None:
        now = time.perf_counter()
        if now < end:
            connection.call(now)

    for connection in connections:
        connection.on_end = call_again
    for connection in itertools.islice(itertools.cycle(connections), order.in_flight):
        connection.call(time.perf_counter())
    for connection in connections:
        connection.send()
    await asyncio.sleep(end - time.perf_counter())


def _main() -> None:
    order = Order(**json.load(sys.stdin))
    if order.processors:
        os.sched_setaffinity(0, order.processors)
    json.dump(asdict(uvloop.run(run(order))), sys.stdout)


if __name__ == "__main__":
    _main()
