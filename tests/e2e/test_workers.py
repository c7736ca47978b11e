"""`authsvc serve` with AUTHSVC_WORKERS: several processes on one port that come and go together."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg
import grpc
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from authsvc import app
from authsvc.config import Settings
from benchmarks.processes import family
from orchestrator.auth.v1 import auth_service_pb2 as pb
from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from tests.conftest import ORIGIN
from tests.e2e.databases import Prepared, settings_on
from tests.e2e.support import Process, is_running, run, serve, until
from tests.integration.support_http import fetch, kids_at

if TYPE_CHECKING:
    from orchestrator.auth.v1.auth_service_pb2_grpc import AuthServiceAsyncStub

WAITING: Final = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
 WHERE NOT granted AND datname = current_database()
"""
# Enough that the kernel gives some to each of two workers, but for once in 2**15 times.
CONNECTIONS: Final = 16
PATIENT: Final = {"AUTHSVC_DATABASE_TIMEOUT": "60", "AUTHSVC_SHUTDOWN_GRACE": "60"}


@pytest_asyncio.fixture(loop_scope="session")
async def prepared(settings: Settings) -> Prepared:
    async with app.open_parts(settings) as parts:
        system = await parts.bootstrap.prepare(ORIGIN, app.time_limit())
        issued = await parts.bootstrap.create_admin_key(system, "admin", ORIGIN, app.time_limit())
    return Prepared(
        workers_on(settings.database_url.get_secret_value()), admin_key=issued.secret.reveal()
    )


def workers_on(database_url: str) -> dict[str, str]:
    return {**settings_on(database_url), "AUTHSVC_WORKERS": "2"}


@dataclass(frozen=True)
class Fleet:
    """A supervisor with two workers."""

    supervisor: Process
    address: str

    def workers(self) -> set[int]:
        _, *workers = family(self.supervisor.pid)
        return set(workers)

    def count(self, event: str) -> int:
        return events(self.supervisor).count(event)

    def until_count(self, event: str, count: int) -> None:
        until(lambda: self.count(event) >= count, f"{event} {count} times", 20)

    def connections_of(self, pid: int) -> int:
        """Return how many connections a worker has taken."""
        port = int(self.address.rpartition(":")[2])
        # gRPC listens on IPv4 addresses by IPv6 sockets.
        rows = map(str.split, Path("/proc/net/tcp6").read_text().splitlines()[1:])
        taken = {
            f"socket:[{row[9]}]"
            for row in rows
            if row[1].endswith(f":{port:04X}") and row[3] == "01"
        }
        return len(taken & {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()})


def http_address_of(process: Process) -> str:
    return process.wait_for(r'"http_address": "(\S+)"', process.errors)[1]


def events(process: Process) -> list[str]:
    # A line that is being written may be cut.
    return re.findall(r'"event": "([^"]*)"', process.errors())


def files_in(directory: str) -> list[Path]:
    return list(Path(directory).iterdir())


@contextmanager
def fleet(cwd: Path, settings: dict[str, str]) -> Iterator[Fleet]:
    with serve(cwd, settings) as (supervisor, address):
        started = Fleet(supervisor, address)
        started.until_count("serving", 2)
        workers = started.workers()
        yield started
        # Whatever a test does to them: none is left when its block ends.
        supervisor.end()
    until(lambda: not any(map(is_running, workers)), "end of all workers", 20)


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[list[AuthServiceAsyncStub]]:
    """Open many connections, of which none retries."""
    async with AsyncExitStack() as stack:
        stubs = []
        for _ in range(CONNECTIONS):
            options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
            channel = grpc.aio.insecure_channel(address, options=options)
            stubs.append(AuthServiceStub(await stack.enter_async_context(channel)))
        yield stubs


async def ask(stub: AuthServiceAsyncStub, key: str, seconds: float = 60) -> str:
    """Validate a good key with itself, and return the outcome, or the code of a failure."""
    request = pb.ValidateCredentialRequest(credential=key)
    try:
        response = await stub.ValidateCredential(
            request, metadata=(("authorization", f"Bearer {key}"),), timeout=seconds
        )
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return response.WhichOneof("outcome") or "nothing"


@asynccontextmanager
async def locked_keys(prepared: Prepared) -> AsyncIterator[asyncpg.Connection]:
    """Let whatever reads keys wait until the block ends."""
    connection = await asyncpg.connect(prepared.database_url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE authsvc.keys")
            yield connection
    finally:
        await connection.close()


async def until_waiting(connection: asyncpg.Connection) -> None:
    while not await connection.fetchval(WAITING):
        pass


async def test_two_workers_answer_on_one_port_and_end_with_their_supervisor(
    prepared: Prepared, tmp_path: Path
) -> None:
    with fleet(tmp_path, prepared.settings) as running:
        workers = running.workers()
        assert len(workers) == 2

        async with connected(running.address) as stubs:
            outcomes = await asyncio.gather(*(ask(stub, prepared.admin_key) for stub in stubs))
            taken = [running.connections_of(pid) for pid in workers]

        code = await asyncio.to_thread(running.supervisor.terminate)
        assert outcomes == ["principal"] * CONNECTIONS
        assert all(taken)
        assert sum(taken) == CONNECTIONS
        assert code == 0
        assert not any(map(is_running, workers))
        assert [running.count(event) for event in ("draining", "stopped", "worker died")] == [
            2,
            2,
            0,
        ]


async def test_a_worker_that_dies_under_load_denies_nobody_and_is_replaced(
    prepared: Prepared, tmp_path: Path
) -> None:
    with fleet(tmp_path, prepared.settings) as running:
        first, second = running.workers()
        outcomes: set[str] = set()
        over = asyncio.Event()

        async def load(stub: AuthServiceAsyncStub) -> None:
            while not over.is_set():
                outcomes.add(await ask(stub, prepared.admin_key, seconds=10))
                # The worker that starts again needs some of the machine too.
                await asyncio.sleep(0.02)

        def both_are_used() -> bool:
            return bool(running.connections_of(first) and running.connections_of(second))

        async with connected(running.address) as stubs:
            loads = [asyncio.create_task(load(stub)) for stub in stubs]
            await asyncio.to_thread(until, both_are_used, "load on both", 5)
            os.kill(first, signal.SIGKILL)
            await asyncio.to_thread(running.until_count, "serving", 3)
            over.set()
            await asyncio.gather(*loads)

        assert outcomes - {"UNAVAILABLE"} == {"principal"}
        assert second in running.workers()
        assert len(running.workers()) == 2
        (replaced,) = running.workers() - {second}
        async with connected(running.address) as stubs:
            await asyncio.gather(*(ask(stub, prepared.admin_key) for stub in stubs))
            assert running.connections_of(replaced)


async def test_signals_to_every_process_let_a_running_call_finish(
    prepared: Prepared, tmp_path: Path
) -> None:
    with fleet(tmp_path, {**prepared.settings, **PATIENT}) as running:
        workers = running.workers()
        async with connected(running.address) as stubs:
            async with locked_keys(prepared) as connection:
                call = asyncio.create_task(ask(stubs[0], prepared.admin_key))
                await until_waiting(connection)

                # As systemd does, and the supervisor signals the workers once more.
                for pid in (*workers, running.supervisor.pid):
                    os.kill(pid, signal.SIGTERM)
                await asyncio.to_thread(running.until_count, "draining", 2)
                for pid in workers:
                    if is_running(pid):
                        os.kill(pid, signal.SIGTERM)
                await asyncio.sleep(0.2)
                assert not call.done()
            assert await call == "principal"

        assert await asyncio.to_thread(running.supervisor.wait) == 0
        assert not any(map(is_running, workers))


async def test_a_second_signal_ends_all_workers_at_once(prepared: Prepared, tmp_path: Path) -> None:
    with fleet(tmp_path, {**prepared.settings, **PATIENT}) as running:
        workers = running.workers()
        async with connected(running.address) as stubs, locked_keys(prepared) as connection:
            # Given calls that run on both, and one worker that does nothing any more
            calls = [asyncio.create_task(ask(stub, prepared.admin_key)) for stub in stubs]
            await until_waiting(connection)
            os.kill(min(workers), signal.SIGSTOP)
            running.supervisor.signal(signal.SIGTERM)
            await asyncio.to_thread(running.until_count, "draining", 1)

            async with asyncio.timeout(5):
                code = await asyncio.to_thread(running.supervisor.terminate)
            assert not any(map(is_running, workers))
            assert set(await asyncio.gather(*calls)) <= {"UNAVAILABLE", "CANCELLED"}
        assert code == 0


async def test_workers_end_by_themselves_when_their_supervisor_is_killed(
    prepared: Prepared, tmp_path: Path
) -> None:
    # Given workers whose sockets are in a directory of their own; its path has to be short
    with (
        tempfile.TemporaryDirectory() as place,
        fleet(tmp_path, {**prepared.settings, "TMPDIR": place}) as running,
    ):
        assert files_in(place)
        workers = running.workers()

        # When their supervisor is killed, then they end in order
        running.supervisor.kill()
        until(lambda: not any(map(is_running, workers)), "end of the workers", 10)
        assert [running.count(event) for event in ("draining", "stopped")] == [2, 2]

        # And leave nothing behind
        assert not files_in(place)


async def test_a_port_in_use_is_refused_before_any_worker_starts(prepared: Prepared) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run("serve", settings={**prepared.settings, "AUTHSVC_LISTEN_ADDRESS": address})

    assert ended.code == 1
    assert ended.err.startswith(f"authsvc: cannot listen on {address}: the port is in use")
    assert ended.err.endswith("choose another one with AUTHSVC_LISTEN_ADDRESS\n")
    assert len(ended.err.splitlines()) == 1


async def test_an_http_port_in_use_is_refused_before_any_worker_starts(prepared: Prepared) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run("serve", settings={**prepared.settings, "AUTHSVC_HTTP_ADDRESS": address})

    assert ended.code == 1
    assert ended.err.startswith(f"authsvc: cannot listen on {address}: the port is in use")
    assert "AUTHSVC_HTTP_ADDRESS" in ended.err


async def test_workers_share_the_http_port(prepared: Prepared, tmp_path: Path) -> None:
    with fleet(tmp_path, prepared.settings) as running:
        address = http_address_of(running.supervisor)
        answers = await asyncio.gather(*(kids_at(address) for _ in range(CONNECTIONS)))
        assert all(len(kids) == 1 for kids in answers)

        # When one of them is gone, the other one answers
        os.kill(min(running.workers()), signal.SIGKILL)
        await asyncio.to_thread(running.until_count, "worker died", 1)
        assert await kids_at(address)

        assert running.supervisor.terminate() == 0
    with pytest.raises(ConnectionRefusedError):
        await kids_at(address)


async def scraped(address: str) -> dict[tuple[str, ...], float]:
    """Return the metrics of all workers, by the name and the values of their labels."""
    text = (await fetch(address, "/metrics")).body.decode()
    return {
        (one.name, *one.labels.values()): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def total(samples: dict[tuple[str, ...], float], *name: str) -> float:
    """Return the sum over the workers."""
    return sum(value for labels, value in samples.items() if labels[: len(name)] == name)


async def test_one_scrape_tells_the_calls_of_all_workers(
    prepared: Prepared, tmp_path: Path
) -> None:
    with fleet(tmp_path, prepared.settings) as running:
        address = http_address_of(running.supervisor)
        async with connected(running.address) as stubs:
            await asyncio.gather(*(ask(stub, prepared.admin_key) for stub in stubs))
        # Whichever worker answers
        scrapes = [await scraped(address) for _ in range(4)]

        for samples in scrapes:
            assert total(samples, "authsvc_verdicts_total", "key", "OK") == CONNECTIONS
            assert total(samples, "authsvc_rpc_requests_total", "OK") == CONNECTIONS
            assert total(samples, "authsvc_worker_up") == 2
            calls = [samples["authsvc_verdicts_total", "key", "OK", number] for number in "01"]
            assert all(calls)

        # When one of them dies, the other one tells of it, and its successor begins anew
        os.kill(min(running.workers()), signal.SIGKILL)
        await asyncio.to_thread(running.until_count, "worker died", 1)
        assert total(await scraped(address), "authsvc_worker_up") == 1
        await asyncio.to_thread(running.until_count, "serving", 3)
        samples = await scraped(address)
        assert total(samples, "authsvc_worker_up") == 2
        assert total(samples, "authsvc_worker_restarts_total") == 1
        assert total(samples, "authsvc_verdicts_total", "key", "OK") < CONNECTIONS


async def test_workers_without_a_place_for_their_sockets_are_refused(
    prepared: Prepared, tmp_path: Path
) -> None:
    # Deeper than the path of a socket may be
    directory = tmp_path / ("long" * 25)
    directory.mkdir()
    ended = run("serve", settings={**prepared.settings, "TMPDIR": str(directory)})

    assert ended.code == 1
    assert ended.err.startswith("authsvc: several workers that serve HTTP need a directory")
    assert "TMPDIR" in ended.err


async def test_an_outdated_schema_is_refused_once(empty_database_url: str) -> None:
    ended = run("serve", settings=workers_on(empty_database_url))

    assert ended.code == 1
    assert ended.err.startswith("authsvc: the database schema is at revision none")
    assert len(ended.err.splitlines()) == 1


async def test_a_worker_without_a_supervisor_serves(prepared: Prepared, tmp_path: Path) -> None:
    # Its standard input is /dev/null, which cannot be watched.
    with serve(tmp_path, {**prepared.settings, "_AUTHSVC_WORKER_NUMBER": "0"}) as (worker, _):
        assert worker.terminate() == 0
        assert [json.loads(line)["event"] for line in worker.errors().splitlines()] == [
            "serving",
            "draining",
            "stopped",
        ]
