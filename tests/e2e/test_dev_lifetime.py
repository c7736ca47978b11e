"""`authsvc dev` from its start to its end: what it keeps, what it leaves, what it survives."""

from __future__ import annotations

import os
import signal
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.auth import AuthServiceError
from tests.e2e.support import (
    DATA_DIR,
    Command,
    Dev,
    dev,
    find_postgres,
    postmaster_pid,
    run,
    run_all,
    until,
)


@dataclass(frozen=True)
class Past:
    """What was true of a server that was stopped by SIGTERM."""

    cwd: Path
    admin_key: str
    account_id: str
    secret: str
    exit_code: int
    had_postgres: set[int]
    left_postgres: set[int]
    last_log: str


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    with dev(tmp_path_factory.mktemp("past")) as server:
        secret, admin_key = server.create_key("kept"), server.admin_key
        code = server.terminate()
        yield Past(
            server.cwd,
            admin_key,
            server.account_id,
            secret,
            code,
            server.postgres_pids,
            server.left(),
            server.errors(),
        )


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A directory whose server may be killed; what a failed test leaves running is ended."""
    yield tmp_path
    for pid in find_postgres(tmp_path / DATA_DIR):
        os.kill(pid, signal.SIGKILL)


def test_sigterm_stops_everything_postgres_included(past: Past) -> None:
    assert past.exit_code == 0
    assert past.had_postgres
    assert past.left_postgres == set()
    assert "draining" in past.last_log
    assert "stopped" in past.last_log


def test_its_files_are_for_their_owners_eyes_only(past: Past) -> None:
    files = ["admin.key", "encryption.key", "database.url"]
    modes = {stat.S_IMODE((past.cwd / DATA_DIR / name).stat().st_mode) for name in files}

    assert modes == {0o600}
    assert stat.S_IMODE((past.cwd / DATA_DIR).stat().st_mode) == 0o700


def test_a_restart_keeps_admin_key_account_and_data(past: Past) -> None:
    with dev(past.cwd) as server:
        assert server.admin_key == past.admin_key
        assert server.account_id == past.account_id
        assert server.accepts(past.secret)


def test_ctrl_c_stops_everything_postgres_included(past: Past) -> None:
    with dev(past.cwd) as server:
        assert server.postgres_pids

        assert server.interrupt() == 0

        assert server.left() == set()
        assert "Traceback" not in server.errors()


def test_a_deleted_admin_key_is_replaced(past: Past) -> None:
    file = past.cwd / DATA_DIR / "admin.key"
    file.unlink()

    with dev(past.cwd) as server:
        assert server.admin_key != past.admin_key
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert server.accepts(past.secret)


def test_a_port_in_use_is_named_and_nothing_is_left(past: Past, shared_dev: Dev) -> None:
    ended = run("dev", "--address", shared_dev.address, cwd=past.cwd)

    assert ended.code == 1
    assert f"cannot listen on {shared_dev.address}: the port is in use" in ended.err
    assert "choose another one with --address or AUTHSVC_LISTEN_ADDRESS" in ended.err
    # Every line is of ours: a log line or the message.
    assert all(line.startswith(("{", "authsvc: ")) for line in ended.err.splitlines()), ended.err
    assert find_postgres(past.cwd / DATA_DIR) == set()


def test_a_port_of_http_in_use_is_named_with_its_own_setting(past: Past) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run(
            "dev",
            "--address",
            "127.0.0.1:0",
            cwd=past.cwd,
            settings={"AUTHSVC_HTTP_ADDRESS": address},
        )

    assert ended.code == 1
    assert f"cannot listen on {address}: the port is in use" in ended.err
    assert ended.err.endswith("choose another one with AUTHSVC_HTTP_ADDRESS\n")


def test_a_second_start_says_that_the_directory_is_in_use(shared_dev: Dev) -> None:
    ended = run("dev", "--address", "127.0.0.1:0", cwd=shared_dev.cwd)

    assert ended.code == 1
    assert ended.out == ""
    assert ended.err.startswith("authsvc: ")
    assert f"is in use by process {shared_dev.pid}" in ended.err


def test_bad_addresses_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    setting = {"AUTHSVC_LISTEN_ADDRESS": "0.0.0.0:50051"}
    public, nonsense, set_public, overridden = run_all(
        [
            Command(["dev", "--address", "0.0.0.0:50051"], cwd=tmp_path),
            Command(["dev", "--address", "nonsense"], cwd=tmp_path),
            Command(["dev"], cwd=tmp_path, settings=setting),
            Command(["dev", "--address", "nonsense"], cwd=tmp_path, settings=setting),
        ]
    )

    assert [public.code, nonsense.code, set_public.code, overridden.code] == [1, 1, 1, 1]
    assert "AUTHSVC_LISTEN_ADDRESS: is not a loopback address" in set_public.err
    assert overridden.err == nonsense.err
    assert "--address: is not a loopback address" in public.err
    assert "AUTHSVC_ALLOW_PLAINTEXT=true" in public.err
    assert "--address: must be host:port, like 127.0.0.1:50051" in nonsense.err
    assert list(tmp_path.iterdir()) == []


def test_a_postgres_that_is_not_there_is_asked_for_before_anything_is_made(tmp_path: Path) -> None:
    ended = run("dev", cwd=tmp_path, settings={"AUTHSVC_POSTGRES_BIN": "nowhere"})

    assert ended.code == 1
    assert ended.err.startswith("authsvc: There is no PostgreSQL in nowhere. Name the directory")
    assert list(tmp_path.iterdir()) == []


def test_keys_outlive_a_kill(home: Path) -> None:
    with dev(home) as server:
        secret = server.create_key("before the kill")
        server.kill()

    with dev(home) as server:
        assert server.accepts(secret)
        assert server.terminate() == 0
        assert server.left() == set()


def test_every_acknowledged_key_outlives_a_kill_of_server_and_database(home: Path) -> None:
    acknowledged: list[str] = []
    stopped = threading.Event()

    def create_keys(server: Dev) -> None:
        with server.client() as client, suppress(AuthServiceError):
            while not stopped.is_set():
                name = f"key {len(acknowledged)}"
                created = client.create_key(name, account_id=server.account_id)
                acknowledged.append(created.secret.reveal())

    with dev(home) as server:
        load = threading.Thread(target=create_keys, args=[server])
        load.start()
        try:
            until(lambda: len(acknowledged) >= 50, "load")
            os.kill(postmaster_pid(server.data_dir), signal.SIGKILL)
            server.kill()
        finally:
            stopped.set()
            load.join()

    with dev(home) as server, server.client() as client:
        lost = [secret for secret in acknowledged if not client.check(secret)]
    assert lost == []
