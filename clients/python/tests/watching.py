"""What tests of watches have in common."""
# What fixtures give may be of either kind, so it has no one type.
# ruff: noqa: ANN401

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from orchestrator.auth import (
    KeyRevoked,
)

RPC = "WatchRevocations"

AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)

SOON = 5.0


def revoked(revision: int) -> KeyRevoked:
    return KeyRevoked(f"key_{revision}", "acct_1", revision)


def asked(server: Any) -> list[int]:
    return [call.request.after_revision for call in server.calls]


def full(answers: Any) -> Any:
    """Return the status of a server with too many streams."""
    status = status_pb2.Status()
    status.details.add().Pack(
        error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1000)), "type.googleapis.com"
    )
    trailers = (("grpc-status-details-bin", status.SerializeToString()),)
    return answers.Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", trailers)


async def told(reader: Any, count: int) -> list[Any]:
    async with asyncio.timeout(SOON):
        return list(await reader.take(count))


async def gone(call: Any) -> bool:
    return bool(await asyncio.to_thread(call.ended.wait, SOON))
