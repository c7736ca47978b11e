"""`python -m benchmarks.freshness`: from the acknowledgement of a revocation to its denials.

Several servers share one database. Keys that all of them have in memory are revoked at one of them;
each is asked about the key until it denies it, and each tells of it on a stream. Then the same
while NOTIFY is cut off.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc
from rich.console import Console

from authsvc.postgres.embedded import EmbeddedPostgres
from benchmarks import machine
from benchmarks.cases import caller_metadata, manager_metadata
from benchmarks.command import add_output, between, run
from benchmarks.database import connected
from benchmarks.errors import BenchmarkFailed, WrongAnswer
from benchmarks.load import percentile
from benchmarks.processes import Server
from benchmarks.results import (
    Target,
    at_most,
    circumstances,
    section_lines,
    table_lines,
    terminal_targets,
    write_section,
)
from benchmarks.service import Service, check_log, open_service, postgres_version
from orchestrator.auth.v1.auth_service_pb2 import (
    RevokeKeyRequest,
    ValidateCredentialRequest,
    WatchRevocationsRequest,
)
from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from orchestrator.auth.v1.denial_pb2 import DENIAL_REASON_KEY_REVOKED
from orchestrator.auth.v1.freshness_pb2 import FRESHNESS_SOURCE_CACHE

if TYPE_CHECKING:
    from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceAsyncStub

_SERVERS: Final = 4
_MAX_STALENESS_SECONDS: Final = 5.0
_NOTIFIED_MS: Final = 50.0
_TIMEOUT_SECONDS: Final = 10.0
# How often each server is asked: a tight loop would measure its own load on two cores.
_PAUSE_SECONDS: Final = 0.001
_SPREAD_SECONDS: Final = 0.01
_CUT_OFF_PAUSE_SECONDS: Final = 0.02
_CUT_OFF_SPREAD_SECONDS: Final = 1.0
_CUT_OFF_AT_ONCE: Final = 10
_NOTIFY: Final = "PERFORM pg_notify('authsvc_changes', '');"

_INTRODUCTION: Final = (
    f"Written by `make bench-freshness`. {_SERVERS} processes of `authsvc serve` share one "
    "database, and each has the key in memory. It is revoked at one of them, in turn; each is "
    "asked about it every millisecond until it denies it, and has a stream of WatchRevocations. "
    "The time counts from the client's receipt of the answer to RevokeKey to its receipt of the "
    "last server's denial and of the last stream's event; what came before the answer counts as "
    "0. A good verdict with an `as_of` after the acknowledgement would end the run as a failure. "
    "To cut NOTIFY off, the call of `pg_notify` is taken out of the database's function: then "
    f"the servers hear of a change when they next read the log, {_CUT_OFF_AT_ONCE} keys at a time."
)


@dataclass(frozen=True, slots=True)
class Delays:
    """How long after its acknowledgement one revocation was felt, in milliseconds."""

    denied: float
    """By the last server."""
    told: float
    """On the last stream."""

    @property
    def all(self) -> float:
        """Both."""
        return max(self.denied, self.told)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.freshness", description="Time revocations, from end to end."
    )
    parser.add_argument(
        "--revocations",
        type=between(int, 10, 10_000),
        default=500,
        metavar="N",
        help="how many, with NOTIFY (default 500)",
    )
    parser.add_argument(
        "--cut-off",
        type=between(int, 10, 10_000),
        default=300,
        metavar="N",
        help="how many, with NOTIFY cut off (default 300)",
    )
    add_output(parser)
    return parser


class Member:
    """One of the servers, asked and listened to."""

    def __init__(self, channel: grpc.aio.Channel, service: Service) -> None:
        """Take a channel to it."""
        self._stub: AuthServiceAsyncStub = AuthServiceStub(channel)
        self._caller = caller_metadata(service)
        self._manager = manager_metadata(service)
        self._bulk = service.bulk
        self._told: dict[str, asyncio.Future[float]] = {}
        self._ready = asyncio.Event()

    async def listen(self) -> None:
        """Note when the stream tells of revocations, until cancelled."""
        stream = self._stub.WatchRevocations(WatchRevocationsRequest(), metadata=self._caller)
        async for event in stream:
            self._ready.set()
            if event.HasField("key_revoked"):
                self._future(event.key_revoked.key_id).set_result(time.perf_counter())

    async def wait_until_listening(self) -> None:
        """Wait for the first heartbeat."""
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await self._ready.wait()

    async def told(self, key_id: str) -> float:
        """Return when the stream told of a key."""
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            return await self._future(key_id)

    async def revoke(self, number: int) -> tuple[float, float]:
        """Revoke a key; return when that was acknowledged, by the stop-watch and by the clock."""
        request = RevokeKeyRequest(key_id=self._bulk.key_id(number))
        await self._stub.RevokeKey(request, timeout=_TIMEOUT_SECONDS, metadata=self._manager)
        return time.perf_counter(), time.time()

    async def ask_until_denied(
        self, number: int, cached: asyncio.Event, revoked: asyncio.Future[float], pause: float
    ) -> float:
        """Ask about a key until it is denied.

        Args:
            number: The key.
            cached: Set once the server has answered from memory.
            revoked: When the revocation was acknowledged, by the clock.
            pause: Seconds between two questions.

        Returns:
            When the denial came.

        Raises:
            WrongAnswer: A verdict was good that should not have been, or the other way around.
        """
        request = ValidateCredentialRequest(credential=self._bulk.secret(number))
        while True:
            verdict = await self._stub.ValidateCredential(
                request, timeout=_TIMEOUT_SECONDS, metadata=self._caller
            )
            if verdict.HasField("denial"):
                if verdict.denial.reason != DENIAL_REASON_KEY_REVOKED or not cached.is_set():
                    raise WrongAnswer(f"the answer is another one: {verdict}")
                return time.perf_counter()
            if revoked.done():
                _check_promise(verdict.freshness.as_of.ToNanoseconds() / 1e9, revoked.result())
            if verdict.freshness.source == FRESHNESS_SOURCE_CACHE:
                cached.set()
            await asyncio.sleep(pause)

    def _future(self, key_id: str) -> asyncio.Future[float]:
        return self._told.setdefault(key_id, asyncio.get_running_loop().create_future())


def _check_promise(as_of: float, acknowledged: float) -> None:
    if as_of > acknowledged:
        raise WrongAnswer("a good verdict says that it reflects a moment after the revocation")
    if time.time() - acknowledged > _MAX_STALENESS_SECONDS + 1:
        raise WrongAnswer("a key is good longer than max_staleness after its revocation")


async def _revoke_one(
    members: Sequence[Member], number: int, key_id: str, pause: float, spread: float
) -> Delays:
    """Revoke one key that all have in memory and see how soon all feel it.

    Args:
        members: The servers.
        number: The key.
        key_id: Its id.
        pause: Seconds between two questions to one server.
        spread: Within how many seconds to revoke it, at random: the servers have clocks.
    """
    revoked: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    cached = [asyncio.Event() for _ in members]
    async with asyncio.TaskGroup() as group:
        asking = [
            group.create_task(member.ask_until_denied(number, event, revoked, pause))
            for member, event in zip(members, cached, strict=True)
        ]
        for event in cached:
            await event.wait()
        await asyncio.sleep(random.random() * spread)  # noqa: S311 - no secret
        acknowledged, at = await members[number % len(members)].revoke(number)
        revoked.set_result(at)
        told = max([await member.told(key_id) for member in members])
    denied = max(task.result() for task in asking)
    return Delays(max(0.0, denied - acknowledged) * 1000, max(0.0, told - acknowledged) * 1000)


async def _cut_notify_off(database_url: str) -> None:
    async with connected(database_url) as connection:
        source: str = await connection.fetchval(
            "SELECT pg_get_functiondef('authsvc.append_change'::regproc)"
        )
        if _NOTIFY not in source:
            raise BenchmarkFailed("append_change does not call pg_notify as this benchmark expects")
        await connection.execute(source.replace(_NOTIFY, ""))


@asynccontextmanager
async def _open_members(service: Service) -> AsyncIterator[list[Member]]:
    async with AsyncExitStack() as stack:
        more: list[Server] = [
            await stack.enter_async_context(service.serving(f"server-{number}"))
            for number in range(1, _SERVERS)
        ]
        members = []
        for server in (service.server, *more):
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.address))
            members.append(Member(channel, service))
        listening = [asyncio.create_task(member.listen()) for member in members]
        try:
            for member in members:
                await member.wait_until_listening()
            yield members
            for task in listening:
                if task.done():
                    task.result()
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)


async def _run(arguments: argparse.Namespace, console: Console) -> None:
    first, second = arguments.revocations, arguments.cut_off
    second -= second % _CUT_OFF_AT_ONCE
    console.print(f"Starting Postgres and {_SERVERS} processes of authsvc…")
    with tempfile.TemporaryDirectory(prefix="authsvc-bench-") as name:
        directory = Path(name)
        async with EmbeddedPostgres(directory / "data") as postgres:
            url = postgres.url()
            about = machine.describe(await postgres_version(url))
            async with (
                open_service(
                    directory, url, first + second, max_staleness=_MAX_STALENESS_SECONDS
                ) as service,
                _open_members(service) as members,
            ):
                console.print(f"Revoking {first} keys, one after the other…")
                notified = [
                    await _revoke_one(
                        members, n, service.bulk.key_id(n), _PAUSE_SECONDS, _SPREAD_SECONDS
                    )
                    for n in range(first)
                ]
                console.print(f"Cutting NOTIFY off and revoking {second} more…")
                await _cut_notify_off(url)
                cut_off: list[Delays] = []
                for start in range(first, first + second, _CUT_OFF_AT_ONCE):
                    cut_off += await asyncio.gather(
                        *(
                            _revoke_one(
                                members,
                                n,
                                service.bulk.key_id(n),
                                _CUT_OFF_PAUSE_SECONDS,
                                _CUT_OFF_SPREAD_SECONDS,
                            )
                            for n in range(start, start + _CUT_OFF_AT_ONCE)
                        )
                    )
        check_log(directory)
    _report(arguments, console, notified, cut_off, about)


def _report(
    arguments: argparse.Namespace,
    console: Console,
    notified: Sequence[Delays],
    cut_off: Sequence[Delays],
    about: dict[str, str],
) -> None:
    p99 = percentile(sorted(one.all for one in notified), 99)
    worst = max(one.all for one in cut_off)
    targets: list[Target] = [
        at_most(
            f"revocation acknowledged → denied by {_SERVERS} processes and told on "
            f"{_SERVERS} streams, p99",
            p99,
            _NOTIFIED_MS,
            " ms",
        ),
        at_most(
            "the same with NOTIFY cut off, greatest (max_staleness)",
            worst,
            _MAX_STALENESS_SECONDS * 1000,
            " ms",
        ),
    ]
    head = ("Milliseconds after the acknowledgement", "p50", "p90", "p99", "greatest")
    rows = [
        _row("denied by all", [one.denied for one in notified]),
        _row("told on all streams", [one.told for one in notified]),
        _row("both", [one.all for one in notified]),
        _row("both, NOTIFY cut off", [one.all for one in cut_off]),
    ]
    console.print(terminal_targets(targets))
    console.print()
    for row in (head, *rows):
        console.print(f"{row[0]:40}" + "".join(f"{cell:>10}" for cell in row[1:]), highlight=False)
    parameters = {
        "Processes": str(_SERVERS),
        "Revocations": str(len(notified)),
        "Revocations with NOTIFY cut off": str(len(cut_off)),
        "AUTHSVC_MAX_STALENESS": f"{_MAX_STALENESS_SECONDS:g} s",
    }
    lines = section_lines(
        "From a revocation to its denials",
        _INTRODUCTION,
        targets,
        table_lines(head, rows),
        circumstances(parameters, about, datetime.now(UTC)),
    )
    write_section(arguments.output, "freshness", lines)
    console.print(f"\nWritten to {arguments.output.name}.")


def _row(title: str, values: Sequence[float]) -> tuple[str, ...]:
    ascending = sorted(values)
    shown = [*(percentile(ascending, percent) for percent in (50, 90, 99)), ascending[-1]]
    return (title, *(f"{value:,.1f}" for value in shown))


if __name__ == "__main__":
    sys.exit(run(_parser(), _run))
