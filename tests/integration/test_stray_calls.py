"""Calls of methods that there are not, and a server that ends by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

import grpc
import pytest

from authsvc.logs import is_told
from authsvc.rpc.server import GrpcServerEnded, serve_until
from benchmarks.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    SETTINGS,
    call_fields,
    frame,
    header_block,
    message,
)
from orchestrator.auth.v1 import auth_service_pb2 as pb
from tests.conftest import Service
from tests.integration.support import Stubs, bearer
from tests.integration.support_http2 import tcp

GENEROUS_SECONDS: Final = 30
NO_TEXT: Final = b"\xff\xfe\xfd"
NO_TIME: Final = timedelta(0)


async def call_raw(address: str, path: str, metadata: Iterable[tuple[str, str]] = ()) -> bytes:
    """Call a method, in whose headers `!!!` is bytes that are no text; return the answer."""
    block = header_block(call_fields(address, path, metadata)).replace(b"!!!", NO_TEXT)
    async with asyncio.timeout(GENEROUS_SECONDS), tcp(address) as (reader, writer):
        writer.write(
            PREFACE
            + frame(SETTINGS)
            + frame(HEADERS, block, flags=END_HEADERS, stream=1)
            + frame(DATA, message(b""), flags=END_STREAM, stream=1)
        )
        got = b""
        while b"grpc-status" not in got:
            data = await reader.read(1024)
            assert data, f"closed without a status: {got!r}"
            got += data
        return got


@pytest.mark.parametrize(
    "path",
    [
        "/orchestrator.auth.v1.AuthService/!!!",
        "/!!!/ValidateCredential",
        "!!!",
        "/orchestrator.auth.v1.AuthService/ValidateCredential!!!",
    ],
)
async def test_a_path_that_is_no_text_is_refused_and_harms_nobody(
    path: str, shared_service: Service, shared_stubs: Stubs
) -> None:
    answer = await call_raw(shared_service.address, path)

    assert b"Method not found!" in answer
    request = pb.ValidateCredentialRequest(credential="x")
    good = bearer(shared_service.admin_key)
    assert (await shared_stubs.auth.ValidateCredential(request, metadata=good)).HasField("denial")


async def test_methods_that_there_are_not_are_unimplemented(shared_stubs: Stubs) -> None:
    for path in ("/orchestrator.auth.v1.AuthService/Nothing", "/t.T/Nothing"):
        method: Any = shared_stubs.channel.unary_unary(path)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await method(b"x" * 100_000)
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_metadata_that_is_no_text_is_not_quoted_in_the_log(
    shared_service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    path = "/orchestrator.auth.v1.AuthService/ValidateCredential"

    answer = await call_raw(
        shared_service.address, path, [("authorization", "Bearer secret!!!"), ("x-!!!", "y")]
    )

    assert b"grpc-status" in answer
    # grpc.aio has tried to tell of it, in the words by which it is left out
    assert [record for record in caplog.records if "secret" in record.getMessage()]
    assert not [record for record in caplog.records if is_told(record)]


class NoHealth:
    """Health that nobody asks about."""

    async def keep_probing(self) -> None:
        await asyncio.Event().wait()

    async def say_goodbye(self, notice: timedelta) -> None:
        pass


async def test_a_server_that_ends_by_itself_is_told_of() -> None:
    # Given a server of grpc.aio as it is, which such a path ends
    server = grpc.aio.server()
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    health: Any = NoHealth()
    serving = asyncio.create_task(
        serve_until(asyncio.Event(), server, health, NO_TIME, notice=NO_TIME, on_drain=lambda: None)
    )

    await call_raw(address, "/t.T/!!!")

    # Should grpc.aio survive it one day, `stray_calls` is needed no more
    with pytest.raises(GrpcServerEnded):
        async with asyncio.timeout(GENEROUS_SECONDS):
            await serving
