"""`authsvc migrate`, `bootstrap` and `serve`, as an operator runs them on a database of theirs."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc

from orchestrator.auth import AsyncAuthClient, AuthClient, AuthServiceError
from tests.e2e.databases import Prepared, settings_on
from tests.e2e.support import SECRET, Command, Ended, run, run_all, serve
from tests.support_certificates import issue_client, write_tls_files

WAITING: Final = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
 WHERE NOT granted AND datname = current_database()
"""
SERVING: Final = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING
TLS_SETTINGS: Final = ("AUTHSVC_TLS_CERTIFICATE_FILE", "AUTHSVC_TLS_KEY_FILE")


@pytest.fixture
def settings(empty_database_url: str) -> dict[str, str]:
    """The settings of a service on an empty database."""
    return settings_on(empty_database_url)


def test_an_operator_gets_from_an_empty_database_to_a_key(
    settings: dict[str, str], tmp_path: Path
) -> None:
    refused = run_all(
        [Command(["serve"], settings=settings), Command(["bootstrap"], settings=settings)]
    )
    for ended in refused:
        assert ended.code == 1
        assert ended.out == ""
        assert ended.err.startswith("authsvc: the database schema is at revision none")
        assert ended.err.endswith("run `authsvc migrate`\n")

    migrated = run("migrate", settings=settings)
    assert re.fullmatch(r"schema: none -> \d{4}\n", migrated.out)

    first = run("bootstrap", settings=settings)
    shown = SECRET.findall(first.out)
    assert first.code == 0
    assert len(shown) == 1

    second = run("bootstrap", settings=settings)
    assert second.code == 1
    assert second.out == ""
    assert "has a key named 'admin'" in second.err
    assert "--key-name" in second.err

    with serve(tmp_path, settings) as (process, address):
        caller = {
            "AUTHSVC_ADDRESS": address,
            "AUTHSVC_API_KEY": shown[0],
            "AUTHSVC_PLAINTEXT": "true",
        }
        account = json.loads(run("account", "create", "Acme", "--json", settings=caller).out)
        key = run("key", "create", "ci", "--account", account["account_id"], settings=caller)
        assert key.code == 0
        assert process.terminate() == 0


def test_migrate_tells_the_revision_and_loses_data_only_when_forced(database_url: str) -> None:
    settings = {"AUTHSVC_DATABASE_URL": database_url}
    shown, again, unforced, unknown = run_all(
        [
            Command(["migrate", *more], settings=settings)
            for more in (["--show"], [], ["base"], ["nonsense"])
        ]
    )
    forced = run("migrate", "base", "--force", settings=settings)

    assert re.fullmatch(r"(\d{4}) \(newest: \1\)\n", shown.out)
    assert re.fullmatch(r"schema at \d{4}\n", again.out)
    assert [unforced.code, unknown.code] == [1, 1]
    assert "--force" in unforced.err
    assert "there is no revision 'nonsense'" in unknown.err
    assert re.fullmatch(r"schema: \d{4} -> none\n", forced.out)


def test_sigterm_lets_a_server_end_in_order(prepared: Prepared, tmp_path: Path) -> None:
    with serve(tmp_path, prepared.settings) as (process, _):
        assert process.terminate() == 0

        events = [json.loads(line)["event"] for line in process.errors().splitlines()]
    assert events == ["serving", "draining", "stopped"]


async def test_a_second_signal_does_not_wait_for_running_calls(
    prepared: Prepared, tmp_path: Path
) -> None:
    patient = {"AUTHSVC_DATABASE_TIMEOUT": "60", "AUTHSVC_SHUTDOWN_GRACE": "60"}
    blocker = await asyncpg.connect(prepared.database_url)
    try:
        with serve(tmp_path, {**prepared.settings, **patient}) as (process, address):
            async with AsyncAuthClient(
                address, api_key=prepared.admin_key, plaintext=True, timeout=60.0
            ) as client:
                async with blocker.transaction():
                    await blocker.execute("LOCK TABLE authsvc.keys")
                    call = asyncio.create_task(client.check("Bearer x"))
                    while not await blocker.fetchval(WAITING) and not call.done():
                        pass
                    process.signal(signal.SIGTERM)
                    await asyncio.to_thread(process.wait_for, "draining", process.errors)

                    code = await asyncio.to_thread(process.terminate)
                with pytest.raises(AuthServiceError):
                    await call
    finally:
        await blocker.close()

    assert code == 0


async def test_calls_are_taken_while_load_balancers_notice_the_end(
    prepared: Prepared, tmp_path: Path
) -> None:
    with serve(tmp_path, {**prepared.settings, "AUTHSVC_SHUTDOWN_NOTICE": "300"}) as (
        process,
        address,
    ):
        async with (
            AsyncAuthClient(
                address, api_key=prepared.admin_key, plaintext=True, timeout=10.0
            ) as client,
            grpc.aio.insecure_channel(address) as channel,
        ):
            health = health_pb2_grpc.HealthStub(channel)
            watch = health.Watch(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == SERVING

            process.signal(signal.SIGTERM)

            assert (await watch.read()).status == NOT_SERVING
            assert await client.check(prepared.admin_key)

        # A second signal does not wait for the notice either.
        assert await asyncio.to_thread(process.terminate) == 0
        events = [json.loads(line)["event"] for line in process.errors().splitlines()]
    assert events == ["serving", "draining"]


# Which settings are wrong, and what standard error says.
REFUSALS: Final = {
    "nothing set": (
        dict.fromkeys(("AUTHSVC_DATABASE_URL", "AUTHSVC_ENCRYPTION_KEY"), ""),
        ["\n  AUTHSVC_DATABASE_URL: is required\n  AUTHSVC_ENCRYPTION_KEY: is required\n"],
    ),
    "everything wrong": (
        {
            "AUTHSVC_DATABASE_URL": "mysql://user:hunter2@host/name",
            "AUTHSVC_ENCRYPTION_KEY": "hunter2",
            "AUTHSVC_LISTEN_ADDRESS": "nonsense",
            "AUTHSVC_TLS_KEY_FILE": "/key.pem",
            "AUTHSVC_LOG_LEVEL": "loud",
            "AUTHSVC_TOKEN_LEEWAY": "-1",
        },
        [
            "\n  AUTHSVC_DATABASE_URL: must begin with postgresql://",
            "\n  AUTHSVC_ENCRYPTION_KEY: must be 32 random bytes in base64",
            "\n  AUTHSVC_LISTEN_ADDRESS: must be host:port",
            "\n  AUTHSVC_TLS_KEY_FILE: goes with AUTHSVC_TLS_CERTIFICATE_FILE",
            "\n  AUTHSVC_LOG_LEVEL: ",
            "\n  AUTHSVC_TOKEN_LEEWAY: ",
        ],
    ),
    "a public address without TLS": (
        {"AUTHSVC_LISTEN_ADDRESS": "0.0.0.0:50051"},
        [
            "AUTHSVC_LISTEN_ADDRESS: is not a loopback address",
            "AUTHSVC_TLS_CERTIFICATE_FILE",
            "AUTHSVC_TLS_KEY_FILE",
            "AUTHSVC_ALLOW_PLAINTEXT=true",
        ],
    ),
    "another encryption key": (
        {"AUTHSVC_ENCRYPTION_KEY": base64.b64encode(bytes(32)).decode()},
        ["cannot be opened with this AUTHSVC_ENCRYPTION_KEY", "configure the key that it was"],
    ),
    "TLS files that are none": (
        dict.fromkeys(TLS_SETTINGS, __file__),
        ["must be a certificate chain in PEM and its private key"],
    ),
    "TLS files that are missing": (
        dict.fromkeys(TLS_SETTINGS, "/nowhere/x.pem"),
        ["/nowhere/x.pem: No such file or directory"],
    ),
    "a port for certificates without the rest": (
        {"AUTHSVC_MTLS_LISTEN_ADDRESS": "127.0.0.1:0"},
        [
            "AUTHSVC_CERTIFICATE_CALLERS_FILE: client certificates need more",
            ": set AUTHSVC_TLS_CERTIFICATE_FILE, AUTHSVC_TLS_CLIENT_CA_FILE, ",
            ", AUTHSVC_CERTIFICATE_CALLERS_FILE, too",
        ],
    ),
    "a database that is away": (
        {"AUTHSVC_DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/name"},
        ["the database cannot be reached (Connection refused)", "AUTHSVC_DATABASE_URL"],
    ),
    "a # in the database's password": (
        {"AUTHSVC_DATABASE_URL": "postgresql://u:hunter2#x@host/name"},
        ["AUTHSVC_DATABASE_URL: its hosts cannot be read", "# as %23"],
    ),
    "a ? in the database's password": (
        {"AUTHSVC_DATABASE_URL": "postgresql://u:12?hunter2@host/name"},
        ["AUTHSVC_DATABASE_URL cannot be read"],
    ),
}


@pytest.fixture(scope="module")
def refused(prepared: Prepared) -> dict[str, Ended]:
    """What `authsvc serve` says of wrong settings."""
    commands = [
        Command(["serve"], settings={**prepared.settings, **settings})
        for settings, _ in REFUSALS.values()
    ]
    return dict(zip(REFUSALS, run_all(commands), strict=True))


@pytest.mark.parametrize("name", REFUSALS)
def test_serve_refuses_wrong_settings_and_says_what_to_do(
    refused: dict[str, Ended], name: str
) -> None:
    _, texts = REFUSALS[name]
    ended = refused[name]

    assert ended.code == 1
    assert ended.out == ""
    assert ended.err.startswith("authsvc: ")
    assert [text for text in texts if text not in ended.err] == [], ended.err
    assert "hunter2" not in ended.err


@dataclass(frozen=True)
class Encrypted:
    """A server with TLS, of two workers, and with a port for certificates."""

    address: str
    mtls_address: str
    admin_key: str
    ca_file: Path
    authority: trustme.CA


@pytest.fixture(scope="module")
def encrypted(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    directory = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    files = write_tls_files(directory, authority, authority)
    settings = {
        **prepared.settings,
        **{f"AUTHSVC_{name.upper()}": str(file) for name, file in files.items()},
        "AUTHSVC_MTLS_LISTEN_ADDRESS": "127.0.0.1:0",
        "AUTHSVC_WORKERS": "2",
    }
    with serve(directory, settings) as (process, address):
        mtls_address = process.wait_for(r'"mtls_address": "(\S+)"', process.errors)[1]
        process.wait_for(r'(?s)("event": "serving".*){2}', process.errors)
        ca_file = files["tls_client_ca_file"]
        yield Encrypted(address, mtls_address, prepared.admin_key, ca_file, authority)


def test_on_the_port_for_certificates_the_command_line_needs_no_key(
    encrypted: Encrypted, tmp_path: Path
) -> None:
    for name in ("operator", "stranger"):
        pair = issue_client(encrypted.authority, dns_names=[f"{name}.example.org"])
        (tmp_path / f"{name}.pem").write_bytes(pair.certificate)
        (tmp_path / f"{name}.key").write_bytes(pair.key)
    caller = {"AUTHSVC_ADDRESS": encrypted.mtls_address}
    by_options = ["--client-certificate-file", "operator.pem", "--client-key-file", "operator.key"]
    by_environment = {
        "AUTHSVC_CLIENT_CERTIFICATE_FILE": "stranger.pem",
        "AUTHSVC_CLIENT_KEY_FILE": "stranger.key",
    }
    listing = ["account", "list", "--ca-file", str(encrypted.ca_file)]

    good, unmapped, none = run_all(
        [
            Command([*listing, *by_options], settings=caller, cwd=tmp_path),
            Command(listing, settings={**caller, **by_environment}, cwd=tmp_path),
            Command(listing, settings={**caller, "AUTHSVC_API_KEY": encrypted.admin_key}),
        ]
    )

    assert good.code == 0, good.err
    assert "authsvc" in good.out
    assert (unmapped.code, none.code) == (1, 1)
    assert "reason: CALLER_CERTIFICATE_NOT_MAPPED" in unmapped.err
    assert "AUTHSVC_CERTIFICATE_CALLERS_FILE" in unmapped.err
    assert "a port that asks for a certificate needs --client-certificate-file" in none.err


def test_with_tls_the_command_line_needs_the_authority(encrypted: Encrypted) -> None:
    caller = {"AUTHSVC_ADDRESS": encrypted.address, "AUTHSVC_API_KEY": encrypted.admin_key}
    good, unknown, plaintext, both = run_all(
        [
            Command(["account", "list", *more], settings=caller)
            for more in (
                ["--ca-file", str(encrypted.ca_file)],
                [],
                ["--plaintext"],
                ["--plaintext", "--ca-file", str(encrypted.ca_file)],
            )
        ]
    )

    assert good.code == 0
    assert [unknown.code, plaintext.code, both.code] == [1, 1, 1]
    assert "CERTIFICATE_VERIFY_FAILED" in unknown.err
    assert "one with TLS must not have it" in plaintext.err
    assert both.err.startswith("authsvc: --ca-file is for TLS")


def test_with_tls_health_is_asked_without_a_key(encrypted: Encrypted) -> None:
    asked = ["health", "--address", encrypted.address, "--ca-file", str(encrypted.ca_file)]

    assert run(*asked) == Ended(0, f"{encrypted.address} says SERVING\n", "")


def test_with_tls_the_client_trusts_the_authority_given(encrypted: Encrypted) -> None:
    with AuthClient(
        encrypted.address,
        api_key=encrypted.admin_key,
        root_certificates=encrypted.ca_file.read_bytes(),
    ) as client:
        assert client.validate(encrypted.admin_key).key_name == "admin"


def test_a_second_server_on_the_port_is_refused(prepared: Prepared, encrypted: Encrypted) -> None:
    address = encrypted.address

    second = run("serve", settings={**prepared.settings, "AUTHSVC_LISTEN_ADDRESS": address})

    assert second.code == 1
    assert f"cannot listen on {address}: the port is in use" in second.err
    assert "or choose another one with AUTHSVC_LISTEN_ADDRESS" in second.err
