"""What the supervisor does about workers that do not start, do not end, or end of themselves."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from authsvc.config import InvalidSettings
from authsvc.supervisor import WORKER_VARIABLE, Supervisor, supervise
from tests.conftest import settings_for

# Each tells its process id in a file, then lives until it is told not to.
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
SAY = "import os, sys, time; open(f'{sys.argv[1]}/{os.getpid()}', 'w').close(); "
SLEEP = "time.sleep(60)"


def supervisor(program: str, told: Path, *, workers: int = 2, patience: float = 30) -> Supervisor:
    return Supervisor(
        [sys.executable, "-S", "-c", program, str(told)],
        dict(os.environ),
        workers,
        patience=timedelta(seconds=patience),
    )


@asynccontextmanager
async def running(
    supervisor: Supervisor,
) -> AsyncIterator[tuple[asyncio.Task[None], asyncio.Event]]:
    stop = asyncio.Event()
    task = asyncio.create_task(supervisor.run(stop))
    async with asyncio.timeout(20):
        try:
            yield task, stop
        finally:
            task.cancel()
            await asyncio.wait([task])


async def told(directory: Path, count: int) -> list[int]:
    while len(found := started(directory)) < count:  # noqa: ASYNC110 - other processes have no event
        await asyncio.sleep(0.01)
    return found


def started(directory: Path) -> list[int]:
    return [int(path.name) for path in directory.iterdir()]


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_more_workers_than_connections_to_the_database_are_refused() -> None:
    settings = settings_for("postgresql://nowhere", workers=3, database_pool_size=2)

    with pytest.raises(InvalidSettings, match=r"POOL_SIZE: is 2, and AUTHSVC_WORKERS is 3"):
        await supervise(settings, asyncio.Event())


async def test_workers_that_end_when_told_are_waited_for(tmp_path: Path) -> None:
    async with running(supervisor(SAY + SLEEP, tmp_path)) as (task, stop):
        pids = await told(tmp_path, 2)
        stop.set()
        await task

    assert not any(map(is_alive, pids))


async def test_a_worker_that_does_not_end_is_killed_when_patience_is_over(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with running(supervisor(DEAF + SAY + SLEEP, tmp_path, patience=0.2)) as (task, stop):
            pids = await told(tmp_path, 2)
            stop.set()
            await task

    assert not any(map(is_alive, pids))
    assert [log["event"] for log in logs] == ["worker does not end and is killed"] * 2


@pytest.mark.parametrize("told_to_stop", [False, True])
async def test_cancelling_kills_all_workers(tmp_path: Path, *, told_to_stop: bool) -> None:
    async with running(supervisor(DEAF + SAY + SLEEP, tmp_path)) as (task, stop):
        pids = await told(tmp_path, 2)
        if told_to_stop:
            stop.set()
            await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])

    assert task.cancelled()
    assert not any(map(is_alive, pids))


async def test_a_worker_that_ends_is_started_again(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with running(supervisor(SAY + "sys.exit(3)", tmp_path, workers=1)) as (task, stop):
            await told(tmp_path, 3)
            stop.set()
            await task

    assert [log["restart_in_seconds"] for log in logs[:2]] == [0.2, 0.4]
    assert {log["exit_code"] for log in logs} == {3}


async def test_a_worker_that_cannot_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, failures = asyncio.create_subprocess_exec, [BlockingIOError(11, "no process to be had")]

    async def start_later(*args: Any, **options: Any) -> asyncio.subprocess.Process:  # noqa: ANN401
        if failures:
            raise failures.pop()
        return await start(*args, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_later)
    with capture_logs() as logs:
        async with running(supervisor(SAY + SLEEP, tmp_path, workers=1)) as (task, stop):
            await told(tmp_path, 1)
            stop.set()
            await task

    (log,) = logs
    assert log["event"] == "worker cannot be started"
    assert "no process to be had" in log["cause"]


async def test_a_worker_that_was_just_being_started_is_not_left_behind(tmp_path: Path) -> None:
    async with running(supervisor(SAY + SLEEP, tmp_path)) as (task, stop):
        await asyncio.sleep(0)
        stop.set()
        await task

    assert not any(map(is_alive, started(tmp_path)))


async def test_each_worker_knows_its_number(tmp_path: Path) -> None:
    program = (
        f"import os, sys, time; open(sys.argv[1] + '/' + os.environ['{WORKER_VARIABLE}'], 'w')"
    )
    async with running(supervisor(f"{program}; {SLEEP}", tmp_path)) as (task, stop):
        assert sorted(await told(tmp_path, 2)) == [0, 1]
        stop.set()
        await task


async def test_each_worker_knows_how_often_it_was_started_anew(tmp_path: Path) -> None:
    program = (
        "import os, sys; "
        "open(sys.argv[1] + '/' + os.environ['_AUTHSVC_WORKER_RESTARTS'], 'w'); sys.exit(3)"
    )
    with capture_logs():
        async with running(supervisor(program, tmp_path, workers=1)) as (task, stop):
            assert sorted(await told(tmp_path, 2)) == [0, 1]
            stop.set()
            await task
