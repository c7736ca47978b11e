"""`authsvc health`: one line, and exit code 0 only for a server that serves."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer

from tests.e2e.support import Command, Ended, run_all
from tests.support_certificates import chain_of

PLAIN, TLS, NOBODY, CA = "PLAIN", "TLS", "NOBODY", "CA"
NAME: Final = "authsvc.example.test"
CASES: Final = {
    "a server that serves": ["--plaintext", "--address", PLAIN],
    "a service that does not": ["--plaintext", "--address", PLAIN, "--service", "away"],
    "a service that it does not have": ["--plaintext", "--address", PLAIN, "--service", "no.Such"],
    "nobody": ["--plaintext", "--address", NOBODY],
    "TLS, at a server without": ["--address", PLAIN],
    "no TLS, at a server with it": ["--plaintext", "--address", TLS],
    "TLS and its authority and name": ["--address", TLS, "--ca-file", CA, "--server-name", NAME],
    "TLS without its name": ["--address", TLS, "--ca-file", CA],
    "TLS without its authority": ["--address", TLS, "--server-name", NAME],
    "a name without TLS": ["--plaintext", "--address", PLAIN, "--server-name", NAME],
}
SILENT: Final = {
    "nobody": NOBODY,
    "TLS, at a server without": PLAIN,
    "no TLS, at a server with it": TLS,
    "TLS without its name": TLS,
    "TLS without its authority": TLS,
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server at two addresses, one nobody is at, and the file of its authority."""
    authority = trustme.CA()
    issued = authority.issue_cert(NAME)
    ca_file = tmp_path_factory.mktemp("health") / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    health = HealthServicer()
    health.set("away", health_pb2.HealthCheckResponse.NOT_SERVING)
    server = grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    plain = server.add_insecure_port("127.0.0.1:0")
    encrypted = server.add_secure_port(
        "127.0.0.1:0",
        grpc.ssl_server_credentials([(issued.private_key_pem.bytes(), chain_of(issued))]),
    )
    server.start()
    with socket.socket() as bound:
        # Bound and not listening: connections are refused, and nobody else takes the port.
        bound.bind(("127.0.0.1", 0))
        ports = {PLAIN: plain, TLS: encrypted, NOBODY: bound.getsockname()[1]}
        yield {CA: str(ca_file), **{place: f"127.0.0.1:{port}" for place, port in ports.items()}}
    server.stop(None).wait()


@pytest.fixture(scope="module")
def told(places: dict[str, str]) -> dict[str, Ended]:
    """What the command said in every case."""
    commands = [
        Command(["health", *(places.get(word, word) for word in words)]) for words in CASES.values()
    ]
    return dict(zip(CASES, run_all(commands), strict=True))


@pytest.mark.parametrize(
    ("case", "place"), [("a server that serves", PLAIN), ("TLS and its authority and name", TLS)]
)
def test_a_server_that_serves(
    told: dict[str, Ended], places: dict[str, str], case: str, place: str
) -> None:
    assert told[case] == Ended(0, f"{places[place]} says SERVING\n", "")


def test_a_service_that_does_not_serve(told: dict[str, Ended], places: dict[str, str]) -> None:
    said = f"authsvc: {places[PLAIN]} says NOT_SERVING\n"

    assert told["a service that does not"] == Ended(1, "", said)


def test_a_service_that_the_server_does_not_have(told: dict[str, Ended]) -> None:
    ended = told["a service that it does not have"]

    assert (ended.code, ended.out) == (1, "")
    assert "has no service named 'no.Such'" in ended.err


@pytest.mark.parametrize(("case", "place"), SILENT.items(), ids=SILENT)
def test_a_server_that_cannot_be_reached(
    told: dict[str, Ended], places: dict[str, str], case: str, place: str
) -> None:
    ended = told[case]

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"authsvc: {places[place]} does not answer. ")
    assert ended.err.count("\n") == 1


def test_a_name_is_for_tls(told: dict[str, Ended]) -> None:
    ended = told["a name without TLS"]

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("authsvc: --server-name is for TLS")
