"""`authsvc health`: one line, and exit code 0 only for a server that serves."""

from __future__ import annotations

import socket

from tests.e2e.support import Dev, run


def test_a_server_that_serves(shared_dev: Dev) -> None:
    ended = run("health", settings=shared_dev.caller)

    assert (ended.code, ended.out, ended.err) == (0, f"{shared_dev.address} says SERVING\n", "")


def test_a_service_that_it_does_not_have(shared_dev: Dev) -> None:
    ended = run("health", "--service", "no.Such", settings=shared_dev.caller)

    assert (ended.code, ended.out) == (1, "")
    assert "has no service named 'no.Such'" in ended.err


def test_a_server_with_tls_is_expected_unless_told_otherwise(shared_dev: Dev) -> None:
    ended = run("health", settings={"AUTHSVC_ADDRESS": shared_dev.address})

    assert (ended.code, ended.out) == (1, "")
    assert "--plaintext" in ended.err


def test_nobody_at_the_address() -> None:
    with socket.socket() as bound:
        # Bound and not listening: connections are refused, and nobody else takes the port.
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        ended = run("health", "--plaintext", "--address", address)

    assert (ended.code, ended.out) == (1, "")
    assert f"{address} does not answer" in ended.err
