"""Streams of WatchRevocations from a server of their own, and how they are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc

from orchestrator.auth.v1 import auth_service_pb2 as pb
from tests.conftest import Service
from tests.integration.support import (
    Stubs,
    bearer,
    stubs_of,
)
from tests.integration.support_fresh import Served, served

if TYPE_CHECKING:
    WatchCall = grpc.aio.UnaryStreamCall[pb.WatchRevocationsRequest, pb.WatchRevocationsResponse]


Told = pb.WatchRevocationsResponse

APPEND = (
    "SELECT authsvc.append_change('KEY_REVOKED', 'acct_x', 'key_' || n)"
    " FROM generate_series(1, {}) n"
)


def kind_of(told: Told) -> str:
    return str(told.WhichOneof("event"))


def watch(stubs: Stubs, key: str, after_revision: int = 0) -> WatchCall:
    return stubs.auth.WatchRevocations(
        pb.WatchRevocationsRequest(after_revision=after_revision), metadata=bearer(key)
    )


async def read(call: WatchCall) -> Told:
    async with asyncio.timeout(15):
        told = await call.read()
    assert isinstance(told, Told), told
    return told


async def read_until(call: WatchCall, condition: Callable[[Told], bool]) -> list[Told]:
    """Read on; return everything up to what was waited for."""
    heard = [await read(call)]
    while not condition(heard[-1]):
        heard.append(await read(call))
    return heard


@dataclass
class Watched:
    """A served service, and a stream that has had its first heartbeat."""

    server: Served
    stubs: Stubs
    call: WatchCall
    first: Told = field(default_factory=Told)

    @property
    def service(self) -> Service:
        return self.server.service


@asynccontextmanager
async def watched(url: str, **changes: object) -> AsyncIterator[Watched]:
    async with (
        served(url, **changes) as server,
        stubs_of(server.service.address) as stubs,
    ):
        call = watch(stubs, server.service.admin_key)
        first = (await read_until(call, lambda told: kind_of(told) == "heartbeat"))[-1]
        yield Watched(server, stubs, call, first)
        call.cancel()
