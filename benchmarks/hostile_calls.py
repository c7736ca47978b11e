"""Calls that hostile or broken clients make, and how each ends.

Depends on grpc, the generated messages of the contract, and `benchmarks.http2`.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Final

import grpc
from google.protobuf.descriptor import FileDescriptor

from benchmarks.hostile_connections import Attacker, counted
from benchmarks.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_BYTES,
    MORE_WINDOW,
    PREFACE,
    RESET,
    SETTINGS,
    call_fields,
    frame,
    header_block,
    message,
    read_frame,
    setting,
)
from benchmarks.http2_sender import Sender
from orchestrator.auth.v1 import account_service_pb2, auth_service_pb2, session_service_pb2
from orchestrator.auth.v1.auth_service_pb2 import (
    BatchValidateCredentialsRequest,
    CreateKeyRequest,
    ValidateCredentialRequest,
)

SERVICE: Final = auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"].full_name
VALIDATE: Final = f"/{SERVICE}/ValidateCredential"
CREATE: Final = f"/{SERVICE}/CreateKey"

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB
_BATCH: Final = f"/{SERVICE}/BatchValidateCredentials"
_WATCH: Final = f"/{SERVICE}/WatchRevocations"
_LARGEST: Final = 16 * _MIB
_BATCH_SIZE: Final = 1000
_STREAMS: Final = 100
_BOMB_MIB: Final = 60
"""Unpacked; packed it fits into the window that a stream has at first."""
_TIMEOUT_SECONDS: Final = 30.0
_FILES: Final[Sequence[FileDescriptor]] = (
    auth_service_pb2.DESCRIPTOR,
    account_service_pb2.DESCRIPTOR,
    session_service_pb2.DESCRIPTOR,
)
UNARY: Final = tuple(
    f"/{service.full_name}/{method.name}"
    for file in _FILES
    for service in file.services_by_name.values()
    for method in service.methods
    if not method.server_streaming
)
"""The paths of all methods with one answer."""

Metadata = tuple[tuple[str, str | bytes], ...]
Call = Callable[[str, bytes, Metadata], Awaitable[str]]


@asynccontextmanager
async def calling(address: str) -> AsyncIterator[Call]:
    """Open a channel for calls of raw bytes, each of which returns the name of its status."""
    async with grpc.aio.insecure_channel(
        address, options=[("grpc.max_metadata_size", 2 * _MIB)]
    ) as channel:

        async def call(path: str, data: bytes, metadata: Metadata) -> str:
            method: Any = channel.unary_unary(path)
            try:
                await method(data, metadata=metadata, timeout=_TIMEOUT_SECONDS)
            except grpc.aio.AioRpcError as error:
                return error.code().name
            return "OK"

        yield call


def broken_message(random: Random, credential: str) -> bytes:
    """Return bytes that are no message, or one that nobody meant."""
    whole = random.choice(
        (
            ValidateCredentialRequest(credential=credential),
            CreateKeyRequest(name="x", scopes=["a:b"], metadata={"a": "b"}, request_id="r"),
        )
    ).SerializeToString()
    kind = random.randrange(4)
    if kind == 0:
        return random.randbytes(random.randrange(200))
    if kind == 1:
        return whole[: random.randrange(len(whole))]
    if kind == 2:  # noqa: PLR2004 - groups in groups, deeper than any parser goes
        return b"\x0b" * random.randrange(1, 20_000)
    data = bytearray(whole)
    for _ in range(random.randint(1, 4)):
        data[random.randrange(len(data))] = random.randrange(256)
    return bytes(data)


async def broken_messages(attacker: Attacker, amount: int, random: Random) -> Counter[str]:
    """Send to every method what is no message."""
    victim = attacker.victim
    keys = (victim.caller_key, victim.manager_key)
    metadata: Sequence[Metadata] = [(("authorization", f"Bearer {key}"),) for key in keys]
    async with calling(victim.address) as call:
        return await counted(
            [
                call(
                    UNARY[number % len(UNARY)],
                    broken_message(random, victim.credential),
                    random.choice(metadata),
                )
                for number in range(amount)
            ]
        )


async def giant_metadata(attacker: Attacker, amount: int, random: Random) -> Counter[str]:
    """Send more metadata than is taken, and what is hard to read."""
    kinds: Sequence[Metadata] = (
        (("authorization", "Bearer " + "x" * (16 * _KIB)),),
        (("authorization", "Bearer " + "x" * (64 * _KIB)),),
        (("x-request-id", "x" * _MIB),),
        tuple((f"x-{n}", "") for n in range(1000)),
        (("authorization", "Bearer x"),) * 200,
        (("traceparent-bin", random.randbytes(8 * _KIB)),),
        (("authorization-bin", bytes(range(256))),),
    )
    async with calling(attacker.victim.address) as call:
        return await counted(
            [call(VALIDATE, b"", kinds[number % len(kinds)]) for number in range(amount)], 10
        )


async def unknown_paths(attacker: Attacker, amount: int, random: Random) -> Counter[str]:
    """Call methods that there are not, each of another name."""
    async with calling(attacker.victim.address) as call:
        return await counted(
            [
                call(f"/{random.choice((SERVICE, 't.T'))}/{random.randbytes(8).hex()}", b"", ())
                for _ in range(amount)
            ]
        )


async def bombs(attacker: Attacker, amount: int, _: Random) -> Counter[str]:
    """Send messages that are a thousand times as large when unpacked."""
    packing = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    packed = b"".join(packing.compress(bytes(_MIB)) for _ in range(_BOMB_MIB)) + packing.flush()
    fields = call_fields("localhost", VALIDATE, [("grpc-encoding", "gzip")])
    frames = [
        PREFACE + frame(SETTINGS) + MORE_WINDOW,
        frame(HEADERS, header_block(fields), flags=END_HEADERS, stream=1),
        *_data(message(packed, compressed=True), 1),
        frame(DATA, flags=END_STREAM, stream=1),
    ]
    data = b"".join(frames)
    return await counted([attacker.say(data, 1.0) for _ in range(amount)])


async def abandoned_streams(attacker: Attacker, amount: int, random: Random) -> Counter[str]:
    """Open streams of revocations, and leave: in order, or by a broken connection."""
    fields = call_fields(
        "localhost", _WATCH, [("authorization", f"Bearer {attacker.victim.caller_key}")]
    )
    opening = (
        PREFACE
        + frame(SETTINGS)
        + frame(HEADERS, header_block(fields), flags=END_HEADERS, stream=1)
        + frame(DATA, message(b""), flags=END_STREAM, stream=1)
    )

    async def abandon() -> str:
        async with attacker.connected() as (reader, writer):
            writer.write(opening)
            while (received := await read_frame(reader)).kind != HEADERS:
                pass
            if received.flags & END_STREAM:
                return "refused"
            if random.random() < 0.5:  # noqa: PLR2004 - half of them
                writer.write(frame(RESET, (8).to_bytes(4, "big"), stream=1))
                await writer.drain()
            return "opened"

    return await counted([abandon() for _ in range(amount)], 50)


async def unread_answers(attacker: Attacker, amount: int, _: Random) -> Counter[str]:
    """Ask for large answers and allow the server to send nothing: a window of zero."""
    victim = attacker.victim
    batch = BatchValidateCredentialsRequest(
        requests=[ValidateCredentialRequest(credential=victim.credential)] * _BATCH_SIZE
    )
    block = header_block(
        call_fields("localhost", _BATCH, [("authorization", f"Bearer {victim.caller_key}")])
    )
    request = message(batch.SerializeToString())

    async def ask() -> str:
        async with attacker.connected() as (reader, writer):
            sender = Sender(reader, writer, setting(INITIAL_WINDOW_SIZE, 0))
            return await sender.run(block, request, _STREAMS, victim.seconds, end=True)

    return await counted([ask() for _ in range(amount)])


async def half_sent(attacker: Attacker, amount: int, _: Random) -> Counter[str]:
    """Send the largest messages but for their last byte, on as many streams as there may be."""
    block = header_block(call_fields("localhost", VALIDATE))
    request = message(bytes(_LARGEST - 1), length=_LARGEST)

    async def send() -> str:
        async with attacker.connected() as (reader, writer):
            sender = Sender(reader, writer)
            return await sender.run(block, request, _STREAMS, attacker.victim.seconds)

    return await counted([send() for _ in range(amount)])


def _data(data: bytes, stream: int) -> list[bytes]:
    return [
        frame(DATA, data[at : at + MAX_FRAME_BYTES], stream=stream)
        for at in range(0, len(data), MAX_FRAME_BYTES)
    ]
